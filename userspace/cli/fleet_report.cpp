// SPDX-License-Identifier: MIT
#include "cli/fleet_report.hpp"

#include <algorithm>
#include <boost/json/error.hpp>
#include <boost/json/parser.hpp>

#include "base/text.hpp"
#include "cli/report_files.hpp"
#include "usage/document.hpp"
#include "usage/errors.hpp"

namespace msi2imds::cli {
namespace {

namespace json = boost::json;
using usage::Damage;

constexpr std::int64_t kSchema = 1;
constexpr std::string_view kWanted = "expected what msi2imds callers --json prints";

// Takes one value off the front of `rest`, which begins at byte `begin` of the file.
json::value take_value(std::string_view& rest, std::size_t begin) {
  json::parser parser;
  boost::system::error_code ec;
  const std::size_t read = parser.write_some(rest.data(), rest.size(), ec);
  if (!ec) {
    rest.remove_prefix(read);
    return parser.release();
  }
  // What follows in a line of its own may be well.
  rest.remove_prefix(std::min(rest.find("\n{", read), rest.size()));
  throw Damage{(ec == json::error::incomplete
                    ? "it is not JSON: it ends too early"
                    : "it is not JSON at byte " + std::to_string(begin + read + 1)) +
               "; " + std::string(kWanted)};
}

// Who has printed it, and whether we can read it.
void check_kind(const json::value& document) {
  const json::object* object = document.if_object();
  const json::value* schema = object != nullptr ? object->if_contains("schema") : nullptr;
  const json::value* format = object != nullptr ? object->if_contains("format") : nullptr;
  const bool is_of_callers =
      format != nullptr && format->is_string() && format->get_string() == "msi2imds callers";
  const bool is_schema = schema != nullptr && schema->is_int64() && schema->get_int64() > 0;
  if (is_schema && schema->get_int64() > kSchema) {
    throw Damage{"a newer msi2imds has printed it (schema " + std::to_string(schema->get_int64()) +
                 ", and this one knows " + std::to_string(kSchema) + "); merge with that one"};
  }
  if (is_of_callers && schema == nullptr) {
    throw Damage{"it is a state file, not a report; " + std::string(kWanted)};
  }
  if (!is_of_callers || !is_schema) {
    throw Damage{"it is JSON of something else; " + std::string(kWanted)};
  }
}

std::string known_text(const json::object& machine, std::string_view name) {
  const json::value* value = machine.if_contains(name);
  return value == nullptr || value->is_null() ? ""
                                              : usage::parse_text(*value, "machine." + std::string(name));
}

Machine parse_machine(const json::value& document) {
  const json::value* value = document.get_object().if_contains("machine");
  if (value == nullptr) {  // it is younger than the rest
    return {};
  }
  const json::object& machine = usage::parse_object(*value, "machine");
  return {.subscription = known_text(machine, "subscription"),
          .resource_group = known_text(machine, "resource_group"),
          .vm = known_text(machine, "vm"),
          .scale_set = known_text(machine, "scale_set"),
          .stage = known_text(machine, "stage"),
          .extension = known_text(machine, "extension")};
}

FleetReport parse_report(const json::value& document) {
  constexpr std::int64_t kMostDays = 36500;
  check_kind(document);
  FleetReport report;
  report.host = usage::member_text(document, "host", "document");
  report.made = usage::member_number(document, "made", usage::kMaxTime, "document");
  report.quiet_days = usage::member_number(document, "quiet_days", kMostDays, "document");
  report.machine = parse_machine(document);
  Result<usage::Table> table = usage::Table::parse_json(document);
  if (!table) {
    throw Damage{table.error().message()};
  }
  report.table = std::move(*table);
  report.verdict = usage::judge(report.table, report.made, report.quiet_days);
  return report;
}

constexpr std::size_t kMostNamed = 5;

}  // namespace

void LeftOutReports::add(const std::string& path, LeftOut report) {
  if (++counts_[{path, report.is_missed}] <= kMostNamed) {
    named_.push_back(std::move(report));
  }
}

std::vector<LeftOut> LeftOutReports::take() {
  for (const auto& [file, count] : counts_) {
    if (count > kMostNamed) {
      const auto& [path, is_missed] = file;
      named_.push_back({path,
                        with_separators(count - kMostNamed) + " more reports in it are left out, " +
                            with_separators(count) +
                            (is_missed ? " in all" : " in all, of machines of which a newer one is there"),
                        is_missed, count - kMostNamed});
    }
  }
  counts_.clear();
  return std::exchange(named_, {});
}

void read_reports(const std::string& file, std::vector<FleetReport>& reports, LeftOutReports& left_out) {
  const Result<std::string> text = read_report_file(file);
  if (!text) {
    left_out.add(file, {file, "cannot " + text.error().message()});
    return;
  }
  const std::string_view whole = *text;
  std::string_view rest = trim(whole);
  if (rest.empty()) {
    left_out.add(file, {file, "it is empty; " + std::string(kWanted)});
    return;
  }
  for (std::size_t number = 1; !rest.empty(); ++number) {
    const auto begin = static_cast<std::size_t>(rest.data() - whole.data());
    std::string place = file;
    if (number > 1) {
      place += ", report " + std::to_string(number);
    }
    try {
      reports.push_back(parse_report(take_value(rest, begin)));
      reports.back().path = file;
      reports.back().file = place;
    } catch (const Damage& damage) {
      left_out.add(file, {place, damage.what});
    }
    rest = trim(rest);
  }
}

}  // namespace msi2imds::cli
