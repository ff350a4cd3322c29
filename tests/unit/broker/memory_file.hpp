// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/unique_fd.hpp"

namespace msi2imds::broker {

inline constexpr const char* kIssuer = "http://169.254.169.254";

// A memory of tokens that outlasts whoever keeps them there; what is in it can be seen and damaged.
class MemoryFile {
 public:
  explicit MemoryFile(std::uint64_t size = 1024UL * 1024);

  // For one that keeps tokens.
  [[nodiscard]] UniqueFd descriptor() const;

  [[nodiscard]] std::string content() const;
  // Where that stands; npos: nowhere.
  [[nodiscard]] std::size_t find(std::string_view text) const {
    return content().find(text);
  }
  void write(std::uint64_t at, std::string_view bytes) const;
  void resize(std::uint64_t size) const;

 private:
  UniqueFd file_;
};

}  // namespace msi2imds::broker
