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

inline constexpr const char* kSubuidFile = "/etc/subuid";

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

// Which uids belong to which users beside their own, as lines UID:FIRST:COUNT (subuid(5)); users that the
// other file does not have are left out.
[[nodiscard]] std::string subordinate_uids(const std::string& subuid_file = kSubuidFile,
                                           const std::string& passwd_file = kPasswdFile);

}  // namespace msi2imds::accounts
