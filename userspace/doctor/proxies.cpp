// SPDX-License-Identifier: MIT
#include "doctor/proxies.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "doctor/files.hpp"
#include "resolver/process.hpp"

namespace msi2imds::doctor {
namespace {

constexpr const char* kProxiesCheck = "proxy";
constexpr const char* kAdvice = "Set no_proxy=localhost,127.0.0.1,169.254.169.254 there, and restart it.";
constexpr std::array<std::string_view, 4> kProxies = {"http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"};

bool excepts_localhost(std::string_view value) {
  const std::vector<std::string> names = split(value, ", \"'");
  return std::ranges::any_of(names, [](const std::string& name) {
    return name == "*" || name == "localhost" || name == ".localhost" || name == "127.0.0.1";
  });
}

// The number may be another process's by now.
bool is_still(const std::string& proc, const usage::Row& row) {
  const auto process = resolver::read_process(proc, *row.pid);
  return process && (row.program.empty() ? process->comm == row.comm : process->program == row.program);
}

}  // namespace

bool sends_localhost_to_proxy(std::string_view environment, char separator) {
  bool has_proxy = false;
  bool is_excepted = false;
  for (const std::string& variable : split(environment, std::string_view(&separator, 1))) {
    const std::size_t equals = variable.find('=');
    if (equals == std::string::npos) {
      continue;
    }
    const std::string_view name = std::string_view(variable).substr(0, equals);
    const std::string_view value = std::string_view(variable).substr(equals + 1);
    has_proxy = has_proxy || (!value.empty() && std::ranges::find(kProxies, name) != kProxies.end());
    is_excepted = is_excepted || ((name == "no_proxy" || name == "NO_PROXY") && excepts_localhost(value));
  }
  return has_proxy && !is_excepted;
}

Findings check_proxies(const Host& host) {
  Findings findings;
  if (sends_localhost_to_proxy(read_text(host.root.etc + "/environment"), '\n')) {
    findings.push_back(warning(
        kProxiesCheck,
        "/etc/environment gives whoever logs in a proxy for HTTP, without an exception for localhost.",
        "Set no_proxy=localhost,127.0.0.1,169.254.169.254 there."));
  }
  std::size_t seen = 0;
  for (const usage::Row& row : host.callers.rows()) {
    if (row.is_others || !row.pid || !is_still(host.root.proc, row)) {
      continue;
    }
    const std::string environment = read_text(host.root.proc + "/" + std::to_string(*row.pid) + "/environ");
    seen += environment.empty() ? 0 : 1;
    if (sends_localhost_to_proxy(environment, '\0')) {
      findings.push_back(warning(
          kProxiesCheck,
          usage::describe(row) + " has a proxy for HTTP, without an exception for localhost: its requests "
                                 "may go there.",
          kAdvice));
    }
  }
  if (!host.is_root || !host.knows_callers) {
    findings.push_back(
        unknown(kProxiesCheck, "Which proxies callers have is not known: only root may see all of them."));
  } else if (findings.empty()) {
    findings.push_back(
        ok(kProxiesCheck, seen == 0 ? "No running caller is known, so no proxy settings were checked."
                                    : "No caller that still runs sends requests for localhost to a proxy."));
  }
  return findings;
}

}  // namespace msi2imds::doctor
