// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <string>
#include <utility>

#include "control/channel.hpp"
#include "supervisor/user.hpp"

namespace msi2imds::supervisor {

// A running responder: this same binary, started again, which becomes `user` without any capability before it
// reads a byte. Destroying it ends the process, and so does a message that it does not take: without that
// message, it would misunderstand the next one.
class ResponderProcess {
 public:
  // Fails when the process cannot be made or cannot run the binary, with the step at which it failed.
  // `empty_directory` becomes its root; where it fails to confine itself it ends, and its log says why.
  static Result<std::unique_ptr<ResponderProcess>> start(asio::io_context& io, const User& user,
                                                         const UniqueFd& empty_directory);

  ResponderProcess(const ResponderProcess&) = delete;
  ResponderProcess& operator=(const ResponderProcess&) = delete;
  ~ResponderProcess();

  [[nodiscard]] control::Channel& channel() {
    return channel_;
  }
  [[nodiscard]] pid_t pid() const {
    return pid_;
  }

  // Ends it now; the channel closes in consequence.
  void kill() const;

  // Waits until the process has ended: "exit status 1", "signal 9". One that has not after `patience` is
  // killed.
  asio::awaitable<std::string> wait_for_end(std::chrono::milliseconds patience);

 private:
  ResponderProcess(asio::io_context& io, pid_t pid, UniqueFd channel);

  pid_t pid_;
  control::Channel channel_;
};

}  // namespace msi2imds::supervisor
