// SPDX-License-Identifier: MIT
#include "supervisor/redirect_plan.hpp"

#include <filesystem>

namespace msi2imds::supervisor {

redirect::Plan redirect_plan(const config::Config& config) {
  return {.legacy_ports = config.legacy.ports,
          .listen_port = config.redirect.listen_port,
          .cgroups = config.redirect.cgroups,
          .mark = config.redirect.mark,
          .pin_directory = config.redirect.pin_directory,
          .is_chosen = config.redirect.backend != config::kAutomatic};
}

std::string reserved_ports_note(const config::Config& config) {
  return (std::filesystem::path(config.admin.socket).parent_path() / "reserved-ports").string();
}

}  // namespace msi2imds::supervisor
