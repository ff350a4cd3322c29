// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/asio.hpp"
#include "base/command.hpp"
#include "redirect/iptables_text.hpp"
#include "redirect/nat_family.hpp"

namespace msi2imds::redirect {

// The programs of one family and flavour: a host may have legacy iptables, iptables-nft, or both.
struct IptablesPrograms {
  std::string list;     // "ip6tables-legacy"
  std::string restore;  // "ip6tables-legacy-restore"
  std::string save;
};

// `flavour` is what comes after "iptables": "", "-legacy", "-nft".
[[nodiscard]] IptablesPrograms iptables_programs(const NatFamily& family, const std::string& flavour);

// Whether there is a table of that name ("nat", "filter"): iptables would make one by merely listing it, so
// the kernel or nft is asked. Without nft, one of iptables-nft is assumed to exist.
[[nodiscard]] asio::awaitable<bool> has_iptables_table(CommandRunner& runner, bool speaks_nftables,
                                                       const NatFamily& family, std::string table);

// The families that may have a table of that name, of whichever iptables. Where none has, no iptables has to
// be asked anything.
[[nodiscard]] asio::awaitable<std::vector<const NatFamily*>> families_with_iptables_table(
    CommandRunner& runner, std::string table);

// The rules of a table, as -S prints them or, where iptables is too old for that, as iptables-save does.
[[nodiscard]] asio::awaitable<Result<std::string>> list_iptables_table(CommandRunner& runner,
                                                                       IptablesPrograms programs,
                                                                       std::string table);

// Does what the text says, which is one transaction for each table that it names.
[[nodiscard]] asio::awaitable<Result<void>> restore_iptables(CommandRunner& runner, IptablesPrograms programs,
                                                             std::string text);

// Whether it is an iptables that keeps its rules in nftables.
[[nodiscard]] asio::awaitable<Result<bool>> speaks_nftables(CommandRunner& runner, IptablesPrograms programs);

using Wait = std::function<asio::awaitable<void>(std::chrono::milliseconds)>;

[[nodiscard]] Wait real_wait();

// What iptables-restore is to be told, given what is there.
using TextFor = std::function<std::string(const IptablesNat&)>;

// Reads and changes a nat table. While another tool is changing it, each operation is repeated, for about two
// seconds.
class IptablesTool {
 public:
  IptablesTool(IptablesPrograms programs, std::shared_ptr<CommandRunner> runner, Wait wait);

  [[nodiscard]] asio::awaitable<Result<IptablesNat>> look() const;

  // Reads the table, unless it was `seen` and is probably the same, and applies the text that `text_for`
  // returns for it; does nothing if that is empty.
  [[nodiscard]] asio::awaitable<Result<void>> change(TextFor text_for,
                                                     std::optional<IptablesNat> seen = {}) const;

  [[nodiscard]] asio::awaitable<Result<void>> restore(std::string text) const;

  [[nodiscard]] asio::awaitable<Result<bool>> speaks_nftables() const {
    return redirect::speaks_nftables(*runner_, programs_);
  }

 private:
  [[nodiscard]] asio::awaitable<Result<IptablesNat>> look_once() const;
  [[nodiscard]] asio::awaitable<Result<void>> change_once(const TextFor& text_for,
                                                          std::optional<IptablesNat> seen) const;

  IptablesPrograms programs_;
  std::shared_ptr<CommandRunner> runner_;
  Wait wait_;
};

}  // namespace msi2imds::redirect
