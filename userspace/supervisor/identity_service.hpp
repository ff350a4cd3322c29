// SPDX-License-Identifier: MIT
#pragma once

#include <boost/asio/io_context.hpp>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "caller/clues.hpp"
#include "control/channel.hpp"
#include "control/identities.hpp"
#include "resolver/resolver.hpp"
#include "supervisor/pushed_identities.hpp"

namespace msi2imds::supervisor {

// Finds out who callers are, and tells the responder.
class IdentityService {
 public:
  struct Caller {
    resolver::SerializedIdentity identity;  // none: nothing is known
    std::optional<SocketAddress> dialled;   // where only the supervisor knows it
  };

  explicit IdentityService(asio::io_context& io) : io_(io) {}

  // Who left these clues, in order, each with nothing dialled.
  asio::awaitable<std::vector<Caller>> identify(std::vector<caller::Clues> clues);

  // Sends the message with an answer for each caller; before it, the identities that the responder does not
  // have.
  Result<void> send(control::Channel& channel, control::Message message, std::span<const Caller> callers);

  // To be called before anything is sent to another responder.
  void start_anew() {
    pushed_.start_anew();
  }

 private:
  asio::io_context& io_;
  UniqueFd cgroup_root_;
  std::unique_ptr<resolver::Resolver> resolver_;
  PushedIdentities pushed_;
};

}  // namespace msi2imds::supervisor
