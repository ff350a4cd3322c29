// SPDX-License-Identifier: MIT
#include "supervisor/precedence.hpp"

#include <fmt/core.h>

#include <chrono>

#include "base/log.hpp"
#include "supervisor/running_process.hpp"
#include "supervisor/service_manager.hpp"

namespace msi2imds::supervisor {
namespace {

constexpr std::chrono::milliseconds kTakeOverPatience{2000};

}  // namespace

std::optional<Obstacle> find_obstacle_among(const Units& units) {
  if (units.service.active) {
    return Obstacle{.what = "msi2imds.service is active, and records who calls by itself",
                    .records_callers = true};
  }
  if (units.socket.active) {
    return Obstacle{.what =
                        "msi2imds.socket is active, so that the next connection starts msi2imds.service; "
                        "to observe instead: systemctl stop msi2imds.socket"};
  }
  if (units.serving_is_enabled()) {
    return Obstacle{.what = fmt::format("{} is enabled, although it does not run; to serve: systemctl start "
                                        "msi2imds; to observe instead: systemctl disable msi2imds",
                                        units.service.enabled ? "msi2imds.service" : "msi2imds.socket")};
  }
  return std::nullopt;
}

std::optional<Obstacle> find_obstacle_to_observing(const std::string& admin_socket) {
  const std::optional<RunningProcess> running = RunningProcess::find(admin_socket);
  if (running && !running->observes()) {
    return Obstacle{
        .what = fmt::format("msi2imds (process {}) serves, and records who calls by itself", running->pid()),
        .records_callers = true};
  }
  if (!has_service_manager()) {
    return std::nullopt;
  }
  SystemCommandRunner runner(kTakeOverPatience);
  const std::optional<Units> units = ask_about_units(runner);
  return units ? find_obstacle_among(*units) : std::nullopt;
}

asio::awaitable<void> take_over_from_observer(std::string admin_socket) {
  const std::optional<RunningProcess> running = RunningProcess::find(admin_socket);
  if (!running || !running->observes()) {
    co_return;
  }
  log::info("take over from the observer (process {})", running->pid());
  const bool stepped_aside = co_await running->end(step_aside_signal(), kTakeOverPatience);
  if (!stepped_aside) {
    log::warn("the observer (process {}) does not step aside: it is killed", running->pid());
    // If that fails, its admin socket is in our way, which is told.
    (void)co_await running->end(SIGKILL, kTakeOverPatience);
  }
}

}  // namespace msi2imds::supervisor
