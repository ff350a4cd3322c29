// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

namespace msi2imds {

// Appends `text` as a JSON string with its quotes, which stands in HTML and on a terminal as well: all that
// is not printable ASCII, and <, > and &, become \uXXXX. A byte that is not UTF-8 becomes the character of
// that number, so that the result is valid whatever comes in.
void append_json_string(std::string& out, std::string_view text);

// Whether such a JSON string is the text in quotes.
[[nodiscard]] bool is_plain_in_json(std::string_view text);

// Returns such a JSON string.
[[nodiscard]] std::string json_string(std::string_view text);

}  // namespace msi2imds
