// SPDX-License-Identifier: MIT
#include "redirect/nat_redirection.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <ctime>
#include <iterator>
#include <map>
#include <utility>

#include "base/log.hpp"
#include "redirect/errors.hpp"
#include "redirect/open_connections.hpp"

namespace msi2imds::redirect {
namespace {

// Longer than a request may take.
constexpr std::chrono::seconds kLongestClosing{90};
constexpr timespec kClosingPoll{.tv_sec = 0, .tv_nsec = 100'000'000};

std::map<std::string_view, const Redirection*>& owners() {
  static std::map<std::string_view, const Redirection*> owners;
  return owners;
}

bool listens_on(const std::vector<Listener>& listeners, const SocketAddress& address) {
  return std::any_of(listeners.begin(), listeners.end(),
                     [&address](const Listener& listener) { return listener.address == address; });
}

void wait_for_connections_to_end(std::uint16_t listen_port) {
  const auto deadline = std::chrono::steady_clock::now() + kLongestClosing;
  while (count_open_connections(listen_port) > 0 && std::chrono::steady_clock::now() < deadline) {
    (void)::nanosleep(&kClosingPoll, nullptr);
  }
}

// Those that take no new connection any more, and leave what others need. It comes before a look at
// connections: one that came between that and the removal would be cut in half.
std::vector<NatRules*> close(const std::vector<NatRules*>& all) {
  std::vector<NatRules*> closing;
  std::copy_if(all.begin(), all.end(), std::back_inserter(closing),
               [](NatRules* rules) { return static_cast<bool>(rules->close()); });
  return closing;
}

Result<void> remove_all_but(const std::vector<NatRules*>& needed, const std::vector<NatRules*>& all) {
  Result<void> result;
  for (NatRules* rules : all) {
    if (std::find(needed.begin(), needed.end(), rules) != needed.end()) {
      continue;
    }
    if (Result<void> removed = rules->remove(); !removed) {
      result = std::move(removed);
    }
  }
  return result;
}

// What close() left redirects nothing, whether it goes or stays.
void finish(const std::vector<NatRules*>& closing) {
  for (NatRules* rules : closing) {
    (void)rules->finish();
  }
}

void finish_once_connections_have_ended(const std::vector<NatRules*>& closing, std::uint16_t listen_port) {
  wait_for_connections_to_end(listen_port);
  finish(closing);
}

// In the guard's process, where nobody is left to be told of a failure.
void remove_for_a_process_that_is_gone(const std::vector<NatRules*>& all, std::uint16_t listen_port) {
  const std::vector<NatRules*> closing = close(all);
  (void)remove_all_but(closing, all);
  finish_once_connections_have_ended(closing, listen_port);
}

}  // namespace

// The kernel translates connections that exist only while there is a NAT rule, so one stays until they have
// ended; closing it is left to a process that may outlive us.
Result<void> remove_gently(const std::vector<NatRules*>& all, std::uint16_t listen_port) {
  std::vector<NatRules*> closing = close(all);
  if (count_open_connections(listen_port) == 0) {
    closing.clear();
  }
  Result<void> result = remove_all_but(closing, all);
  if (!closing.empty()) {
    const Result<void> detached =
        run_detached([&closing, listen_port] { finish_once_connections_have_ended(closing, listen_port); });
    if (!detached) {
      finish(closing);
    }
  }
  return result;
}

Result<std::vector<std::string>> remove(const std::vector<NatLeftover>& leftovers, Removal removal,
                                        std::uint16_t listen_port) {
  std::vector<std::string> names;
  std::vector<NatRules*> all;
  for (const NatLeftover& leftover : leftovers) {
    names.insert(names.end(), leftover.names.begin(), leftover.names.end());
    all.push_back(leftover.rules.get());
  }
  if (removal == Removal::gently) {
    const Result<void> removed = remove_gently(all, listen_port);
    return removed ? Result<std::vector<std::string>>(std::move(names)) : removed.error();
  }
  for (NatRules* rules : all) {
    const Result<void> removed = rules->remove();
    if (!removed) {
      return removed.error();
    }
  }
  return names;
}

NatRedirection::NatRedirection(std::string_view backend, std::uint16_t listen_port,
                               std::shared_ptr<Families> families, Guard guard)
    : backend_(backend), listen_port_(listen_port), families_(std::move(families)), guard_(std::move(guard)) {
  owners()[backend_] = this;
}

Result<std::unique_ptr<Redirection>> NatRedirection::install(std::string_view backend, const Plan& plan,
                                                             const std::vector<Listener>& listeners,
                                                             std::unique_ptr<NatRules> ipv4,
                                                             std::unique_ptr<NatRules> ipv6) {
  const auto address = SocketAddress::ipv4_loopback(plan.listen_port);
  if (!listens_on(listeners, address)) {
    return Error::from_errno(ENOTCONN, "find the listener on " + address.to_string());
  }
  const auto families =
      std::make_shared<Families>(Families{.ipv4 = std::move(ipv4), .ipv6 = std::move(ipv6)});
  // Before the rules are there, so that there is no moment in which nobody would remove them.
  auto guard = Guard::start(
      [families, port = plan.listen_port] {
        remove_for_a_process_that_is_gone({families->ipv4.get(), families->ipv6.get()}, port);
      },
      {});
  if (!guard) {
    return guard.error();
  }
  const Result<void> put = families->ipv4->put();
  if (!put) {
    return put.error();
  }
  std::unique_ptr<NatRedirection> redirection(
      new NatRedirection(backend, plan.listen_port, families, std::move(*guard)));
  redirection->put_ipv6(listeners);
  finish(redirection->in_force());  // the new rules keep the connections of an earlier process translated
  return redirection;
}

void NatRedirection::put_ipv6(const std::vector<Listener>& listeners) {
  if (!listens_on(listeners, SocketAddress::ipv6_loopback(listen_port_))) {
    why_not_ipv6_ = "nobody listens there";
  } else if (const Result<void> put = families_->ipv6->put(); !put) {
    why_not_ipv6_ = put.error().message();
  }
  if (why_not_ipv6_) {
    (void)families_->ipv6->remove();  // an earlier process's; where there is no IPv6, there is nothing
  }
}

NatRedirection::~NatRedirection() {
  if (owns_the_rules()) {
    owners().erase(backend_);
    if (const Result<void> removed = remove_gently(in_force(), listen_port_); !removed) {
      log::error("remove the redirection: {}", removed.error().message());
    }
  }
}

Result<void> NatRedirection::check() {
  if (!owns_the_rules()) {
    return Error(Errc::superseded, "check the rules");
  }
  for (NatRules* rules : in_force()) {
    Result<void> checked = rules->check();
    if (!checked) {
      return checked;
    }
  }
  return {};
}

Result<void> NatRedirection::repair() {
  if (!owns_the_rules()) {
    return Error(Errc::superseded, "repair the rules");
  }
  Result<void> repaired;
  for (NatRules* rules : in_force()) {
    if (rules->check()) {
      continue;
    }
    const Result<void> put = rules->put();
    if (!put) {
      repaired = put;
    }
  }
  return repaired ? check() : repaired;
}

bool NatRedirection::hand_over() {
  if (!owns_the_rules()) {
    return false;
  }
  owners().erase(backend_);
  guard_.reset();
  return true;
}

std::vector<std::string> NatRedirection::remarks() const {
  std::vector<std::string> remarks = {
      "while it is in force, the kernel tracks every connection of this host (conntrack)"};
  if (why_not_ipv6_) {
    remarks.push_back("connections to ::1 are not covered: " + *why_not_ipv6_);
  }
  return remarks;
}

bool NatRedirection::covers_ipv6() const {
  return !why_not_ipv6_;
}

bool NatRedirection::owns_the_rules() const {
  const auto owner = owners().find(backend_);
  return owner != owners().end() && owner->second == this;
}

std::vector<NatRules*> NatRedirection::in_force() const {
  std::vector<NatRules*> in_force = {families_->ipv4.get()};
  if (!why_not_ipv6_) {
    in_force.push_back(families_->ipv6.get());
  }
  return in_force;
}

}  // namespace msi2imds::redirect
