// SPDX-License-Identifier: MIT
#include "supervisor/units.hpp"

#include <unistd.h>

#include <algorithm>

#include <string>
#include <string_view>
#include <vector>

#include "base/run_to_end.hpp"

namespace msi2imds::supervisor {
namespace {

constexpr const char* kService = "msi2imds.service";
constexpr const char* kSocket = "msi2imds.socket";
constexpr const char* kObserver = "msi2imds-observe.service";

Unit* unit_of(Units& units, std::string_view name) {
  return name == kService    ? &units.service
         : name == kSocket   ? &units.socket
         : name == kObserver ? &units.observer
                             : nullptr;
}

// The value of a "NAME=VALUE" line among those of one unit.
std::string_view value_of(std::string_view lines, std::string_view name) {
  while (!lines.empty()) {
    const std::string_view line = lines.substr(0, lines.find('\n'));
    if (line.size() > name.size() && line.starts_with(name) && line[name.size()] == '=') {
      return line.substr(name.size() + 1);
    }
    lines.remove_prefix(std::min(lines.size(), line.size() + 1));
  }
  return {};
}

}  // namespace

Units read_units(std::string_view shown) {
  constexpr std::string_view kBetweenUnits = "\n\n";
  Units units;
  while (!shown.empty()) {
    const std::string_view lines = shown.substr(0, shown.find(kBetweenUnits));
    shown.remove_prefix(std::min(shown.size(), lines.size() + kBetweenUnits.size()));
    Unit* unit = unit_of(units, value_of(lines, "Id"));
    if (unit != nullptr) {
      const std::string_view file = value_of(lines, "UnitFileState");
      const std::string_view state = value_of(lines, "ActiveState");
      unit->enabled = file == "enabled" || file == "enabled-runtime";
      unit->active = state == "active" || state == "activating" || state == "reloading";
    }
  }
  return units;
}

std::optional<Units> ask_about_units(CommandRunner& runner) {
  if (::access("/run/systemd/system", F_OK) != 0) {  // sd_booted(3)
    return std::nullopt;
  }
  const Result<CommandResult> shown =
      run_to_end(runner.run("systemctl",
                            {"show", "--no-pager", "--property=Id", "--property=ActiveState",
                             "--property=UnitFileState", kService, kSocket, kObserver},
                            ""));
  if (!shown || shown->exit_status != 0) {
    return std::nullopt;
  }
  return read_units(shown->output);
}

}  // namespace msi2imds::supervisor
