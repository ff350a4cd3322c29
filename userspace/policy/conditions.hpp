// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "caller/identity.hpp"
#include "token/token.hpp"

namespace msi2imds::policy {

// Among uids or gids: that of a name whose number is not known yet. It may be anybody's.
inline constexpr std::uint32_t kNotYetKnown = 0xffffffff;

// What a rule asks of a caller and its request. All kinds of condition that are given have to be met, by one
// of the values of each.
struct Conditions {
  std::vector<uid_t> uids;
  std::vector<gid_t> gids;
  // "backup.service", "docker-*.scope": patterns of the system's units, not of a user's own; "apps.slice":
  // all that runs below it; with a '/' in front, the whole path of the socket's cgroup.
  std::vector<std::string> units;
  std::vector<std::string> programs;          // paths of executables that were verified
  std::vector<std::string> sha256s;           // of executables, in lower case
  std::vector<std::string> containers;        // beginnings of ids, in lower case
  std::vector<std::string> container_names;   // patterns
  std::vector<std::string> container_images;  // patterns
  std::vector<std::string> resources;         // patterns
  std::vector<std::string> identities;  // patterns, in any letter case; "none" for requests that name none

  // Whether they ask for more than the uid.
  [[nodiscard]] bool need_process() const;
  // Whether they ask for anything of the caller.
  [[nodiscard]] bool need_caller() const;
};

// "unknown": what is known of the caller meets them, and on the rest depends whether all of it does.
enum class Met : std::uint8_t { yes, no, unknown };

[[nodiscard]] Met meet(const Conditions& conditions, const caller::Identity& caller,
                       const token::TokenRequest& request);

// "matches", or what is known in the place of the first condition that is not met, or of which nobody knows.
[[nodiscard]] std::string explain(const Conditions& conditions, const caller::Identity& caller,
                                  const token::TokenRequest& request);

}  // namespace msi2imds::policy
