// SPDX-License-Identifier: MIT
#include "redirect/listen.hpp"

#include <algorithm>
#include <cerrno>

namespace msi2imds::redirect {
namespace {

// Nothing to hold: the sockets are the redirection.
class Listening final : public Redirection {
 public:
  [[nodiscard]] Result<void> check() override {
    return {};
  }
  [[nodiscard]] std::vector<std::string> remarks() const override {
    return {"of 127.0.0.0/8, only 127.0.0.1 is covered"};
  }
};

}  // namespace

Result<void> ListenRedirector::probe(const Plan& plan) const {
  if (!plan.cgroups.empty()) {
    return cannot_choose_callers();
  }
  return {};
}

std::vector<SocketAddress> ListenRedirector::listen_addresses(const Plan& plan) const {
  std::vector<SocketAddress> addresses;
  for (const std::uint16_t port : plan.legacy_ports) {
    addresses.push_back(SocketAddress::ipv4_loopback(port));
    addresses.push_back(SocketAddress::ipv6_loopback(port));
  }
  return addresses;
}

Result<std::unique_ptr<Redirection>> ListenRedirector::install(const Plan& plan,
                                                               const std::vector<Listener>& listeners) const {
  for (const std::uint16_t port : plan.legacy_ports) {
    const bool listening = std::any_of(listeners.begin(), listeners.end(), [port](const Listener& listener) {
      return listener.address == SocketAddress::ipv4_loopback(port);
    });
    if (!listening) {
      return Error::from_errno(ENOTCONN, "find the listener on 127.0.0.1:" + std::to_string(port));
    }
  }
  return std::make_unique<Listening>();
}

}  // namespace msi2imds::redirect
