// SPDX-License-Identifier: MIT
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "base/spawn.hpp"
#include "responder/admin_server.hpp"
#include "responder/cage.hpp"
#include "responder/listener.hpp"
#include "responder/reporter.hpp"
#include "responder/sessions.hpp"
#include "responder/settings.hpp"
#include "responder/supervisor_link.hpp"
#include "responder/token_service.hpp"
#include "responder/usage_file.hpp"

namespace msi2imds::responder {

// Serves clients on the listeners that the supervisor hands over, until it says drain or goes away.
class Responder {
 public:
  // Everything referred to must outlive run().
  Responder(asio::io_context& io, SupervisorLink& link, TokenService& tokens);

  // What the status is to say of our confinement.
  void tell_of_cage(Cage cage) {
    reporter_.tell_of_cage(std::move(cage));
  }

  // Follows the supervisor's messages; returns once drained, or with the error that ended it.
  asio::awaitable<Result<void>> run();

 private:
  Result<void> handle(control::Received received);
  Result<void> use_notes(control::Received received);
  Result<void> configure(UniqueFd pipe, std::string_view owners_of_uids);
  Result<void> collect_listener(UniqueFd socket, std::uint64_t network);
  void leave_network(std::uint64_t network);
  void serve();
  void prefetch();
  asio::awaitable<void> drain(control::Backlog backlog, std::chrono::milliseconds limit);
  asio::awaitable<void> end_in_time(std::chrono::milliseconds limit);
  asio::awaitable<void> heartbeat();
  void record_observed(const control::Message& message);

  asio::io_context& io_;
  SupervisorLink& link_;
  TokenService& tokens_;
  Settings settings_;
  Sessions sessions_;
  AdminSource admin_source_;
  AdminServer admin_;
  AdminServer metrics_;  // on a port, if the operator wants one
  UsageFile usage_file_;
  std::vector<std::shared_ptr<Listener>> listeners_;
  std::vector<std::shared_ptr<Listener>> collected_;
  std::vector<std::shared_ptr<Listener>> of_networks_;  // containers'
  Reporter reporter_;
  bool drained_ = false;
  Duty heartbeat_;
  Duty keeping_;
};

}  // namespace msi2imds::responder
