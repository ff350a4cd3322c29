// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>

// The machine's users and groups, read from files in the form of passwd(5) and group(5): a static binary has
// no NSS, so users of a directory service are known by number only.
namespace msi2imds::accounts {

inline constexpr const char* kPasswdFile = "/etc/passwd";
inline constexpr const char* kGroupFile = "/etc/group";

struct User {
  std::string name;
  uid_t uid = 0;
  gid_t gid = 0;
};

// Nothing: there is none of that name, or the file cannot be read (then errno says why).
[[nodiscard]] std::optional<User> find_user(std::string_view name,
                                            const std::string& passwd_file = kPasswdFile);
[[nodiscard]] std::optional<User> find_user(uid_t uid, const std::string& passwd_file = kPasswdFile);
[[nodiscard]] std::optional<gid_t> find_group(std::string_view name,
                                              const std::string& group_file = kGroupFile);

// Where owners_of_uids() looks.
struct Files {
  std::string passwd = kPasswdFile;
  std::string subuid = "/etc/subuid";
  std::string nsswitch = "/etc/nsswitch.conf";
};

// Whose uids are whose, in lines for base/holder.hpp: subordinate ones as UID:FIRST:COUNT, users with high
// uids as ranges of their own, and *:FIRST:COUNT for uids that may be anybody's, since users come from a
// directory service as well. An owner whom passwd does not have is told by his first subordinate uid.
[[nodiscard]] std::string owners_of_uids(const Files& files = {});

}  // namespace msi2imds::accounts
