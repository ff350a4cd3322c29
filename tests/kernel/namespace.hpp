// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "base/error.hpp"

namespace msi2imds::kernel {

// An address that this machine has, but not on its loopback network.
inline const std::string kNicAddress = "10.99.0.1";

// The ports that the tests dial. As the service does it, they are reserved: a client that the kernel gave one
// of them as its own port would be connected to itself.
inline constexpr const char* kReservedPorts = "50278,50342-50344";
void reserve_ports(const char* ports);

// Puts this process into a new network namespace with a loopback interface and kNicAddress; it goes with the
// process.
[[nodiscard]] Result<void> enter_new_network_namespace();

}  // namespace msi2imds::kernel
