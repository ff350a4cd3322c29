// SPDX-License-Identifier: MIT
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "config/document.hpp"

namespace msi2imds::config {

// Where a key was set.
struct Origin {
  std::string file;
  Position position;
};

// Where each key was last set; a key that is not there has its default.
using Origins = std::map<std::string, Origin, std::less<>>;

// "FILE:LINE:COLUMN", or FILE alone without a line.
[[nodiscard]] std::string to_string(const Origin& origin);

// Collects what is wrong, so that the operator sees all of it at once.
class Problems {
 public:
  // `key` is the dotted name as the operator wrote it.
  void add(const Origin& origin, std::string_view key, std::string_view what);

  // The file could not be read to its end, so nobody knows which keys it sets.
  void add_file(const Origin& origin, std::string_view what);

  // Whether the value of `key` is what the operator meant, so that it may be compared with another's.
  [[nodiscard]] bool is_sound(std::string_view key) const;

  [[nodiscard]] bool empty() const {
    return lines_.empty();
  }

  [[nodiscard]] Error to_error() const;

 private:
  std::vector<std::string> lines_;
  std::set<std::string, std::less<>> keys_;
  bool whole_file_ = false;
};

}  // namespace msi2imds::config
