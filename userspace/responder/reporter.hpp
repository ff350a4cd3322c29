// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "admin/shortcoming.hpp"
#include "admin/status.hpp"
#include "base/asio.hpp"
#include "responder/cage.hpp"
#include "responder/listener.hpp"
#include "responder/sessions.hpp"
#include "responder/settings.hpp"
#include "responder/supervisor_link.hpp"
#include "responder/token_service.hpp"
#include "responder/usage_file.hpp"

namespace msi2imds::responder {

// Says how the responder is, and asks the supervisor how it is itself.
class Reporter {
 public:
  // Everything referred to must outlive it.
  Reporter(SupervisorLink& link, TokenService& tokens, const Settings& settings, Sessions& sessions,
           const UsageFile& usage_file, const std::vector<std::shared_ptr<Listener>>& listeners);

  // What the status is to say of our confinement.
  void tell_of_cage(Cage cage) {
    cage_ = std::move(cage);
  }

  asio::awaitable<admin::Status> status();

  // In Prometheus's text format.
  asio::awaitable<std::string> measure();

 private:
  void describe_responder(admin::Status& status);
  [[nodiscard]] admin::Shortcomings shortcomings();

  SupervisorLink& link_;
  TokenService& tokens_;
  const Settings& settings_;
  Sessions& sessions_;
  const UsageFile& usage_file_;
  const std::vector<std::shared_ptr<Listener>>& listeners_;
  Cage cage_;
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
  std::chrono::system_clock::time_point started_at_ = std::chrono::system_clock::now();
  // As the supervisor says.
  std::uint64_t responders_started_ = 0;
  std::uint64_t sockets_replaced_ = 0;
  std::string extension_;  // its state; empty: the supervisor has not said
};

}  // namespace msi2imds::responder
