// SPDX-License-Identifier: MIT
#include "supervisor/user.hpp"

#include <unistd.h>

#include <cerrno>
#include <optional>

#include "accounts/id_map.hpp"

namespace msi2imds::supervisor {

Result<User> find_user(std::string_view name, const std::string& passwd_file, const std::string& proc) {
  if (::access(passwd_file.c_str(), R_OK) != 0) {
    return Error::from_errno(errno, "open '" + passwd_file + "'");
  }
  const std::string doing = "run the responder as '" + std::string(name) + "' (responder.user): ";
  const std::optional<User> user = accounts::find_user(name, passwd_file);
  if (user && user->uid == 0) {
    return Error({}, doing + "it is root; choose a user without privileges");
  }
  if (user) {
    const std::string missing = accounts::unmapped_ids(*user, proc);
    if (!missing.empty()) {
      return Error({}, doing + "this user namespace does not have " + missing +
                           "; run msi2imds outside of it, or have it map these ids (newuidmap, newgidmap)");
    }
    return *user;
  }
  return Error({},
               doing + "there is no such user in " + passwd_file +
                   "; make it with: useradd --system --user-group --no-create-home --home-dir /nonexistent "
                   "--shell /usr/sbin/nologin " +
                   std::string(name));
}

}  // namespace msi2imds::supervisor
