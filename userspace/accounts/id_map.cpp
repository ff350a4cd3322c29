// SPDX-License-Identifier: MIT
#include "accounts/id_map.hpp"

#include <fstream>
#include <iterator>
#include <sstream>

namespace msi2imds::accounts {
namespace {

// A kernel without user namespaces has no such files, and all ids.
bool has_id(std::uint32_t id, const std::string& path) {
  std::ifstream file(path);
  if (!file) {
    return true;
  }
  return is_mapped(id, std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()));
}

}  // namespace

bool is_mapped(std::uint32_t id, std::string_view map) {
  std::istringstream text{std::string(map)};
  std::uint64_t first = 0;  // as seen inside
  std::uint64_t outside = 0;
  std::uint64_t count = 0;
  while (text >> first >> outside >> count) {
    if (id >= first && id - first < count) {
      return true;
    }
  }
  return false;
}

std::string unmapped_ids(const User& user, const std::string& proc) {
  std::string missing;
  if (!has_id(user.uid, proc + "/self/uid_map")) {
    missing = "uid " + std::to_string(user.uid);
  }
  if (!has_id(user.gid, proc + "/self/gid_map")) {
    missing += (missing.empty() ? "gid " : " and gid ") + std::to_string(user.gid);
  }
  return missing;
}

}  // namespace msi2imds::accounts
