// SPDX-License-Identifier: MIT
#pragma once

#include <cctype>
#include <string>
#include <string_view>

// What the messages about values need.
namespace msi2imds::config {

inline std::string in_quotes(std::string_view text) {
  return '"' + std::string(text) + '"';
}

inline bool is_control(char c) {
  return std::iscntrl(static_cast<unsigned char>(c)) != 0;
}

}  // namespace msi2imds::config
