// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "base/command.hpp"
#include "redirect/iptables_text.hpp"
#include "redirect/nat_family.hpp"

namespace msi2imds::redirect {

// The programs of one family and flavour: a host may have the old iptables, the one that speaks to nftables,
// or both.
struct IptablesPrograms {
  std::string list;     // "ip6tables-legacy"
  std::string restore;  // "ip6tables-legacy-restore"
  std::string save;
};

// `flavour` is what comes after "iptables": "", "-legacy", "-nft".
[[nodiscard]] IptablesPrograms iptables_programs(const NatFamily& family, const std::string& flavour);

using Wait = std::function<void(std::chrono::milliseconds)>;

[[nodiscard]] Wait real_wait();

// Reads and changes a nat table. Others may be at work in it: then it tries again, for about two seconds.
class IptablesTool {
 public:
  IptablesTool(IptablesPrograms programs, std::shared_ptr<CommandRunner> runner, Wait wait);

  [[nodiscard]] Result<IptablesNat> look() const;

  // Does what `text_for` makes of what is found; nothing, if that is an empty text.
  [[nodiscard]] Result<void> change(const std::function<std::string(const IptablesNat&)>& text_for) const;

  [[nodiscard]] Result<void> restore(const std::string& text) const;

  // Whether it is an iptables that keeps its rules in nftables.
  [[nodiscard]] Result<bool> speaks_nftables() const;

 private:
  [[nodiscard]] Result<IptablesNat> look_once() const;
  [[nodiscard]] Result<void> restore_once(const std::string& text) const;

  IptablesPrograms programs_;
  std::shared_ptr<CommandRunner> runner_;
  Wait wait_;
};

}  // namespace msi2imds::redirect
