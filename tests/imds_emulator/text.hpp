// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

namespace msi2imds::emulator {

// ASCII only, whatever the locale.
[[nodiscard]] std::string lower_case(std::string_view text);
[[nodiscard]] bool equal_ignoring_case(std::string_view a, std::string_view b);

// "8-4-4-4-12" hexadecimal digits.
[[nodiscard]] bool is_guid(std::string_view text);

// A GUID that is always the same for the same seed.
[[nodiscard]] std::string derive_guid(std::string_view seed);

[[nodiscard]] bool is_absolute_uri(std::string_view text);

// Takes bytes that are no UTF-8 as Latin-1, so that JSON can hold whatever came in.
[[nodiscard]] std::string valid_utf8(std::string_view bytes);

[[nodiscard]] std::string base64url(std::string_view bytes);

}  // namespace msi2imds::emulator
