// SPDX-License-Identifier: MIT
#include "usage/row.hpp"

#include <algorithm>
#include <functional>

namespace msi2imds::usage {
namespace {

std::string user_text(const User& user) {
  return user.name.empty() ? "uid " + std::to_string(user.uid) : user.name;
}

}  // namespace

void count(std::uint64_t& counter, std::uint64_t more) {
  counter = std::min(counter + std::min(more, kMaxCount), kMaxCount);
}

void Tally::add(std::string_view name, std::uint64_t requests, std::int64_t time, std::size_t most) {
  auto use =
      std::find_if(named.begin(), named.end(), [name](const Use& known) { return known.name == name; });
  if (use == named.end() && named.size() < most) {
    use = named.insert(named.end(), {std::string(name), 0, 0});
  }
  Use& counted = use == named.end() ? rest : *use;
  count(counted.requests, requests);
  counted.last_seen = std::max(counted.last_seen, time);
}

void Tally::merge(const Tally& other, std::size_t most) {
  for (const Use& use : other.named) {
    add(use.name, use.requests, use.last_seen, most);
  }
  count(rest.requests, other.rest.requests);
  rest.last_seen = std::max(rest.last_seen, other.rest.last_seen);
}

void Row::add_user(uid_t uid, std::string_view name) {
  const auto user =
      std::find_if(users.begin(), users.end(), [uid](const User& known) { return known.uid == uid; });
  if (user == users.end()) {
    if (users.size() < kMaxUsers) {
      users.push_back({uid, std::string(name)});
    } else {
      has_more_users = true;
    }
  } else if (user->name != name && !name.empty()) {
    user->name = name;
  }
}

void Row::add_to_day(std::int64_t day, std::uint64_t more) {
  // Nearly always the last one.
  auto place = std::find_if(days.rbegin(), days.rend(), [day](const Day& known) { return known.day <= day; });
  if (place != days.rend() && place->day == day) {
    count(place->requests, more);
    return;
  }
  days.insert(place.base(), {day, std::min(more, kMaxCount)});
  const std::int64_t oldest = days.back().day - kKeptDays + 1;
  std::erase_if(days, [oldest](const Day& known) { return known.day < oldest; });
}

void Row::merge(const Row& other) {
  for (const User& user : other.users) {
    add_user(user.uid, user.name);
  }
  has_more_users = has_more_users || other.has_more_users;
  first_seen = requests == 0 ? other.first_seen : std::min(first_seen, other.first_seen);
  last_seen = std::max(last_seen, other.last_seen);
  count(requests, other.requests);
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    count(outcomes[i], other.outcomes[i]);
  }
  for (std::size_t i = 0; i < libraries.size(); ++i) {
    count(libraries[i], other.libraries[i]);
  }
  resources.merge(other.resources, kMaxResources);
  identities.merge(other.identities, kMaxIdentities);
  for (const Day& day : other.days) {
    add_to_day(day.day, day.requests);
  }
}

void Row::bring_back(std::int64_t now) {
  first_seen = std::min(first_seen, now);
  last_seen = std::min(last_seen, now);
  for (Tally* tally : {&resources, &identities}) {
    for (Use& use : tally->named) {
      use.last_seen = std::min(use.last_seen, now);
    }
    tally->rest.last_seen = std::min(tally->rest.last_seen, now);
  }
  const std::int64_t today = now / kSecondsPerDay;
  std::uint64_t of_later_days = 0;
  while (!days.empty() && days.back().day > today) {
    count(of_later_days, days.back().requests);
    days.pop_back();
  }
  if (of_later_days > 0) {
    add_to_day(today, of_later_days);
  }
}

Key key_of(const Row& row) {
  Key key;
  key.program = row.program;
  key.comm = row.comm;
  key.group = group_of(row.container_name, row.container_image);
  if (key.group == ContainerGroup{}) {
    key.unit = row.unit;
    key.cgroup = row.cgroup;
    key.container = row.container;
  }
  if (key == Key{}) {
    key.unknown_because = row.unknown_because;
    if (!row.users.empty()) {
      key.uid = row.users.front().uid;
    }
  }
  return key;
}

void make_common(Row& row) {
  if (group_of(row.container_name, row.container_image) != ContainerGroup{}) {
    row.unit = without_container(row.unit, row.container);
    row.cgroup = without_container(row.cgroup, row.container);
  }
}

std::size_t hash(const Key& key) {
  std::size_t sum = key.uid.value_or(0);
  for (const std::string_view text :
       {key.unit, key.cgroup, key.program, key.comm, key.container, key.group.name, key.group.within,
        key.group.image, key.unknown_because}) {
    sum = sum * 31 + std::hash<std::string_view>()(text);
  }
  return sum;
}

std::string describe(const Row& row) {
  if (row.is_others) {
    return "other callers";
  }
  const std::string& program = row.program.empty() ? row.comm : row.program;
  std::string place = row.unit.empty() ? row.cgroup : row.unit;
  if (place.empty() && program.empty()) {
    return row.users.empty() ? "an unknown caller" : "an unknown program of " + user_text(row.users.front());
  }
  if (place.empty()) {
    return program;
  }
  return program.empty() ? place : place + " (" + program + ")";
}

}  // namespace msi2imds::usage
