// SPDX-License-Identifier: MIT
#include "supervisor/discovery_keeper.hpp"

#include <utility>

#include "base/log.hpp"
#include "base/spawn.hpp"
#include "waagent/discovery_file.hpp"

namespace msi2imds::supervisor {

void DiscoveryKeeper::keep(const waagent::Places& places, std::uint16_t port) {
  places_ = places;
  port_ = port;
  const bool was_watched = watch();  // before the look at it, so that nothing is missed in between
  look();
  if (!was_watched && watch()) {  // its directory is new
    look();
  }
}

void DiscoveryKeeper::look() {
  Result<waagent::Kept> kept = waagent::keep_discovery_file(places_, port_);
  if (!kept) {
    note("older clients may not find the endpoint: cannot " + kept.error().message());
    return;
  }
  note(kept->not_noted ? "the discovery file keeps a second name until it is noted as ours: cannot " +
                             kept->not_noted->message()
                       : "");
  if (kept->made) {
    log::info("made '{}', which leads older clients to port {}",
              (places_.root / waagent::kDiscoveryFile).string(), port_);
  }
  // Once also where it was there: the label that it was made with may be wrong, or no longer right.
  if (kept->is_ours && !std::exchange(is_labelled_, true) && !kept->made) {
    kept->unlabelled.push_back(places_.root / waagent::kDiscoveryFile);
  }
  if (!kept->unlabelled.empty()) {
    spawn(io_, "label the discovery file", waagent::restore_labels(std::move(kept->unlabelled)));
  }
}

// Logged once, until it is another one.
void DiscoveryKeeper::note(std::string shortcoming) {
  if (!shortcoming.empty() && shortcoming_ != shortcoming) {
    log::warn("{}", shortcoming);
  }
  shortcoming_ = std::move(shortcoming);
}

// Whether it is watched now.
bool DiscoveryKeeper::watch() {
  if (!watch_) {
    if (Result<UniqueFd> watch = waagent::watch_discovery_file(places_); watch) {
      watch_.emplace(io_, watch->release());
      spawn(io_, "watch the discovery file", wait_for_removal());
    }
  }
  return watch_.has_value();
}

// The extension's removal may delete the file. A watch reports one removal only.
asio::awaitable<void> DiscoveryKeeper::wait_for_removal() {
  const auto [ec] = co_await watch_->async_wait(asio::posix::stream_descriptor::wait_read, kAsTuple);
  watch_.reset();
  if (!ec) {
    keep(places_, port_);
  }
}

void DiscoveryKeeper::stop() {
  if (watch_) {
    watch_->cancel();
  }
}

}  // namespace msi2imds::supervisor
