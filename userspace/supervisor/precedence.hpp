// SPDX-License-Identifier: MIT
#pragma once

#include <csignal>
#include <optional>
#include <string>

#include "base/asio.hpp"
#include "supervisor/units.hpp"

// Serving goes before observing: who serves records callers by itself.
namespace msi2imds::supervisor {

// Why an observer has no place on this machine.
struct Obstacle {
  std::string what;
  bool records_callers = false;  // so that nothing is lost without the observer
};

// Nothing, if it may observe. An observer that is a unit of systemd's also steps aside for what systemd was
// told to have serve.
[[nodiscard]] std::optional<Obstacle> find_obstacle_to_observing(const std::string& admin_socket);

// What systemd's units mean for an observer among them.
[[nodiscard]] std::optional<Obstacle> find_obstacle_among(const Units& units);

// Ends the observer with that admin socket, if there is one; waits some seconds for that.
asio::awaitable<void> take_over_from_observer(std::string admin_socket);

// Says to an observer that the sender serves from here on.
[[nodiscard]] inline int step_aside_signal() {
  return SIGRTMIN;
}

}  // namespace msi2imds::supervisor
