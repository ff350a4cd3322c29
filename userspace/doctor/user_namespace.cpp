// SPDX-License-Identifier: MIT
#include "doctor/user_namespace.hpp"

#include "accounts/id_map.hpp"

namespace msi2imds::doctor {

Findings check_user_namespace(const Host& host) {
  const auto user = accounts::find_user(host.config.responder.user, host.root.etc + "/passwd");
  const std::string missing = user ? accounts::unmapped_ids(*user, host.root.proc) : std::string();
  if (missing.empty()) {
    return {};
  }
  return {
      error("user",
            "The responder cannot run as " + user->name +
                " (responder.user): this user namespace does not have " + missing + ".",
            "Run msi2imds outside of this user namespace, or have it map these ids (newuidmap, newgidmap).")};
}

}  // namespace msi2imds::doctor
