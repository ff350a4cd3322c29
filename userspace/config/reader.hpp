// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

#include "base/error.hpp"
#include "config/config.hpp"
#include "config/document.hpp"
#include "config/problems.hpp"
#include "config/sourced.hpp"

namespace msi2imds::config {

// Lays one text over the other and then judges the outcome.
class Reader {
 public:
  void read(std::string_view text, const std::string& file_name);

  // What stands in `file_name` is unknown.
  void cannot_read(const std::string& file_name, std::string_view why);

  [[nodiscard]] Result<Sourced> finish();

 private:
  void read_member(std::string_view table, const Member& member, const std::string& file_name);

  Config config_;
  Origins origins_;
  Problems problems_;
};

}  // namespace msi2imds::config
