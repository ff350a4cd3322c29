// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "doctor/root.hpp"

namespace msi2imds::doctor {

// The first `max_size` bytes of a regular file; empty where there is none, or it may not be read.
[[nodiscard]] std::string read_text(const std::string& path, std::size_t max_size = std::size_t{1} << 20U);

[[nodiscard]] std::vector<std::string> split(std::string_view text, std::string_view separators);

// Whether `systemctl` would know a unit of that name, by its file.
[[nodiscard]] bool has_unit_file(const Root& root, const std::string& unit);

}  // namespace msi2imds::doctor
