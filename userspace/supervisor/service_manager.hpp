// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/asio.hpp"
#include "base/unique_fd.hpp"

// The parts of systemd's protocols that we speak; libsystemd cannot be linked statically.
namespace msi2imds::supervisor {

// Whether a service manager expects notifications from us.
[[nodiscard]] bool has_service_manager();

// What we tell it, as long as $NOTIFY_SOCKET names one. Nothing here waits: what cannot be delivered at once
// is kept, in order, for deliver().
class ServiceManager {
 public:
  // sd_notify(3): "READY=1" and the like.
  void notify(std::string_view state);

  // sd_pid_notify_with_fds(3), FDSTORE: has systemd hold the descriptor for the next process of this service,
  // as far as FileDescriptorStoreMax= allows (systemd 219). Those before 233 do not know names.
  void store_descriptor(std::string_view name, int descriptor);

  // Has systemd hold those of that name no longer (systemd 236).
  void remove_stored_descriptor(std::string_view name);

  // Tries again with what is kept; called once a second.
  void deliver();

 private:
  struct Message {
    std::string state;
    UniqueFd descriptor;  // or none
  };
  void send(std::string_view state, int descriptor);

  std::deque<Message> kept_;
};

// How often systemd wants to hear WATCHDOG=1: half of $WATCHDOG_USEC (sd_watchdog_enabled(3)).
[[nodiscard]] std::optional<std::chrono::microseconds> watchdog_interval();

// sd_listen_fds(3): takes over the sockets that systemd opened for us and what it holds for us, once.
[[nodiscard]] std::vector<UniqueFd> take_inherited_descriptors();

// Whether systemd is about to close those sockets: msi2imds.socket is being stopped or restarted. Asks
// systemctl. False where nobody can tell, or nobody answers for two seconds.
[[nodiscard]] asio::awaitable<bool> are_inherited_sockets_going();

}  // namespace msi2imds::supervisor
