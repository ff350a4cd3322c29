// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "base/error.hpp"

namespace msi2imds::cli {

// The whole file, of at most `most` bytes, from where `fd` is. `path` is for the error.
[[nodiscard]] Result<std::string> read_all(int fd, const std::string& path, std::size_t most);

// The text of a file of reports.
[[nodiscard]] Result<std::string> read_report_file(const std::string& path);

// The path itself, or the .json files of a directory in the order of their names; one without any is an
// error.
[[nodiscard]] Result<std::vector<std::string>> list_report_files(const std::string& path);

}  // namespace msi2imds::cli
