// SPDX-License-Identifier: MIT
#include "resolver/credentials.hpp"

#include <algorithm>
#include <fstream>
#include <sstream>

namespace msi2imds::resolver {
namespace {

template <typename Id>
bool are_the_same(const std::array<Id, 4>& ids) {
  return std::ranges::all_of(ids, [&ids](Id id) { return id == ids.front(); });
}

template <typename Id>
bool read_ids(std::istream& status, std::array<Id, 4>& ids) {
  return std::ranges::all_of(ids, [&status](Id& id) { return static_cast<bool>(status >> id); });
}

}  // namespace

bool Credentials::are_plain() const {
  return are_the_same(uids) && are_the_same(gids);
}

// "Uid:" comes before "Gid:", and both before anything of which a process could make much. Its name, which
// comes first, has no line feed in it.
std::optional<Credentials> read_credentials(const std::string& proc, pid_t pid) {
  std::ifstream status(proc + "/" + std::to_string(pid) + "/status");
  Credentials credentials;
  for (std::string line; std::getline(status, line);) {
    std::istringstream words(line);
    std::string name;
    words >> name;
    if (name == "Uid:" && !read_ids(words, credentials.uids)) {
      return std::nullopt;
    }
    if (name == "Gid:") {
      return read_ids(words, credentials.gids) ? std::optional(credentials) : std::nullopt;
    }
  }
  return std::nullopt;
}

}  // namespace msi2imds::resolver
