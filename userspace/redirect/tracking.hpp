// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "base/error.hpp"

// A rule of somebody else ("notrack") can exempt connections from the kernel's tracking, and no NAT rule is
// asked about them then.
namespace msi2imds::redirect {

// Whether connections to that port of the loopback are tracked; 0: to any port. Nothing, where that cannot be
// told. Makes one for a moment, to itself and from `listen_port`, whose connections nobody redirects.
[[nodiscard]] std::optional<bool> is_tracked(std::uint16_t port, std::uint16_t listen_port);

// Fails where one of these ports is exempt, though others are not.
[[nodiscard]] Result<void> find_all_tracked(const std::vector<std::uint16_t>& ports,
                                            std::uint16_t listen_port);

// While NAT rules are in force, so that the kernel tracks whatever nobody exempts.
class TrackingWatch {
 public:
  TrackingWatch(std::vector<std::uint16_t> ports, std::uint16_t listen_port)
      : ports_(std::move(ports)), listen_port_(listen_port) {}

  // Fails while connections to one of the ports are exempt. To be called every second; looks every few.
  [[nodiscard]] Result<void> check();

 private:
  std::vector<std::uint16_t> ports_;
  std::uint16_t listen_port_;
  std::chrono::steady_clock::time_point next_;
  Result<void> found_;
};

}  // namespace msi2imds::redirect
