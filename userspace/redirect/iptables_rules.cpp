// SPDX-License-Identifier: MIT
#include "redirect/iptables_rules.hpp"

#include <fmt/core.h>

#include <utility>

#include "redirect/errors.hpp"

namespace msi2imds::redirect {

IptablesRules::IptablesRules(const NatFamily& family, std::vector<std::uint16_t> ports,
                             std::uint16_t listen_port, std::string owner, IptablesTool tool,
                             std::unique_ptr<ChangeWatch> watch)
    : family_(family),
      ports_(std::move(ports)),
      listen_port_(listen_port),
      owner_(std::move(owner)),
      tool_(std::move(tool)),
      watch_(std::move(watch)) {}

asio::awaitable<Result<void>> IptablesRules::put() {
  std::optional<IptablesNat> seen;
  if (seen_ && watch_->is_as_seen()) {
    seen = *seen_;
  }
  return tool_.change(
      [this](const IptablesNat& found) {
        return iptables_text(family_, ports_, listen_port_, owner_, found);
      },
      std::move(seen));
}

// A repair looks several times, and each look at what has not changed meanwhile keeps callers waiting.
asio::awaitable<Result<IptablesNat>> IptablesRules::look() {
  if (seen_ && watch_ && watch_->is_as_seen()) {
    co_return *seen_;
  }
  seen_.reset();
  co_return co_await tool_.look();
}

asio::awaitable<Result<void>> IptablesRules::check() {
  const bool is_known = seen_ && watch_->is_as_seen();
  if (!watch_->needs_look()) {
    co_return Result<void>();
  }
  if (!is_known) {
    seen_.reset();
  }
  const std::string context = fmt::format("check chain MSI2IMDS of {}", family_.name);
  const Result<IptablesNat> found = co_await look();
  if (!found) {
    co_return found.error().within(context);
  }
  seen_ = *found;
  const auto missing = missing_in_iptables(family_, ports_, listen_port_, owner_, *found);
  if (missing) {
    co_return Error(Errc::incomplete, context + " (" + *missing + ")");
  }
  watch_->confirm();
  seen_.reset();
  co_return Result<void>();
}

asio::awaitable<Result<std::optional<std::uint16_t>>> IptablesRules::port_of_others() {
  const Result<IptablesNat> found = co_await look();
  if (!found) {
    co_return found.error();
  }
  const bool is_ours = has_redirecting_chain(owned_by(owner_, *found));
  co_return is_ours ? std::nullopt : port_of_iptables(*found);
}

asio::awaitable<Result<bool>> IptablesRules::close(Whose whose) {
  bool has_closed = false;
  TextFor text_for = [this, whose, &has_closed](const IptablesNat& found) {
    has_closed = whose == Whose::anybodys || has_redirecting_chain(owned_by(owner_, found));
    return has_closed ? iptables_closing_text(family_, owner_, found) : std::string();
  };
  const Result<void> closed = co_await tool_.change(std::move(text_for));
  co_return closed ? Result<bool>(has_closed) : closed.error();
}

asio::awaitable<Result<void>> IptablesRules::finish() {
  return tool_.change(
      [this](const IptablesNat& found) { return iptables_finishing_text(owned_by(owner_, found)); });
}

asio::awaitable<Result<void>> IptablesRules::remove(Whose whose) {
  return tool_.change([this, whose](const IptablesNat& found) {
    return iptables_removal_text(whose == Whose::ours ? owned_by(owner_, found) : found);
  });
}

}  // namespace msi2imds::redirect
