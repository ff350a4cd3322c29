// SPDX-License-Identifier: MIT
#include "cli/fleet.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "base/text.hpp"
#include "cli/callers_csv.hpp"
#include "cli/fleet_caller_name.hpp"
#include "cli/fleet_report.hpp"
#include "cli/report_files.hpp"
#include "usage/container_group.hpp"
#include "usage/rhythm.hpp"

namespace msi2imds::cli {
namespace {

// What Azure knows the machine by, which does not regard case; empty: not known.
std::string azure_name(const FleetReport& report) {
  const Machine& machine = report.machine;
  return machine.vm.empty() ? ""
                            : to_lower(machine.subscription + "/" + machine.resource_group + "/" +
                                       machine.scale_set + "/" + machine.vm);
}

// Keeps the newest report of each machine. One without Azure's names is told from others by its host name
// alone, which proves nothing: where there is another of that name, it is missed.
class Machines {
 public:
  explicit Machines(LeftOutReports& left_out) : left_out_(left_out) {}

  std::vector<FleetReport> choose(std::vector<FleetReport> reports) {
    std::ranges::stable_sort(reports, [](const FleetReport& a, const FleetReport& b) {
      return std::tuple(a.machine.vm.empty(), -a.made) < std::tuple(b.machine.vm.empty(), -b.made);
    });
    std::vector<FleetReport> chosen;
    for (FleetReport& report : reports) {
      const std::string name = azure_name(report);
      const auto same = name.empty() ? by_host_.find(report.host) : by_name_.find(name);
      if (same != (name.empty() ? by_host_.end() : by_name_.end())) {
        leave_out(report, same->second);
        continue;
      }
      by_host_.emplace(report.host, report.file);
      if (!name.empty()) {
        by_name_.emplace(name, report.file);
      }
      chosen.push_back(std::move(report));
    }
    return chosen;
  }

 private:
  void leave_out(const FleetReport& report, const std::string& other) {
    if (!report.machine.vm.empty()) {
      left_out_.add(report.path,
                    {report.file, "it is of the same machine as " + other + ", and not newer", false});
      return;
    }
    left_out_.add(report.path, {report.file, "its host name '" + report.host + "' is that of " + other +
                                                 " as well, and it has no names of Azure's that tell the two "
                                                 "apart; leave one out, or have it made by root while IMDS "
                                                 "answers"});
  }

