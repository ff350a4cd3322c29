// SPDX-License-Identifier: MIT
#include "config/warnings.hpp"

#include <filesystem>
#include <optional>
#include <system_error>

#include "base/escape.hpp"

namespace msi2imds::config {
namespace {

bool refuses_everybody(const Config& config) {
  return config.policy.mode == PolicyMode::enforce && config.policy.default_ == PolicyDefault::deny &&
         config.allow.empty();
}

// The file that a path leads to, if it is reached by a symbolic link; nothing also where nobody can tell.
std::optional<std::string> target_of(const std::string& program) {
  std::error_code ec;
  std::string target = std::filesystem::canonical(program, ec).string();
  return ec || target == program ? std::nullopt : std::optional(std::move(target));
}

// The first program of a rule of which none can be a caller's; another one may be meant for another machine.
std::optional<Warning> unreachable(const Allow& rule) {
  std::optional<std::string> first;
  for (const std::string& program : rule.programs) {
    const std::optional<std::string> target = target_of(program);
    if (!target) {
      return std::nullopt;
    }
    first = first ? first : target;
  }
  if (!first) {
    return std::nullopt;
  }
  const std::string name = rule.name.empty() ? "" : " \"" + rule.name + "\"";
  return Warning{.what = "the rule" + name + " (" + rule.origin +
                         ") allows nobody, since callers are known by the path "
                         "without symbolic links, and " +
                         rule.programs.front() + " is one with them",
                 .remedy = "name program = \"" + *first + "\""};
}

}  // namespace

std::string to_string(const Warning& warning) {
  return escape::control_characters(warning.what + "; " + warning.remedy);
}

std::vector<Warning> warnings_of(const Config& config) {
  std::vector<Warning> warnings;
  if (refuses_everybody(config)) {
    warnings.push_back(
        {.what = "policy.mode = \"enforce\" without an [[allow]] rule refuses every caller",
         .remedy = "add an [[allow]] rule, or set policy.mode = \"audit\" or policy.default = \"allow\""});
  }
  for (const Allow& rule : config.allow) {
    if (std::optional<Warning> warning = unreachable(rule)) {
      warnings.push_back(std::move(*warning));
    }
  }
  return warnings;
}

}  // namespace msi2imds::config
