// SPDX-License-Identifier: MIT
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
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
    std::int64_t dialled_at = 0;            // of the clues
  };

  // The channel to the responder; null while none runs.
  using FindChannel = std::function<control::Channel*()>;

  IdentityService(asio::io_context& io, FindChannel find_channel)
      : io_(io), find_channel_(std::move(find_channel)) {}

  // Whether a rule goes by the hash of programs.
  void want_sha256(bool wanted) {
    wants_sha256_ = wanted;
  }

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
  using CommandLines = std::unordered_map<std::string, std::string>;

  void hear_command_line(const std::string& identity, std::string_view line);
  static void send_command_line(control::Channel& channel, std::uint64_t number, std::string_view line);

  asio::io_context& io_;
  FindChannel find_channel_;
  UniqueFd cgroup_root_;
  std::unique_ptr<resolver::Resolver> resolver_;
  PushedIdentities pushed_;
  bool wants_sha256_ = false;
  CommandLines early_;  // of identities that have not been sent yet
};

}  // namespace msi2imds::supervisor
