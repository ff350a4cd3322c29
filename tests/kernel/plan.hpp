// SPDX-License-Identifier: MIT
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "kernel/connection.hpp"
#include "kernel/scratch_cgroup.hpp"
#include "redirect/redirector.hpp"

namespace msi2imds::kernel {

inline constexpr std::uint16_t kPort = 50342;
inline constexpr std::uint16_t kSecondPort = 50343;
inline constexpr std::uint16_t kOtherPort = 50344;

// Programs on cgroups are attached to this process's own.
inline redirect::Plan plan_for(const redirect::Redirector& redirector,
                               std::vector<std::uint16_t> legacy_ports, std::uint16_t listen_port) {
  redirect::Plan plan;
  plan.legacy_ports = std::move(legacy_ports);
  plan.listen_port = listen_port;
  if (redirector.name() == "cgroup_connect" && !ScratchCgroup::path().empty()) {
    plan.cgroups = {ScratchCgroup::path()};
  }
  return plan;
}

// The listeners a plan needs, open.
class OpenListeners {
 public:
  OpenListeners(const redirect::Redirector& redirector, const redirect::Plan& plan) {
    for (const SocketAddress& address : redirector.listen_addresses(plan)) {
      const bool is_v6 = address.family() == AF_INET6;
      sockets_.push_back(listen_on(is_v6 ? "::1" : "127.0.0.1", address.port()));
      listeners_.push_back({.address = address, .fd = sockets_.back().get()});
    }
  }

  [[nodiscard]] const std::vector<redirect::Listener>& get() const {
    return listeners_;
  }
  [[nodiscard]] UniqueFd accept() const {
    std::vector<int> open;
    open.reserve(sockets_.size());
    for (const UniqueFd& socket : sockets_) {
      open.push_back(socket.get());
    }
    return accept_from(open);
  }
  void close() {
    sockets_.clear();
  }

 private:
  std::vector<UniqueFd> sockets_;
  std::vector<redirect::Listener> listeners_;
};

}  // namespace msi2imds::kernel
