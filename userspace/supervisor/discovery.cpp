// SPDX-License-Identifier: MIT
// The supervisor keeps the file in which older clients look up the endpoint.
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "base/log.hpp"
#include "supervisor/supervisor.hpp"
#include "waagent/discovery_file.hpp"

namespace msi2imds::supervisor {

// From the cut-over on. It stays when we stop: whoever is there then answers on the same port.
void Supervisor::keep_discovery_file() {
  const waagent::Places places = waagent::places_of(config_);
  const bool was_watched =
      watch_discovery_file();  // before the look at it, so that nothing is missed in between
  const Result<bool> kept = waagent::keep_discovery_file(places, config_.legacy.ports.front());
  if (!kept) {
    if (discovery_failure_ != kept.error().message()) {
      discovery_failure_ = kept.error().message();
      log::warn("older clients may not find the endpoint: {}", discovery_failure_);
    }
    return;
  }
  discovery_failure_.clear();
  if (*kept) {
    log::info("made '{}', which leads older clients to port {}",
              (places.root / waagent::kDiscoveryFile).string(), config_.legacy.ports.front());
  }
  if (!was_watched && watch_discovery_file()) {  // its directory is new
    keep_discovery_file();
  }
}

// Whether it is watched now.
bool Supervisor::watch_discovery_file() {
  if (!discovery_watch_) {
    if (Result<UniqueFd> watch = waagent::watch_discovery_file(waagent::places_of(config_)); watch) {
      discovery_watch_.emplace(io_, watch->release());
      asio::co_spawn(io_, wait_for_discovery_file(), asio::detached);
    }
  }
  return discovery_watch_.has_value();
}

// The extension's uninstall may take the file with it. One watch tells once.
asio::awaitable<void> Supervisor::wait_for_discovery_file() {
  const auto [ec] =
      co_await discovery_watch_->async_wait(asio::posix::stream_descriptor::wait_read, kAsTuple);
  discovery_watch_.reset();
  if (!ec && !stopping_ && interception_.redirection) {
    keep_discovery_file();
  }
}

}  // namespace msi2imds::supervisor
