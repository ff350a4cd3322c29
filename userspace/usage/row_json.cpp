// SPDX-License-Identifier: MIT
#include "usage/row_json.hpp"

#include <limits>

#include "base/json.hpp"
#include "usage/clean_text.hpp"

namespace msi2imds::usage {
namespace {

namespace json = boost::json;

void append(std::string& out, const Use& use) {
  out += "{\"name\":";
  append_json_string(out, use.name);
  append_member(out, "requests", use.requests);
  append_member(out, "last_seen", use.last_seen);
  out += '}';
}

void append_tally(std::string& out, const std::string& name, const Tally& tally) {
  append_array(out, name, tally.named, [](std::string& text, const Use& use) { append(text, use); });
  if (tally.rest.requests > 0) {
    out += ",\"other_" + name + "\":";
    append(out, tally.rest);
  }
}

std::uint64_t member_count(const json::value& object, std::string_view name, const std::string& where) {
  return static_cast<std::uint64_t>(member_number(object, name, kMaxCount, where));
}

Use parse_use(const json::value& value, const std::string& where) {
  return {member_text(value, "name", where), member_count(value, "requests", where),
          member_number(value, "last_seen", kMaxTime, where)};
}

Tally parse_tally(const json::value& object, const std::string& name, std::size_t most,
                  const std::string& where) {
  Tally tally;
  for (const json::value& value : member_array(object, name, most, where)) {
    tally.named.push_back(parse_use(value, element_of(where, name, tally.named.size())));
  }
  const std::string rest = "other_" + name;
  if (const json::value* value = object.get_object().if_contains(rest)) {
    tally.rest = parse_use(*value, where + "." + rest);
  }
  return tally;
}

std::vector<User> parse_users(const json::value& object, const std::string& where) {
  std::vector<User> users;
  for (const json::value& value : member_array(object, "users", kMaxUsers, where)) {
    const std::string place = element_of(where, "users", users.size());
    const std::int64_t uid = member_number(value, "uid", std::numeric_limits<uid_t>::max(), place);
    users.push_back({static_cast<uid_t>(uid), member_text(value, "user", place)});
  }
  return users;
}

std::vector<Day> parse_days(const json::value& object, const std::string& where) {
  std::vector<Day> days;
  for (const json::value& value : member_array(object, "days", kKeptDays, where)) {
    const std::string place = element_of(where, "days", days.size());
    const json::array* pair = value.if_array();
    if (pair == nullptr || pair->size() != 2) {
      throw Damage{place + " is not a day and a count"};
    }
    const std::int64_t day = parse_number((*pair)[0], kMaxDay, place);
    if (!days.empty() && day <= days.back().day) {
      throw Damage{place + " is not later than the day before it"};
    }
    days.push_back({day, static_cast<std::uint64_t>(parse_number((*pair)[1], kMaxCount, place))});
  }
  return days;
}

void append_libraries(std::string& out, const Row& row) {
  std::string counts;
  for (std::size_t i = 0; i < row.libraries.size(); ++i) {
    if (row.libraries[i] != 0) {
      append_member(counts, token::kLibraries[i], row.libraries[i]);
    }
  }
  out += ",\"libraries\":{" + (counts.empty() ? counts : counts.substr(1)) + "}";
}

// They are younger than the format; what another version calls by another name is not counted.
void parse_libraries(const json::value& object, const std::string& where, Row& row) {
  const json::value* const libraries = object.get_object().if_contains("libraries");
  if (libraries == nullptr) {
    return;
  }
  const std::string place = where + ".libraries";
  for (std::size_t i = 0; i < row.libraries.size(); ++i) {
    if (parse_object(*libraries, place).contains(token::kLibraries[i])) {
      row.libraries[i] = member_count(*libraries, token::kLibraries[i], place);
    }
  }
}

}  // namespace

void append_json(std::string& out, const Row& row) {
  out += "{\"is_others\":";
  out += row.is_others ? "true" : "false";
  append_member(out, "unit", row.unit);
  append_member(out, "cgroup", row.cgroup);
  append_member(out, "program", row.program);
  append_member(out, "comm", row.comm);
  append_member(out, "container", row.container);
  append_member(out, "container_name", row.container_name);
  append_member(out, "container_image", row.container_image);
  append_member(out, "unknown_because", row.unknown_because);
  append_array(out, "users", row.users, [](std::string& text, const User& user) {
    text += "{\"uid\":" + std::to_string(user.uid);
    append_member(text, "user", user.name);
    text += '}';
  });
  out += ",\"has_more_users\":";
  out += row.has_more_users ? "true" : "false";
  if (row.pid) {
    append_member(out, "pid", std::int64_t{*row.pid});
  }
  append_member(out, "command_line", row.command_line);
  append_member(out, "first_seen", row.first_seen);
  append_member(out, "last_seen", row.last_seen);
  append_member(out, "requests", row.requests);
  out += ",\"outcomes\":{";
  for (std::size_t i = 0; i < kOutcomes.size(); ++i) {
    out += i == 0 ? "\"" : ",\"";
    out += kOutcomes[i];
    out += "\":" + std::to_string(row.outcomes[i]);
  }
  out += '}';
  append_libraries(out, row);
  append_tally(out, "resources", row.resources);
  append_tally(out, "identities", row.identities);
  append_array(out, "days", row.days, [](std::string& text, const Day& day) {
    text += "[" + std::to_string(day.day) + "," + std::to_string(day.requests) + "]";
  });
  out += '}';
}

Row parse_row(const json::value& value, const std::string& where) {
  Row row;
  row.is_others = member_bool(value, "is_others", where);
  row.unit = member_text(value, "unit", where);
  row.cgroup = member_text(value, "cgroup", where);
  row.program = member_text(value, "program", where);
  row.comm = member_text(value, "comm", where);
  row.container = member_text(value, "container", where);
  if (value.get_object().contains("container_name")) {  // not in an older version's
    row.container_name = member_text(value, "container_name", where);
    row.container_image = member_text(value, "container_image", where);
  }
  row.unknown_because = member_text(value, "unknown_because", where);
  row.users = parse_users(value, where);
  row.has_more_users = member_bool(value, "has_more_users", where);
  if (value.get_object().contains("pid")) {
    row.pid = static_cast<pid_t>(member_number(value, "pid", std::numeric_limits<pid_t>::max(), where));
  }
  row.command_line = member_text(value, "command_line", where);
  row.first_seen = member_number(value, "first_seen", kMaxTime, where);
  row.last_seen = member_number(value, "last_seen", kMaxTime, where);
  row.requests = member_count(value, "requests", where);
  const json::value& outcomes = member(value, "outcomes", where);
  for (std::size_t i = 0; i < kOutcomes.size(); ++i) {
    row.outcomes[i] = member_count(outcomes, kOutcomes[i], where + ".outcomes");
  }
  parse_libraries(value, where, row);
  row.resources = parse_tally(value, "resources", kMaxResources, where);
  row.identities = parse_tally(value, "identities", kMaxIdentities, where);
  row.days = parse_days(value, where);
  return row;
}

}  // namespace msi2imds::usage
