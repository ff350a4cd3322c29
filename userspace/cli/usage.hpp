// SPDX-License-Identifier: MIT
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

// What is wrong with a command line, and what would be right.
namespace msi2imds::cli {

using Words = std::vector<std::string>;

// A sentence on the first word that `app` does not have at this place, or that lacks what belongs to it;
// empty: there is none.
[[nodiscard]] std::string find_wrong_word(const CLI::App& app, const Words& words);

// "; see msi2imds status --help" of the command that `app` has parsed.
[[nodiscard]] std::string see_help(const CLI::App& app);

// What is wrong with a value, as CLI11 asks its checks; empty: nothing. Not escaped yet.
[[nodiscard]] std::string is_absolute_path(const std::string& text);
[[nodiscard]] std::string is_unit(const std::string& text);
[[nodiscard]] std::string is_seconds(const std::string& text);
[[nodiscard]] std::string is_id(const std::string& text);

}  // namespace msi2imds::cli
