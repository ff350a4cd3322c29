// SPDX-License-Identifier: MIT
#include "cli/fleet_caller_name.hpp"

#include <algorithm>
#include <string>
#include <string_view>

#include "base/text.hpp"

namespace msi2imds::cli {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_hex_digit(char c) {
  return hex_digit(c).has_value();
}

std::size_t hex_digits_at(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::find_if_not(text, is_hex_digit) - text.begin());
}

// Ids of containers and transient units (12 hexadecimal digits or more), and the numbers of sessions and
// users
// ("session-12.scope", "user@1000.service", "user-1000.slice").
std::string without_numbers(std::string_view text) {
  constexpr std::size_t kShortestId = 12;
  std::string name;
  while (!text.empty()) {
    const std::size_t id = hex_digits_at(text);
    if (id >= kShortestId) {
      name += '*';
      text.remove_prefix(id);
      continue;
    }
    const bool is_number = is_digit(text.front()) &&
                           (name.ends_with("session-") || name.ends_with("user@") || name.ends_with("user-"));
    if (is_number) {
      name += '*';
      text.remove_prefix(std::min(text.find_first_not_of("0123456789"), text.size()));
      continue;
    }
    const std::size_t plain = std::max<std::size_t>(id, 1);
    name += text.substr(0, plain);
    text.remove_prefix(plain);
  }
  return name;
}

}  // namespace

usage::Row with_fleet_names(const usage::Row& row) {
  usage::Row named = row;
  named.unit = without_numbers(row.unit);
  named.cgroup = without_numbers(row.cgroup);
  named.program = without_numbers(row.program);
  named.container.clear();
  named.unknown_because.clear();
  named.users.clear();
  named.has_more_users = false;
  named.pid.reset();
  named.command_line.clear();
  return named;
}

std::uint64_t requests_of_days(const usage::Row& row) {
  std::uint64_t sum = 0;
  for (const usage::Day& day : row.days) {
    usage::count(sum, day.requests);
  }
  return sum;
}

}  // namespace msi2imds::cli
