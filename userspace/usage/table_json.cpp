// SPDX-License-Identifier: MIT
#include <algorithm>
#include <boost/json/parse.hpp>
#include <utility>

#include "usage/errors.hpp"
#include "usage/row_json.hpp"
#include "usage/table.hpp"

namespace msi2imds::usage {
namespace {

namespace json = boost::json;

constexpr std::int64_t kVersion = 1;
constexpr std::string_view kFormat = "msi2imds callers";
// The row of all others at its largest, and what stands around the rows.
constexpr std::size_t kReserve = std::size_t{96} * 1024;

void append_separated(std::string& out, const Row& row) {
  if (out.back() == '}') {
    out += ',';
  }
  append_json(out, row);
}

std::vector<Period> parse_recorded(const json::value& document) {
  std::vector<Period> recorded;
  for (const json::value& value : member_array(document, "recorded", kMaxPeriods, "document")) {
    const std::string where = "recorded[" + std::to_string(recorded.size()) + "]";
    const json::array* pair = value.if_array();
    if (pair == nullptr || pair->size() != 2) {
      throw Damage{where + " is not two times"};
    }
    const Period period{parse_number((*pair)[0], kMaxTime, where), parse_number((*pair)[1], kMaxTime, where)};
    if (period.from > period.to || (!recorded.empty() && period.from <= recorded.back().to)) {
      throw Damage{where + " is not in order"};
    }
    recorded.push_back(period);
  }
  return recorded;
}

std::vector<Row> parse_rows(const json::value& document) {
  std::vector<Row> rows;
  for (const json::value& value : member_array(document, "callers", kMaxRows, "document")) {
    rows.push_back(parse_row(value, "callers[" + std::to_string(rows.size()) + "]"));
  }
  if (std::count_if(rows.begin(), rows.end(), [](const Row& row) { return row.is_others; }) > 1) {
    throw Damage{"callers has two rows of others"};
  }
  return rows;
}

json::value parse_document(std::string_view text) {
  if (text.size() > kMaxJson) {
    throw Damage{"document is longer than " + std::to_string(kMaxJson) + " bytes"};
  }
  boost::system::error_code ec;
  json::value document = json::parse({text.data(), text.size()}, ec);
  if (ec) {
    throw Damage{"document is no JSON: " + ec.message()};
  }
  return document;
}

void check_format(const json::value& document) {
  const json::string* format = member(document, "format", "document").if_string();
  if (format == nullptr || std::string_view(*format) != kFormat) {
    throw Damage{"document is of another format"};
  }
}

}  // namespace

std::string Table::to_json() const {
  std::string out = R"({"format":")" + std::string(kFormat) + R"(","version":)" + std::to_string(kVersion);
  out += R"(,"recorded":[)";
  for (const Period& period : recorded_) {
    out += out.back() == ']' ? "," : "";
    out += "[" + std::to_string(period.from) + "," + std::to_string(period.to) + "]";
  }
  out += R"(],"granted":)" + grants_.to_json() + R"(,"callers":[)";
  // The rows seen last come first: what does not fit any more is the oldest.
  Row others;
  others.is_others = true;
  std::string text;
  for (const Row* row : latest_first()) {
    text.clear();
    append_json(text, *row);
    if (!row->is_others && others.requests == 0 && out.size() + text.size() + kReserve <= kMaxJson) {
      append_separated(out, *row);
    } else {
      others.merge(*row);
    }
  }
  if (others.requests > 0) {
    append_separated(out, others);
  }
  out += "]}";
  return out;
}

Result<Table> Table::parse(std::string_view text) {
  try {
    return parse_json(parse_document(text));
  } catch (const Damage& damage) {
    return Error(Errc::damaged, damage.what);
  }
}

Result<Table> Table::parse_json(const json::value& document) {
  try {
    check_format(document);
    const std::int64_t version = parse_number(member(document, "version", "document"), kMaxTime, "version");
    if (version > kVersion) {
      return Error(Errc::newer_version, "read format " + std::to_string(version) + " of callers");
    }
    if (version < kVersion) {
      throw Damage{"version is not known"};
    }
    Table table;
    table.recorded_ = parse_recorded(document);
    for (Row& row : parse_rows(document)) {
      make_common(row);  // an older version had a row for each container
      Row* const known = row.is_others ? nullptr : table.find_row(key_of(row));
      if (known != nullptr) {
        known->merge(row);
      } else {
        (void)table.add_row(std::move(row));
      }
    }
    if (document.get_object().contains("granted")) {  // it is younger than the format
      table.grants_ = Grants::parse(member_array(document, "granted", kMaxGrants, "document"), "granted");
    }
    return table;
  } catch (const Damage& damage) {
    return Error(Errc::damaged, damage.what);
  }
}

}  // namespace msi2imds::usage
