// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace msi2imds::waagent {

// Small files in our own state directory, which is made if it is missing.

// Replaces the file at once, readable by its owner alone.
[[nodiscard]] Result<void> write_note(const std::filesystem::path& directory, const std::string& name,
                                      std::string_view text);

// Its text; empty if there is none, or if somebody else may have written it.
[[nodiscard]] std::string read_note(const std::filesystem::path& directory, const std::string& name);

}  // namespace msi2imds::waagent
