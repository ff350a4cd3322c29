// SPDX-License-Identifier: MIT
#include "accounts/accounts.hpp"

#include <charconv>
#include <fstream>
#include <unordered_map>
#include <vector>

namespace msi2imds::accounts {
namespace {

std::vector<std::string_view> split_fields(std::string_view line) {
  std::vector<std::string_view> fields;
  while (true) {
    const std::size_t colon = line.find(':');
    fields.push_back(line.substr(0, colon));
    if (colon == std::string_view::npos) {
      return fields;
    }
    line.remove_prefix(colon + 1);
  }
}

// To setresuid(2) and its like, this number means "leave it as it is".
constexpr unsigned kNoChange = 0xffffffff;

bool parse_id(std::string_view text, unsigned& id) {
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), id);
  return ec == std::errc() && end == text.data() + text.size() && id != kNoChange;
}

// The first sound line of which `is_wanted`.
template <typename IsWanted>
std::optional<User> find(const std::string& passwd_file, IsWanted is_wanted) {
  std::ifstream file(passwd_file);
  for (std::string line; std::getline(file, line);) {
    const std::vector<std::string_view> fields = split_fields(line);
    User user;
    if (fields.size() >= 4 && parse_id(fields[2], user.uid) && parse_id(fields[3], user.gid)) {
      user.name = fields[0];
      if (is_wanted(user)) {
        return user;
      }
    }
  }
  return std::nullopt;
}

std::unordered_map<std::string, uid_t> all_users(const std::string& passwd_file) {
  std::unordered_map<std::string, uid_t> users;
  (void)find(passwd_file, [&users](const User& user) {
    users.emplace(user.name, user.uid);
    return false;
  });
  return users;
}

}  // namespace

std::optional<User> find_user(std::string_view name, const std::string& passwd_file) {
  return find(passwd_file, [name](const User& user) { return user.name == name; });
}

std::optional<User> find_user(uid_t uid, const std::string& passwd_file) {
  return find(passwd_file, [uid](const User& user) { return user.uid == uid; });
}

std::optional<gid_t> find_group(std::string_view name, const std::string& group_file) {
  std::ifstream file(group_file);
  for (std::string line; std::getline(file, line);) {
    const std::vector<std::string_view> fields = split_fields(line);
    gid_t gid = 0;
    if (fields.size() >= 3 && fields[0] == name && parse_id(fields[2], gid)) {
      return gid;
    }
  }
  return std::nullopt;
}

std::string subordinate_uids(const std::string& subuid_file, const std::string& passwd_file) {
  const std::unordered_map<std::string, uid_t> users = all_users(passwd_file);
  std::string lines;
  std::ifstream file(subuid_file);
  for (std::string line; std::getline(file, line);) {
    const std::vector<std::string_view> fields = split_fields(line);
    unsigned owner = 0;
    unsigned first = 0;
    unsigned count = 0;
    if (fields.size() != 3 || !parse_id(fields[1], first) || !parse_id(fields[2], count)) {
      continue;
    }
    const auto user = users.find(std::string(fields[0]));
    if (user != users.end()) {
      owner = user->second;
    } else if (!parse_id(fields[0], owner)) {
      continue;
    }
    lines += std::to_string(owner) + ":" + std::to_string(first) + ":" + std::to_string(count) + "\n";
  }
  return lines;
}

}  // namespace msi2imds::accounts
