// SPDX-License-Identifier: MIT
#include "config/warnings.hpp"

#include <array>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/escape.hpp"
#include "config/closure.hpp"

namespace msi2imds::config {
namespace {

constexpr std::size_t kMostNotReadNamed = 10;

bool refuses_everybody(const Config& config) {
  return refuses_somebody(config) && config.allow.empty();
}

// Why no caller can be known by that program, and what to name instead; nothing where one can, or nobody can
// tell, as for a file that is not there yet.
std::optional<Warning> fault_of(const std::string& program) {
  std::error_code ec;
  const std::string target = std::filesystem::canonical(program, ec).string();
  if (ec) {
    return std::nullopt;
  }
  if (target != program) {
    return Warning{
        .what = "callers are known by the path without symbolic links, and " + program + " is one with them",
        .remedy = "name program = \"" + target + "\""};
  }
  if (std::filesystem::is_directory(target, ec)) {
    return Warning{.what = program + " is a directory", .remedy = "name a program in it"};
  }
  if (!std::filesystem::is_regular_file(target, ec)) {  // to open a FIFO would wait for its other end
    return Warning{.what = program + " is no regular file", .remedy = "name a program"};
  }
  std::array<char, 2> begin{};
  std::ifstream(target).read(begin.data(), begin.size());
  if (std::string_view(begin.data(), begin.size()) == "#!") {
    return Warning{
        .what = program + " is a script, and its callers are known by the program that interprets it",
        .remedy = "name unit = or user = instead"};
  }
  return std::nullopt;
}

// Of conditions none of whose programs can be a caller's; another one may be meant for another machine.
std::optional<Warning> fault_of(const Conditions& conditions) {
  std::optional<Warning> first;
  for (const std::string& program : conditions.programs) {
    std::optional<Warning> fault = fault_of(program);
    if (!fault) {
      return std::nullopt;
    }
    first = first ? std::move(first) : std::move(fault);
  }
  return first;
}

// `effect`: what the rule does for nobody.
template <typename Rule>
void warn_if_unreachable(const Rule& rule, const std::string& effect, std::vector<Warning>& warnings) {
  std::optional<Warning> fault = fault_of(rule.conditions);
  if (!fault) {
    return;
  }
  const std::string name = rule.name.empty() ? "" : " \"" + rule.name + "\"";
  fault->what = "the rule" + name + " (" + rule.origin + ") " + effect + " nobody, since " + fault->what;
  warnings.push_back(std::move(*fault));
}

// Not a line for each where somebody keeps thousands of other files there.
void warn_of_not_read(const std::vector<std::string>& files, std::vector<Warning>& warnings) {
  const std::size_t named = files.size() <= kMostNotReadNamed ? files.size() : kMostNotReadNamed - 1;
  for (std::size_t i = 0; i < named; ++i) {
    warnings.push_back({.what = files[i] + " is not read, since its name does not end in .toml",
                        .remedy = "rename it, or move it away"});
  }
  if (named < files.size()) {
    warnings.push_back({.what = std::filesystem::path(files[named]).parent_path().string() + " holds " +
                                std::to_string(files.size() - named) +
                                " more files that are not read, since their names do not end in .toml",
                        .remedy = "rename them, or move them away"});
  }
}

}  // namespace

std::string to_string(const Warning& warning) {
  return escape::control_characters(warning.what + "; " + warning.remedy);
}

std::optional<Warning> way_around(const Config& config) {
  if (!refuses_somebody(config) || config.policy.close_imds) {
    return std::nullopt;
  }
  return Warning{.what = "whoever is refused can still ask " + config.imds.endpoint.text + " itself",
                 .remedy = "set policy.close_imds = true to close it to users whom no rule names"};
}

std::vector<Warning> warnings_of(const Config& config) {
  std::vector<Warning> warnings;
  if (refuses_everybody(config)) {
    warnings.push_back(
        {.what = "policy.mode = \"enforce\" without an [[allow]] rule refuses every caller",
         .remedy = "add an [[allow]] rule, or set policy.mode = \"audit\" or policy.default = \"allow\""});
  }
  if (config.policy.close_imds && !refuses_somebody(config)) {
    warnings.push_back({.what = "policy.close_imds closes nothing, since nobody is refused",
                        .remedy = "set policy.mode = \"enforce\" and policy.default = \"deny\""});
  }
  if (!config.legacy.container_networks.empty() && !refuses_somebody(config)) {
    warnings.push_back({.what =
                            "legacy.container_networks lets every process in these containers' networks have "
                            "tokens, since nobody is refused",
                        .remedy = "set policy.mode = \"enforce\", and allow containers by container_name"});
  }
  for (const Allow& rule : config.allow) {
    warn_if_unreachable(rule, "allows", warnings);
  }
  for (const IdentityRule& rule : config.identity.rules) {
    warn_if_unreachable(rule, "chooses for", warnings);
  }
  warn_of_not_read(config.not_read, warnings);  // last: in a status, only the first one is told
  return warnings;
}

}  // namespace msi2imds::config
