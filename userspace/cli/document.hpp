// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

namespace msi2imds::cli {

// Prints a JSON object as the answer to --json: one line, with the number of its schema first (docs/json.md).
void print_document(std::string_view object);

}  // namespace msi2imds::cli
