// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

// Makes strings that strangers chose safe to show.
namespace msi2imds::escape {

// For logs and terminals: bytes below 0x20, 0x7f and anything not ASCII become \xNN, a backslash becomes \\.
[[nodiscard]] std::string control_characters(std::string_view text);

// Appends the same to `out`.
void append_control_characters(std::string& out, std::string_view text);

}  // namespace msi2imds::escape
