// SPDX-License-Identifier: MIT
#include "doctor/user.hpp"

#include <unistd.h>

#include "accounts/id_map.hpp"

namespace msi2imds::doctor {

namespace {

constexpr const char* kUserCheck = "user";

}  // namespace

Findings check_user(const Host& host) {
  const std::string file = host.root.etc + "/passwd";
  const std::string& name = host.config.responder.user;
  const auto user = accounts::find_user(name, file);
  if (!user && ::access(file.c_str(), R_OK) != 0) {
    return {not_seen(
        host, kUserCheck,
        "Whether there is a user " + name + " (responder.user) is not known: " + file + " cannot be read.",
        "msi2imds finds the user there.")};
  }
  if (!user) {
    return {error(
        kUserCheck,
        "The responder cannot run as " + name + " (responder.user): there is no such user in " + file + ".",
        "Name one that is there, or make it: useradd --system --user-group --no-create-home "
        "--home-dir /nonexistent --shell /usr/sbin/nologin " +
            name + ".")};
  }
  if (user->uid == 0) {
    return {error(kUserCheck, "The responder does not run as " + name + " (responder.user): it is root.",
                  "Set responder.user to a user without privileges, such as msi2imds.")};
  }
  const std::string missing = accounts::unmapped_ids(*user, host.root.proc);
  if (missing.empty()) {
    return {};
  }
  return {
      error(kUserCheck,
            "The responder cannot run as " + user->name +
                " (responder.user): this user namespace does not have " + missing + ".",
            "Run msi2imds outside of this user namespace, or have it map these ids (newuidmap, newgidmap).")};
}

}  // namespace msi2imds::doctor