  LeftOutReports& left_out_;
  std::map<std::string, std::string> by_name_;
  std::map<std::string, std::string> by_host_;
};

// When the endpoint has been quiet for long enough, if nobody asks any more.
std::int64_t quiet_at(const FleetReport& report) {
  const std::int64_t quiet = report.quiet_days * usage::kSecondsPerDay;
  const auto& recorded = report.table.recorded();
  std::int64_t at = recorded.empty() ? report.made + quiet : recorded.back().from + quiet;
  for (const usage::Row& row : report.table.rows()) {
    const auto rhythm = usage::rhythm_of(row, recorded);
    at = std::max({at, row.last_seen + quiet, rhythm ? rhythm->latest(row.last_seen) : 0});
  }
  return at;
}

std::string next_step(const FleetMachine& machine) {
  const std::string& stage = machine.machine.stage;
  const bool is_quiet = machine.verdict.kind == usage::Verdict::Kind::can_be_retired;
  if (machine.is_old) {
    return "gather its report anew";
  }
  if (stage.empty()) {
    return "run msi2imds callers as root";
  }
  if (stage == stage::kStopped) {
    return "start msi2imds: nothing is recorded";
  }
  if (stage == stage::kNotRedirecting) {
    return "find out why nothing is redirected: msi2imds doctor";
  }
  if (stage == stage::kObserving && machine.machine.extension == kAbsent && !is_quiet) {
    return "cut over now: the extension is gone, and nobody answers";
  }
  if (stage == stage::kObserving) {
    return is_quiet ? "remove the extension: nobody calls" : "verify, then cut over";
  }
  if (stage == stage::kRedirecting) {
    return "remove the extension: msi2imds retire";
  }
  if (is_quiet) {
    return "remove msi2imds: it is no longer needed";
  }
  return machine.verdict.kind == usage::Verdict::Kind::in_use ? "move its callers to IMDS" : "wait";
}

// A clock was ahead: such a report would be the newest for as long, and never get old.
void leave_out_future(std::vector<FleetReport>& reports, std::int64_t now, LeftOutReports& left_out) {
  std::erase_if(reports, [now, &left_out](const FleetReport& report) {
    const bool is_of_future = report.made - now > usage::kSecondsPerDay;
    if (is_of_future) {
      left_out.add(report.path,
                   {report.file, "it says that it was made on " + usage::day(report.made) +
                                     "; set the clock of " + report.host + ", and have it made anew"});
    }
    return is_of_future;
  });
}

FleetMachine describe(const FleetReport& report, std::int64_t now) {
  FleetMachine machine;
  machine.file = report.file;
  machine.host = report.host;
  machine.machine = report.machine;
  machine.made = report.made;
  machine.is_old = now - report.made > kOldestReport;
  machine.quiet_days = report.quiet_days;
  const auto& recorded = report.table.recorded();
  machine.recorded_since = recorded.empty() ? 0 : recorded.front().from;
  machine.last_request = report.table.last_request();
  machine.callers = report.table.rows().size();
  for (const usage::Row& row : report.table.rows()) {
    usage::count(machine.requests, requests_of_days(row));
  }
  machine.quiet_at = quiet_at(report);
  machine.verdict = report.verdict;
  machine.next = next_step(machine);
  machine.csv = csv_lines(report);
  return machine;
}

// The rows of all machines, by program and unit; of containers, by program, image and name.
class Callers {
 public:
  void add(const usage::Row& row, std::size_t machine) {
    usage::Row named = with_fleet_names(row);
    const auto [place, is_new] = index_.try_emplace(name_of(named), callers_.size());
    if (is_new) {
      FleetCaller& caller = callers_.emplace_back();
      caller.row = std::move(named);
      caller.machines.push_back(machine);
      return;
    }
    FleetCaller& caller = callers_[place->second];
    caller.row.merge(named);
    if (caller.machines.back() != machine) {
      caller.machines.push_back(machine);
    }
  }

  std::vector<FleetCaller> take() {
    std::ranges::stable_sort(callers_, [](const FleetCaller& a, const FleetCaller& b) {
      return std::tuple(a.row.is_others, b.machines.size(), b.row.last_seen) <
             std::tuple(b.row.is_others, a.machines.size(), a.row.last_seen);
    });
    return std::move(callers_);
  }

 private:
  using Name = std::tuple<bool, std::string, std::string, std::string, std::string>;

  static Name name_of(const usage::Row& row) {
    const std::string& program = row.program.empty() ? row.comm : row.program;
    const usage::ContainerGroup group = usage::group_of(row.container_name, row.container_image);
    if (group != usage::ContainerGroup{}) {
      return {row.is_others, std::string(group.name), program, std::string(group.within),
              std::string(group.image)};
    }
    return {row.is_others, row.unit.empty() ? row.cgroup : row.unit, program, "", ""};
  }

