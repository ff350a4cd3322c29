// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/asio.hpp"
#include "base/error.hpp"
#include "base/socket_address.hpp"
#include "redirect/leftovers.hpp"

namespace msi2imds::redirect {

// What is to be redirected where.
struct Plan {
  std::vector<std::uint16_t> legacy_ports;
  // Clients that are bound to this port themselves are left alone: below 1024, only root can say so.
  std::uint16_t listen_port = 342;
  // Only processes in these cgroups, named from the root of cgroup2 ("/system.slice/old.service"); empty:
  // all.
  std::vector<std::string> cgroups = {};
  // SO_MARK by which cgroup_connect knows our listeners where the kernel has nothing better.
  std::uint32_t mark = 0x6d736932;
  // A directory in a BPF file system: a redirection that can outlive this process is pinned there. Empty:
  // none.
  std::string pin_directory = {};
  // Whether connections can wait for the process after this one: only then may anything be pinned.
  bool may_outlive_us = true;
  bool is_chosen = false;  // this backend was asked for by name, whatever it costs
  // How long an operation, as a whole, waits for another tool that is changing rules.
  std::chrono::milliseconds patience = std::chrono::seconds(30);

  friend bool operator==(const Plan&, const Plan&) = default;
};

// A listening socket; the descriptor belongs to somebody else.
struct Listener {
  SocketAddress address;
  int fd = -1;
};

// An installed redirection. One operation at a time; what is passed to it has to live until its end.
// Destroying it uninstalls it, unless hand_over() was called. What takes a program of the host is left to a
// process of its own then, unless remove() has done it: nobody waits for it.
class Redirection {
 public:
  Redirection() = default;
  Redirection(const Redirection&) = delete;
  Redirection& operator=(const Redirection&) = delete;
  virtual ~Redirection() = default;

  // Asks the kernel whether this redirection is in force; the error says what is missing. Asked every second,
  // so it has to be cheap while nothing changes.
  [[nodiscard]] virtual asio::awaitable<Result<void>> check() = 0;

  // Puts back what check() missed, for instance after a firewall was reloaded. Gives up after some seconds
  // where somebody else is at work in the rules: to be tried again.
  [[nodiscard]] virtual asio::awaitable<Result<void>> repair() {
    return check();
  }

  // A descriptor that becomes readable when repair() may have something to do that did not need to be done
  // before. -1: only check() tells.
  [[nodiscard]] virtual int alarm() const {
    return -1;
  }

  // Reads the alarm empty, without waiting; whether to call check(), and repair() where it fails, at once.
  [[nodiscard]] virtual bool heed_alarm() {
    return false;
  }

  // Uninstalls whatever takes a program of the host; its destruction, which has to follow, does the rest, and
  // after an error leaves this to a process that goes on trying, if need be after our end.
  [[nodiscard]] virtual asio::awaitable<Result<void>> remove() {
    co_return Result<void>();
  }

  // remove() waits for another tool that is changing rules for so long at most, if that is less than the plan
  // allows.
  virtual void limit_patience(std::chrono::milliseconds /*longest*/) {}

  // From here on it stays in force without us, for the process that comes after this one. False: it cannot,
  // and goes with us.
  [[nodiscard]] virtual bool hand_over() {
    return false;
  }

  // Another redirection of this backend was installed, and has what both share; this one is destroyed next.
  virtual void give_way() {}

  // What an operator should know of it: its cost, and whom it does not cover. One sentence each.
  [[nodiscard]] virtual std::vector<std::string> remarks() const {
    return {};
  }

  [[nodiscard]] virtual bool covers_ipv6() const {
    return true;
  }

  // What the client whose socket has this cookie dialled, where neither the accepted socket nor conntrack can
  // tell.
  [[nodiscard]] virtual std::optional<SocketAddress> dialled_by(std::uint64_t /*cookie*/) const {
    return std::nullopt;
  }
};

// How to remove what an earlier process has left. Either way, it redirects nothing new afterwards.
enum class Removal {
  at_once,  // its open connections may break
  gently,   // what its open connections need is removed once they have ended
};

// One way of bringing legacy connections to our listeners. What is passed to an operation has to live until
// its end.
class Redirector {
 public:
  Redirector() = default;
  Redirector(const Redirector&) = delete;
  Redirector& operator=(const Redirector&) = delete;
  virtual ~Redirector() = default;

  // The name in `redirect.backend` and in status.
  [[nodiscard]] virtual std::string_view name() const = 0;

  // Tries whether this kernel, with our privileges, can carry out the plan; leaves nothing behind.
  [[nodiscard]] virtual asio::awaitable<Result<void>> probe(const Plan& plan) const = 0;

  // Whether filter rules see connections go to the port that was dialled, so that those of others bind.
  [[nodiscard]] virtual bool keeps_port() const {
    return false;
  }

  // The addresses on which sockets have to listen before install().
  [[nodiscard]] virtual std::vector<SocketAddress> listen_addresses(const Plan& plan) const = 0;

  // `listeners` are the sockets on listen_addresses(); those on ::1 are missing on a host without IPv6. Takes
  // the place of what an earlier process has left or handed over, without a gap.
  [[nodiscard]] virtual asio::awaitable<Result<std::unique_ptr<Redirection>>> install(
      const Plan& plan, const std::vector<Listener>& listeners) const = 0;

  // Removes what an earlier process has left or handed over; says what that was, one phrase each.
  [[nodiscard]] virtual asio::awaitable<Result<std::vector<std::string>>> remove_leftovers(
      const Plan& /*plan*/, Removal /*removal*/) const {
    co_return std::vector<std::string>();
  }
};

// The error of a backend that cannot be limited to cgroups.
[[nodiscard]] Error cannot_choose_callers();

// The remark of a redirection that should outlive this process and cannot.
[[nodiscard]] std::string falls_through_at_restarts(const std::string& why_not_pinned);

// All of them, in the order in which "auto" tries them.
std::vector<std::unique_ptr<Redirector>> all_redirectors();

// Whether filter rules for the legacy ports bind with that backend.
[[nodiscard]] bool do_filters_bind(std::string_view backend);

struct Choice {
  std::unique_ptr<Redirector> redirector;
  std::vector<std::string> refused;  // "sk_lookup: load program: Operation not permitted"
};

// Takes away whatever earlier processes of ours have left in the kernel, barriers included.
[[nodiscard]] asio::awaitable<Leftovers> remove_all_leftovers(const Plan& plan);

// The same for all backends but `installed`, which has taken the place of its own; no connection is lost.
[[nodiscard]] asio::awaitable<Leftovers> remove_leftovers_of_others(const Plan& plan,
                                                                    const Redirector& installed);

// The backend of that name, or with "auto" the first whose probe succeeds.
[[nodiscard]] asio::awaitable<Result<Choice>> choose(std::string backend, const Plan& plan);

}  // namespace msi2imds::redirect
