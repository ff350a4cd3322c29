// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "base/socket_address.hpp"

namespace msi2imds::cli {

// One connection dialled like a client's, and whether it came out at our responder.
struct SelfTest {
  SocketAddress dialled;
  bool arrived = false;
  std::string failure;  // why not
};

// What is to be dialled, and how.
struct SelfTestPlan {
  std::vector<std::uint16_t> ports;
  std::uint16_t listen_port;
  bool with_ipv6 = true;
  std::string cgroup;  // in which only connections are redirected; empty: anywhere
};

// Dials both loopbacks on each port; those that this host does not have are left out. For the time of it,
// this process moves into the plan's cgroup.
[[nodiscard]] std::vector<SelfTest> dial_legacy_ports(const SelfTestPlan& plan,
                                                      const std::string& admin_socket);

}  // namespace msi2imds::cli
