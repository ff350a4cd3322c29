// SPDX-License-Identifier: MIT
#include "redirect/listen.hpp"

#include <algorithm>
#include <cerrno>

namespace msi2imds::redirect {
namespace {

// Holds nothing: the listening sockets are the redirection.
class Listening final : public Redirection {
 public:
  [[nodiscard]] asio::awaitable<Result<void>> check() override {
    co_return Result<void>();
  }
  [[nodiscard]] std::vector<std::string> remarks() const override {
    return {"of 127.0.0.0/8, only 127.0.0.1 is covered"};
  }
};

}  // namespace

asio::awaitable<Result<void>> ListenRedirector::probe(const Plan& plan) const {
  if (!plan.cgroups.empty()) {
    co_return cannot_choose_callers();
  }
  co_return Result<void>();
}

std::vector<SocketAddress> ListenRedirector::listen_addresses(const Plan& plan) const {
  std::vector<SocketAddress> addresses;
  for (const std::uint16_t port : plan.legacy_ports) {
    addresses.push_back(SocketAddress::ipv4_loopback(port));
    addresses.push_back(SocketAddress::ipv6_loopback(port));
  }
  return addresses;
}

asio::awaitable<Result<std::unique_ptr<Redirection>>> ListenRedirector::install(
    const Plan& plan, const std::vector<Listener>& listeners) const {
  for (const std::uint16_t port : plan.legacy_ports) {
    const bool listening = std::any_of(listeners.begin(), listeners.end(), [port](const Listener& listener) {
      return listener.address == SocketAddress::ipv4_loopback(port);
    });
    if (!listening) {
      co_return Error::from_errno(ENOTCONN, "find the listener on 127.0.0.1:" + std::to_string(port));
    }
  }
  co_return std::make_unique<Listening>();
}

}  // namespace msi2imds::redirect
