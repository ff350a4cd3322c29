// SPDX-License-Identifier: MIT
#include "accounts/accounts.hpp"

#include <algorithm>
#include <array>
#include <fstream>
#include <sstream>
#include <unordered_map>
#include <vector>

#include "base/text.hpp"

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
  id = parse_number<unsigned>(text).value_or(kNoChange);
  return id != kNoChange;
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

constexpr uid_t kFirstHighUid = 65536;
// From 2^31 on directory services have subordinate uids.
constexpr const char* kAnybodysUids = "*:65536:2147418112\n";

// Whether there are users whom passwd(5) does not have (nsswitch.conf(5)).
bool users_come_from_elsewhere(const std::string& nsswitch_file) {
  constexpr std::array<std::string_view, 6> kLocal = {"files",    "compat",     "systemd",
                                                      "altfiles", "extrausers", "mymachines"};
  constexpr std::string_view kDatabase = "passwd:";
  std::ifstream file(nsswitch_file);
  for (std::string line; std::getline(file, line);) {
    line.erase(0, line.find_first_not_of(" \t"));
    if (!line.starts_with(kDatabase)) {
      continue;
    }
    std::istringstream words(line.substr(kDatabase.size(), line.find('#') - kDatabase.size()));
    bool is_action = false;  // such as [NOTFOUND=return]
    for (std::string word; words >> word;) {
      is_action = is_action || word.front() == '[';
      if (!is_action && std::ranges::find(kLocal, word) == kLocal.end()) {
        return true;
      }
      is_action = is_action && word.back() != ']';
    }
  }
  return false;
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

std::string owners_of_uids(const Files& files) {
  std::string lines = users_come_from_elsewhere(files.nsswitch) ? kAnybodysUids : "";
  const auto add = [&lines](unsigned owner, unsigned first, unsigned count) {
    lines += std::to_string(owner) + ":" + std::to_string(first) + ":" + std::to_string(count) + "\n";
  };
  std::unordered_map<std::string, uid_t> users = all_users(files.passwd);
  std::ifstream file(files.subuid);
  for (std::string line; std::getline(file, line);) {
    const std::vector<std::string_view> fields = split_fields(line);
    unsigned owner = 0;
    unsigned first = 0;
    unsigned count = 0;
    if (fields.size() == 3 && parse_id(fields[1], first) && parse_id(fields[2], count)) {
      add(parse_id(fields[0], owner) ? owner : users.try_emplace(std::string(fields[0]), first).first->second,
          first, count);
    }
  }
  (void)find(files.passwd, [&add](const User& user) {
    if (user.uid >= kFirstHighUid) {
      add(user.uid, user.uid, 1);
    }
    return false;
  });
  return lines;
}

}  // namespace msi2imds::accounts
