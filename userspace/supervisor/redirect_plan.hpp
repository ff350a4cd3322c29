// SPDX-License-Identifier: MIT
#pragma once

#include "config/config.hpp"
#include "redirect/redirector.hpp"

namespace msi2imds::supervisor {

// What the configuration wants redirected.
[[nodiscard]] redirect::Plan redirect_plan(const config::Config& config);

// Where the ports that we reserved are noted: beside the admin socket, in a directory that a reboot empties.
[[nodiscard]] std::string reserved_ports_note(const config::Config& config);

}  // namespace msi2imds::supervisor