  std::map<Name, std::size_t> index_;
  std::vector<FleetCaller> callers_;
};

void note_recorded_days(const std::vector<usage::Period>& recorded, Fleet& fleet) {
  const std::int64_t today = fleet.made / usage::kSecondsPerDay;
  for (std::int64_t day = today - usage::kKeptDays + 1; day <= today; ++day) {
    const std::int64_t begin = day * usage::kSecondsPerDay;
    const auto covers = [begin](const usage::Period& period) {
      return period.from < begin + usage::kSecondsPerDay && period.to >= begin;
    };
    if (std::ranges::any_of(recorded, covers)) {
      ++fleet.recorded_on[day];
    }
  }
}

std::string amount(std::size_t number, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", with_separators(number), number == 1 ? one : many);
}

void conclude(Fleet& fleet) {
  using Kind = usage::Verdict::Kind;
  const auto count = [&fleet](auto is_so) {
    return static_cast<std::size_t>(std::ranges::count_if(fleet.machines, is_so));
  };
  const auto in_use = count([](const FleetMachine& one) { return one.verdict.kind == Kind::in_use; });
  const auto not_known = count([](const FleetMachine& one) { return one.verdict.kind == Kind::not_known; });
  const auto old = count([](const FleetMachine& one) { return one.is_old; });
  std::size_t missed = 0;
  for (const LeftOut& report : fleet.left_out) {
    missed += report.is_missed ? report.count : 0;
  }
  std::vector<std::string> open;
  const auto say = [&open](std::size_t number, std::string_view one, std::string_view many) {
    if (number != 0) {
      open.push_back(amount(number, one, many));
    }
  };
  say(in_use, "is still called", "are still called");
  say(not_known, "is not known yet", "are not known yet");
  say(old, "has a report older than 7 days", "have a report older than 7 days");
  say(missed, "report could not be used", "reports could not be used");
  fleet.done = open.empty() && !fleet.machines.empty();
  const std::string machines = amount(fleet.machines.size(), "machine", "machines");
  fleet.answer = fleet.done ? "done: nobody calls the legacy endpoint any more on " + machines
                            : fmt::format("not done: of {}, {}", machines, fmt::join(open, ", "));
  if (fleet.done || fleet.machines.empty()) {
    return;
  }
  const auto last = std::ranges::max_element(fleet.machines, {}, &FleetMachine::quiet_at);
  fleet.done_when =
      "done when the verdict on each machine is that its endpoint can be retired, by a report of the last 7 "
      "days";
  if (last->quiet_at > fleet.made) {
    fleet.done_when += "; if nobody asks any more, on " + usage::day(last->quiet_at);
  }
}

// Reads each file once, by whatever names it is given. What is no regular file, such as a pipe of the
// shell's, is told by its name.
class Files {
 public:
  [[nodiscard]] bool is_new(const std::string& path) {
    struct stat found {};
    if (::stat(path.c_str(), &found) == 0 && S_ISREG(found.st_mode)) {
      return seen_.emplace("", found.st_dev, found.st_ino).second;
    }
    return seen_.emplace(path, 0, 0).second;
  }

 private:
  std::set<std::tuple<std::string, dev_t, ino_t>> seen_;
};

}  // namespace

Fleet merge_reports(const std::vector<std::string>& paths, std::int64_t now) {
  Fleet fleet;
  fleet.made = now;
  std::vector<FleetReport> reports;
  LeftOutReports left_out;
  Files seen;
  for (const std::string& path : paths) {
    const auto files = list_report_files(path);
    if (!files) {
      left_out.add(path, {path, "cannot " + files.error().message()});
      continue;
    }
    for (const std::string& file : *files) {
      if (seen.is_new(file)) {
        read_reports(file, reports, left_out);
      }
    }
  }
  leave_out_future(reports, now, left_out);
  reports = Machines(left_out).choose(std::move(reports));
  fleet.left_out = left_out.take();
  std::ranges::stable_sort(reports, {}, [](const FleetReport& report) {
    return std::tuple(report.machine.subscription, report.machine.resource_group, report.machine.scale_set,
                      report.machine.vm, report.host);
  });
  Callers callers;
  for (const FleetReport& report : reports) {
    fleet.machines.push_back(describe(report, now));
    note_recorded_days(report.table.recorded(), fleet);
    for (const usage::Row& row : report.table.rows()) {
      callers.add(row, fleet.machines.size() - 1);
    }
  }
  fleet.callers = callers.take();
  conclude(fleet);
  return fleet;
}

}  // namespace msi2imds::cli
