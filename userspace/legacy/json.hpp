// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

namespace msi2imds::legacy {

// Appends `text`, which is valid UTF-8, as a JSON string with its quotes.
void append_json_string(std::string& out, std::string_view text);

}  // namespace msi2imds::legacy
