// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/escape.hpp"
#include "cli/callers_report.hpp"
#include "cli/library_change.hpp"

namespace msi2imds::cli {
namespace {

constexpr std::size_t kWhole = 1 << 20;  // columns: more than any line has
constexpr std::string_view kIndent = "    ";
constexpr std::size_t kColumns = 5;
using Cells = std::array<std::string, kColumns>;
constexpr std::array<std::string_view, kColumns> kTitles = {"UNIT", "PROGRAM", "USERS", "REQUESTS",
                                                            "LAST SEEN"};
using ColumnWidths = std::array<std::size_t, kColumns>;
constexpr std::size_t kNarrowest = 80;
constexpr std::size_t kBlanks = 2 * (kColumns - 1);  // between columns
constexpr std::size_t kMostForUsers = 14;
constexpr std::size_t kUnitColumn = 0;
constexpr std::size_t kProgramColumn = 1;
constexpr std::size_t kUsersColumn = 2;
constexpr std::size_t kRequestsColumn = 3;

// What the other columns leave of the line goes to the names: five parts of nine to units, and what one of
// the two does not need to the other.
void fit_names(ColumnWidths& widths, std::size_t line) {
  std::size_t room = line - kBlanks;
  for (std::size_t i = kUsersColumn; i < kColumns; ++i) {
    room -= widths[i];
  }
  std::size_t& unit = widths[kUnitColumn];
  std::size_t& program = widths[kProgramColumn];
  if (unit + program > room) {
    const std::size_t share = (room * 5 + 4) / 9;
    unit = std::min(unit, std::max(share, room - std::min(program, room)));
    program = room - unit;
  }
}

// Takes out the middle: what a path begins and ends with tells most.
std::string fit(std::string text, std::size_t width) {
  constexpr std::string_view kCut = "...";
  if (text.size() > width) {
    const std::size_t head = (width - kCut.size()) / 3;
    text.replace(head, text.size() - (width - kCut.size()), kCut);
  }
  return text;
}

std::string name_of(const usage::User& user) {
  return user.name.empty() ? std::to_string(user.uid) : escape::control_characters(user.name);
}

// "root", or "root +2" for three.
std::string users_of(const usage::Row& row, std::size_t width) {
  if (row.users.empty()) {
    return "-";
  }
  std::string more;
  if (row.users.size() > 1) {
    more = fmt::format(" +{}{}", row.users.size() - 1, row.has_more_users ? "..." : "");
  }
  return fit(name_of(row.users.front()), width - more.size()) + more;
}

std::string or_dash(const std::string& text) {
  return text.empty() ? "-" : escape::control_characters(text);
}

Cells cells_of(const usage::Row& row, std::int64_t now, std::size_t most_for_users) {
  return {row.is_others ? "(other callers)" : or_dash(row.unit.empty() ? row.cgroup : row.unit),
          or_dash(row.program.empty() ? row.comm : row.program), users_of(row, most_for_users),
          std::to_string(row.requests), usage::ago(row.last_seen, now)};
}

std::string line_of(const Cells& cells, const ColumnWidths& widths) {
  std::string line;
  for (std::size_t i = 0; i < kColumns; ++i) {
    line += i == 0 ? "" : "  ";
    const std::string cell = fit(cells[i], widths[i]);
    line += i == kRequestsColumn ? fmt::format("{:>{}}", cell, widths[i])
                                 : fmt::format("{:<{}}", cell, widths[i]);
  }
  line.erase(line.find_last_not_of(' ') + 1);
  return line + "\n";
}

// "    token 12, refused 3", broken between items.
std::string wrapped(const std::vector<std::string>& items, std::size_t width) {
  std::string text;
  std::size_t column = 0;
  for (const std::string& item : items) {
    const std::string shown = fit(item, width - kIndent.size() - 1);
    if (column == 0) {
      text += kIndent;
      column = kIndent.size();
    } else if (column + 3 + shown.size() > width) {
      text += ",\n";
      text += kIndent;
      column = kIndent.size();
    } else {
      text += ", ";
      column += 2;
    }
    text += shown;
    column += shown.size();
  }
  return text.empty() ? text : text + "\n";
}

std::string outcomes_of(const usage::Row& row, std::size_t width) {
  std::vector<std::string> items;
  for (std::size_t i = 0; i < usage::kOutcomes.size(); ++i) {
    if (row.outcomes[i] > 0) {
      items.push_back(fmt::format("{} {}", usage::kOutcomes[i], row.outcomes[i]));
    }
  }
  return wrapped(items, width);
}

std::string container_of(const usage::Row& row, std::size_t width) {
  constexpr std::size_t kShortId = 12;  // as the runtimes' own tools print it
  if (row.container.empty()) {
    return "";
  }
  std::vector<std::string> items = {
      "container " + escape::control_characters(row.container_name.empty() ? row.container.substr(0, kShortId)
                                                                           : row.container_name)};
  if (!row.container_image.empty()) {
    items.push_back("image " + escape::control_characters(row.container_image));
  }
  return wrapped(items, width);
}

std::string resources_of(const usage::Row& row, std::size_t width) {
  std::vector<std::string> items;
  for (const usage::Use& use : row.resources.named) {
    items.push_back(
        fmt::format("{} {}", fit(escape::control_characters(use.name), width - 30), use.requests));
  }
  if (row.resources.rest.requests > 0) {
    items.push_back(fmt::format("(other resources) {}", row.resources.rest.requests));
  }
  return wrapped(items, width);
}

}  // namespace

std::string to_text(const CallersReport& report, std::optional<std::size_t> columns) {
  const std::size_t line = columns ? std::max(*columns, kNarrowest) : kWhole;
  const auto rows = report.table.latest_first();
  std::vector<Cells> table;
  Cells titles;
  std::copy(kTitles.begin(), kTitles.end(), titles.begin());
  table.push_back(titles);
  for (const usage::Row* row : rows) {
    table.push_back(cells_of(*row, report.made, columns ? kMostForUsers : kWhole));
  }
  ColumnWidths widths{};
  for (const Cells& cells : table) {
    for (std::size_t i = 0; i < kColumns; ++i) {
      widths[i] = std::max(widths[i], cells[i].size());
    }
  }
  fit_names(widths, line);

  std::string text;
  if (!rows.empty()) {
    text += line_of(table[0], widths);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      text += line_of(table[i + 1], widths) + outcomes_of(*rows[i], line) + container_of(*rows[i], line) +
              resources_of(*rows[i], line);
      if (const std::string libraries = libraries_text(*rows[i]); !libraries.empty()) {
        text += wrapped({"looks like " + libraries}, line);
      }
      if (!rows[i]->unknown_because.empty()) {
        text += wrapped({"not known: " + escape::control_characters(rows[i]->unknown_because)}, line);
      }
    }
    text += "\n";
  }
  text += escape::control_characters(report.verdict.text) + "\n";
  if (report.verdict.kind != usage::Verdict::Kind::in_use) {  // else the table has said it
    for (const std::string& reason : report.verdict.reasons) {
      text += "  " + escape::control_characters(reason) + "\n";
    }
  }
  if (!report.running) {
    text += "msi2imds is not running: this is what it has left in its state file\n";
  }
  return text;
}

}  // namespace msi2imds::cli
