// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/asio.hpp"
#include "base/error.hpp"
#include "base/socket_address.hpp"
#include "redirect/leftovers.hpp"

// Keeps users from connecting to IMDS itself.
namespace msi2imds::redirect {

struct BarrierPlan {
  std::vector<SocketAddress> closed;  // one or two, all of the family of the first
  std::vector<uid_t> open_to;         // sorted; root is one of them
  // Only processes in these cgroups, named from the root of cgroup2, are kept away; empty: all.
  std::vector<std::string> cgroups = {};
  // How long an operation, as a whole, waits for another tool that is changing rules.
  std::chrono::milliseconds patience = std::chrono::seconds(30);

  friend bool operator==(const BarrierPlan&, const BarrierPlan&) = default;
};

// One way of doing that. One operation at a time; what is passed to it has to live until its end. Connections
// that are open stay open. Destroying it lets everybody through again; what takes a program of the host is
// left to a process of its own then, unless lower() has done it.
class Barrier {
 public:
  Barrier() = default;
  Barrier(const Barrier&) = delete;
  Barrier& operator=(const Barrier&) = delete;
  virtual ~Barrier() = default;

  // For people: "eBPF", "nftables", "iptables".
  [[nodiscard]] virtual std::string_view name() const = 0;

  // Carries out the plan, in the place of an earlier one, without a gap between them; takes the place of what
  // an earlier process has left, too. With the same plan it puts back what check() missed.
  [[nodiscard]] virtual asio::awaitable<Result<void>> raise(const BarrierPlan& plan) = 0;

  // Asks the kernel whether it is as it was raised. Asked every second, so it is cheap while nothing changes.
  [[nodiscard]] virtual asio::awaitable<Result<void>> check() = 0;

  // Lets everybody through. After an error a process goes on trying, if need be after our end.
  [[nodiscard]] virtual asio::awaitable<Result<void>> lower() = 0;

  // From here on it stays without us, for the process that comes after this one. False: it cannot.
  [[nodiscard]] virtual bool hand_over() = 0;

  // What earlier processes have left of this way; one phrase each.
  [[nodiscard]] virtual asio::awaitable<Result<std::vector<std::string>>> find_leftovers() const = 0;
  [[nodiscard]] virtual asio::awaitable<Result<void>> remove_leftovers() const = 0;
};

// All of them, none raised, in the order in which raise_barrier() tries them. Links of programs that are
// handed over are pinned in `pin_directory`; empty: they are not.
[[nodiscard]] std::vector<std::unique_ptr<Barrier>> all_barriers(const std::string& pin_directory);

// The first that can carry out the plan, raised; that of the name `tried` is left out.
[[nodiscard]] asio::awaitable<Result<std::unique_ptr<Barrier>>> raise_barrier(const BarrierPlan& plan,
                                                                              std::string pin_directory,
                                                                              std::string tried = {});

// The barriers of this network namespace, whichever process has raised them; one phrase each.
[[nodiscard]] asio::awaitable<Result<std::vector<std::string>>> find_barriers(std::string pin_directory);

// Takes away what earlier processes have left of all of them but that of the name `raised`.
[[nodiscard]] asio::awaitable<Leftovers> remove_barriers_but(std::string raised, std::string pin_directory);

}  // namespace msi2imds::redirect
