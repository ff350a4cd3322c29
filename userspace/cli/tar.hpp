// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

// Archives as tar(5) describes them (ustar), in memory.
namespace msi2imds::cli {

// Appends a file that its owner may read. `name` has at most 100 characters.
void add_to_tar(std::string& archive, std::string_view name, std::string_view content, std::int64_t time);

// Appends what marks the end.
void finish_tar(std::string& archive);

}  // namespace msi2imds::cli
