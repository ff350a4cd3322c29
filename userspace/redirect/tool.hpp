// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/command.hpp"

namespace msi2imds::redirect {

// Why a tool ended with an exit status other than 0, as far as its words tell.
[[nodiscard]] Error failure_of(const std::string& tool, const CommandResult& result);

// Runs a tool that has to succeed, and returns what it printed.
[[nodiscard]] Result<std::string> run_tool(CommandRunner& runner, const std::string& tool,
                                           const std::vector<std::string>& arguments,
                                           std::string_view input = {});

// Without the space around it.
[[nodiscard]] std::string_view trim(std::string_view text);

[[nodiscard]] std::vector<std::string_view> lines_of(std::string_view text);

}  // namespace msi2imds::redirect
