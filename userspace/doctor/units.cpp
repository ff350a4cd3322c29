// SPDX-License-Identifier: MIT
#include "doctor/units.hpp"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/run_to_end.hpp"
#include "base/text.hpp"
#include "doctor/exec_steps.hpp"
#include "doctor/files.hpp"

namespace msi2imds::doctor {
namespace {

constexpr const char* kCheck = "unit";
constexpr std::string_view kService = "msi2imds.service";
constexpr std::string_view kSocket = "msi2imds.socket";
constexpr std::string_view kObserver = "msi2imds-observe.service";
constexpr std::array kUnits = {kService, kSocket, kObserver};
constexpr std::array kProperties = {"Id",           "LoadState",      "ActiveState",  "SubState",    "Result",
                                    "ExecMainCode", "ExecMainStatus", "ExecStartPre", "ExecStopPost"};
// Its socket alone serves nobody, since nothing leads callers there.
constexpr std::string_view kStartAgain =
    "systemctl reset-failed msi2imds.service msi2imds.socket, systemctl start msi2imds.service";
constexpr int kUsage = 2;  // what msi2imds ends with when it does not understand its configuration

using Unit = std::map<std::string, std::string, std::less<>>;  // its properties

std::string get(const Unit& unit, std::string_view property) {
  const auto found = unit.find(property);
  return found == unit.end() ? std::string() : found->second;
}

int to_number(std::string_view text) {
  int number = 0;
  (void)std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

// What `systemctl show` prints: "PROPERTY=VALUE" lines, in an order of its own, and an empty line between
// units. A property that has several values has a line for each.
std::vector<Unit> read_units(std::string_view text) {
  std::vector<Unit> units(1);
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (line.empty()) {
      units.emplace_back();
    } else if (const std::size_t equals = line.find('='); equals != std::string_view::npos) {
      units.back()[std::string(line.substr(0, equals))] += line.substr(equals + 1);
    }
  }
  std::erase_if(units, [](const Unit& unit) { return get(unit, "Id").empty(); });
  return units;
}

// How a process of the unit ended.
struct Ending {
  bool by_signal = false;
  int status = 0;
};

// One of "ExecStartPre={ path=/bin/false ; ... ; ignore_errors=no ; ... ; code=exited ; status=1 }"; later
// versions have more of them in a line.
Ending ending_of_command(std::string_view commands) {
  constexpr std::string_view kCode = "code=";
  constexpr std::string_view kStatus = "status=";
  Ending ending;
  for (const std::string& command : split(commands, "{}")) {
    const std::size_t code = command.rfind(kCode);
    const std::size_t status = command.rfind(kStatus);
    if (code != std::string::npos && status != std::string::npos &&
        command.find("ignore_errors=yes") == std::string::npos) {
      const std::string_view how = std::string_view(command).substr(code + kCode.size());
      ending = {.by_signal = how.starts_with("killed") || how.starts_with("dumped"),
                .status = to_number(std::string_view(command).substr(status + kStatus.size()))};
    }
    if (ending.status != 0) {
      break;
    }
  }
  return ending;
}

// The main process's, or that of the command before or after it which failed.
Ending ending_of(const Unit& unit) {
  constexpr int kExited = 1;  // CLD_EXITED
  const int code = to_number(get(unit, "ExecMainCode"));
  Ending ending{.by_signal = code > kExited, .status = to_number(get(unit, "ExecMainStatus"))};
  for (const char* property : {"ExecStartPre", "ExecStopPost"}) {
    if (ending.status == 0) {
      ending = ending_of_command(get(unit, property));
    }
  }
  return ending;
}

// "step NAMESPACE (exit-code, status=226/NAMESPACE)"
std::string describe(const std::string& result, const Ending& ending) {
  if (ending.status == 0) {
    return result;
  }
  if (ending.by_signal) {
    return fmt::format("{}, signal {}", result, ending.status);
  }
  const std::string_view step = step_of(ending.status);
  return step.empty() ? fmt::format("{}, status={}", result, ending.status)
                      : fmt::format("{}, status={}/{}", result, ending.status, step);
}

std::string start_again(const std::string& name) {
  return name == kObserver ? fmt::format("systemctl reset-failed {0}, systemctl start {0}", name)
                           : std::string(kStartAgain);
}

std::string advice_for(const std::string& name, const std::string& result, const Ending& ending) {
  const std::string_view remedy = remedy_of(ending.by_signal ? "" : step_of(ending.status));
  if (!remedy.empty()) {
    return fmt::format("{} Its journal says more: journalctl -u {}.", remedy, name);
  }
  if (!ending.by_signal && ending.status == kUsage) {
    const std::string cause = name == kObserver
                                  ? "It steps aside for an enabled msi2imds.service (systemctl disable "
                                    "msi2imds-observe, or msi2imds), or correct"
                                  : "Correct";
    return cause + " what msi2imds check-config complains of, and start it again: " + start_again(name) + ".";
  }
  if (result.starts_with("service-")) {
    return fmt::format("Fix msi2imds.service first, then: {}.", kStartAgain);
  }
  if (name == kSocket) {
    return fmt::format("See what `ports` says, or the journal: journalctl -b | grep msi2imds; then: {}.",
                       kStartAgain);
  }
  return fmt::format("Read why in its journal: journalctl -u {}; then: {}.", name, start_again(name));
}

// An error of a unit that cannot be loaded, has failed, or is about to be started again since it failed.
void add_failure(const Unit& unit, Findings& findings) {
  const std::string name = get(unit, "Id");
  const std::string loaded = get(unit, "LoadState");
  if (loaded == "error" || loaded == "bad-setting") {
    findings.push_back(error(kCheck, fmt::format("Systemd cannot load {} ({}).", name, loaded),
                             fmt::format("See what is wrong with it: systemd-analyze verify {}.", name)));
    return;
  }
  const std::string result = get(unit, "Result");
  const bool has_failed = get(unit, "ActiveState") == "failed";
  const bool is_tried_again = get(unit, "SubState").starts_with("auto-restart") && result != "success";
  if (!has_failed && !is_tried_again) {
    return;
  }
  const Ending ending = ending_of(unit);
  const std::string_view step = ending.by_signal ? std::string_view() : step_of(ending.status);
  const std::string where = step.empty() ? std::string() : fmt::format(" at step {}", step);
  findings.push_back(error(kCheck,
                           fmt::format("{} has failed{} ({}){}.", name, where, describe(result, ending),
                                       is_tried_again ? ", and is tried again" : ""),
                           advice_for(name, result, ending)));
}

bool is_any(const std::vector<Unit>& units, std::string_view name, std::string_view property,
            std::string_view value) {
  return std::ranges::any_of(
      units, [&](const Unit& unit) { return get(unit, "Id") == name && get(unit, property) == value; });
}

}  // namespace

Findings check_units(const Host& host) {
  if (::access((host.root.run + "/systemd/system").c_str(), F_OK) != 0) {
    return {};
  }
  std::vector<std::string> arguments = {"show", "--no-pager"};
  for (const char* property : kProperties) {
    arguments.push_back(std::string("--property=") + property);
  }
  arguments.insert(arguments.end(), kUnits.begin(), kUnits.end());
  const auto asked = run_to_end(host.commands.run("systemctl", arguments, ""));
  const std::vector<Unit> units = asked ? read_units(asked->output) : std::vector<Unit>();
  if (units.empty()) {
    const std::string why = asked ? std::string(trim(asked->error)) : asked.error().message();
    return {warning(kCheck,
                    "Cannot ask systemd whether a unit of msi2imds has failed" +
                        (why.empty() ? "" : " (" + why + ")") + ".",
                    "Ask it: systemctl status msi2imds.service msi2imds.socket.")};
  }
  Findings findings;
  for (const Unit& unit : units) {
    add_failure(unit, findings);
  }
  // Since systemd 230 the result has another name, and the socket gives up as well.
  const bool does_socket_listen = is_any(units, kSocket, "ActiveState", "active");
  if (does_socket_listen && is_any(units, kService, "ActiveState", "inactive")) {
    findings.push_back(
        error(kCheck, "msi2imds.socket listens, but msi2imds.service does not run: nobody is led there.",
              fmt::format("Start it: systemctl start {}.", kService)));
  }
  if (does_socket_listen && is_any(units, kService, "Result", "start-limit")) {
    findings.push_back(warning(
        kCheck,
        "msi2imds.socket still listens, though nobody serves and nothing leads callers there: an old systemd "
        "leaves it so once the service has given up.",
        "Fix msi2imds.service and start it, or end the socket as well: systemctl stop msi2imds.socket."));
  }
  if (findings.empty()) {
    findings.push_back(ok(kCheck, "No unit of msi2imds has failed."));
  }
  return findings;
}

}  // namespace msi2imds::doctor
