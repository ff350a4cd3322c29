// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "config/config.hpp"
#include "config/sourced.hpp"

// Reading a configuration. An Error names every problem found, one a line:
// `FILE:LINE:COLUMN: KEY: what is wrong; what would be right`.
namespace msi2imds::config {

inline constexpr std::string_view kDefaultFile = "/etc/msi2imds/msi2imds.toml";

// The configuration that `toml_text` describes; `file_name` is for the errors.
[[nodiscard]] Result<Config> parse(std::string_view toml_text, const std::string& file_name);

// Reads `file`, then conf.d/*.toml beside it in byte order of their names: a later file overrides single
// keys. A missing `file` is an error, a missing conf.d is not.
[[nodiscard]] Result<Config> load(const std::filesystem::path& file);

// The same for a file that nobody asked for by name (kDefaultFile): without it the defaults and conf.d hold.
[[nodiscard]] Result<Config> load_if_present(const std::filesystem::path& file);

enum class Missing : std::uint8_t { is_an_error, is_fine };

// What load() or load_if_present() reads, with the origins.
[[nodiscard]] Result<Sourced> load_sourced(const std::filesystem::path& file, Missing missing);

// A number that stays the same as long as those files have the same names and contents; what cannot be read
// counts as empty.
[[nodiscard]] std::size_t fingerprint(const std::filesystem::path& file);

}  // namespace msi2imds::config
