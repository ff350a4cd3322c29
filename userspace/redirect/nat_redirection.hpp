// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/unique_fd.hpp"
#include "redirect/guard.hpp"
#include "redirect/lost_servers.hpp"
#include "redirect/nat_rules.hpp"
#include "redirect/old_connections.hpp"
#include "redirect/open_connections.hpp"
#include "redirect/redirector.hpp"
#include "redirect/tool.hpp"
#include "redirect/tracking.hpp"

namespace msi2imds::redirect {

// Whether the rules of a redirection that is gone are still its guard's to remove, as far as that is known.
// Collects the guards that have ended.
[[nodiscard]] bool are_rules_left_to_guards();

// What a redirection has beside its rules; nothing of it is needed.
struct NatSupport {
  UniqueFd kept_nat;  // while open, whoever removes all rules cuts off nobody whose connection is translated
  std::optional<TrackingWatch> tracking;
};

[[nodiscard]] NatPorts ports_of(const Plan& plan);

// All that the kernel is new enough for.
[[nodiscard]] NatSupport support_nat(const Plan& plan);

// A redirection by NAT rules, which would outlive this process: a guard removes them should it be killed,
// unless connections can wait for the next one. The rules carry a mark, and belong to the redirection that
// was installed last, whichever process that is: an earlier one, and its guard, find nothing of theirs.
class NatRedirection final : public Redirection {
 public:
  // May be destroyed or cancelled halfway: its guard acts then. Fails where another process serves by such
  // rules.
  static asio::awaitable<Result<std::unique_ptr<Redirection>>> install(const Plan& plan,
                                                                       const std::vector<Listener>& listeners,
                                                                       std::unique_ptr<NatRules> ipv4,
                                                                       std::unique_ptr<NatRules> ipv6,
                                                                       NatSupport support, Deadline deadline);
  NatRedirection(const NatRedirection&) = delete;
  NatRedirection& operator=(const NatRedirection&) = delete;
  ~NatRedirection() override;

  [[nodiscard]] asio::awaitable<Result<void>> check() override;
  [[nodiscard]] asio::awaitable<Result<void>> repair() override;
  [[nodiscard]] asio::awaitable<Result<void>> remove() override;
  void limit_patience(std::chrono::milliseconds longest) override;
  [[nodiscard]] bool hand_over() override;
  void give_way() override {
    (void)hand_over();  // the rules are the other one's
  }
  [[nodiscard]] std::vector<std::string> remarks() const override;
  [[nodiscard]] bool covers_ipv6() const override;
  [[nodiscard]] int alarm() const override;
  [[nodiscard]] bool heed_alarm() override;

 private:
  // The guard's process has a copy.
  struct Families {
    std::unique_ptr<NatRules> ipv4;
    std::unique_ptr<NatRules> ipv6;
  };

  struct Outcome;

  NatRedirection(const Plan& plan, std::shared_ptr<Families> families, Guard guard, NatSupport support);

  asio::awaitable<void> put_ipv6(const std::vector<Listener>& listeners, Deadline deadline);
  asio::awaitable<Result<void>> repair(NatRules& rules);
  asio::awaitable<Result<void>> repair_both();
  asio::awaitable<void> repair_ipv6(std::shared_ptr<Outcome> outcome);
  void look_after_connections();
  void disown();
  [[nodiscard]] std::vector<NatRules*> in_force() const;

  bool is_ours_ = true;  // to remove
  NatPorts ports_;
  std::chrono::milliseconds patience_;
  std::shared_ptr<Families> families_;
  Guard guard_;
  LostServers lost_servers_;
  OldConnections old_connections_;
  NatSupport support_;
  std::optional<std::string> why_not_ipv6_;
  int alarms_ = 0;                              // heeded in this round
  std::chrono::microseconds spent_on_looks_{};  // by the tools, in this round
  std::chrono::steady_clock::time_point next_round_{};
};

}  // namespace msi2imds::redirect
