// SPDX-License-Identifier: MIT
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "control/callers.hpp"
#include "control/channel.hpp"
#include "observer/observer.hpp"
#include "resolver/resolver.hpp"
#include "supervisor/pushed_identities.hpp"

namespace msi2imds::supervisor {

// Answers the responder's questions about callers: the observer's memory and /proc together.
class CallerDirectory {
 public:
  explicit CallerDirectory(asio::io_context& io);

  // Attaches the observer, or explains in the log why callers are less well known without. `report`: tell
  // each connect() to report_to().
  void start(const config::Config& config, bool report);

  // Puts the observer back if somebody has removed it.
  void keep_observing();

  // What is needed to know of an operator: how callers are known, in a sentence; empty if exactly.
  [[nodiscard]] const std::string& shortcoming() const {
    return shortcoming_;
  }

  struct Caller {
    resolver::SerializedIdentity identity;  // none: nothing is known
    std::optional<SocketAddress> dialled;   // where only we know it
  };

  // `dialled_by` tells what the redirection knows of a client by its cookie.
  using DialledBy = std::function<std::optional<SocketAddress>(std::uint64_t cookie)>;
  asio::awaitable<std::vector<Caller>> answer(std::vector<control::CallerQuestion> questions,
                                              DialledBy dialled_by);

  // Sends the message with an answer for each caller; before it, the identities that the responder does not
  // have.
  Result<void> send(control::Channel& channel, control::Message message, std::span<const Caller> callers);

  // To be called before anything is sent to another responder.
  void start_anew() {
    identities_.start_anew();
  }

  // Hands over those who dialled, as it happens, until stop_reports().
  asio::awaitable<void> report_to(std::function<void(std::vector<Caller>)> receiver);
  void stop_reports();

 private:
  void attach();

  asio::io_context& io_;
  observer::Plan plan_;
  UniqueFd cgroup_root_;
  std::optional<observer::Observer> observer_;
  std::unique_ptr<resolver::Resolver> resolver_;
  PushedIdentities identities_;
  std::optional<asio::posix::stream_descriptor> reports_;
  std::uint64_t generation_ = 0;  // counts stop_reports(): an older reader ends
  std::string shortcoming_;
};

}  // namespace msi2imds::supervisor
