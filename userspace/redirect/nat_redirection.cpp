// SPDX-License-Identifier: MIT
#include "redirect/nat_redirection.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <ctime>
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

// Takes no new connection any more. True: there are connections, and something is left for finish().
bool close(NatRules& rules, std::uint16_t listen_port) {
  return count_open_connections(listen_port) > 0 && rules.close();
}

void finish_once_connections_have_ended(const std::vector<NatRules*>& closing, std::uint16_t listen_port) {
  wait_for_connections_to_end(listen_port);
  for (NatRules* rules : closing) {
    (void)rules->finish();  // redirects nothing, whether it goes or stays
  }
}

// In the guard's process, where nobody is left to be told of a failure.
void remove_for_a_process_that_is_gone(const std::vector<NatRules*>& all, std::uint16_t listen_port) {
  std::vector<NatRules*> closing;
  for (NatRules* rules : all) {
    if (close(*rules, listen_port)) {
      closing.push_back(rules);
    } else {
      (void)rules->remove();
    }
  }
  finish_once_connections_have_ended(closing, listen_port);
}

}  // namespace

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
    remove();
  }
}

// The kernel translates connections that exist only while there is a NAT rule, so one stays until they have
// ended; closing it is left to a process that may outlive us.
void NatRedirection::remove() {
  std::vector<NatRules*> closing;
  for (NatRules* rules : in_force()) {
    if (close(*rules, listen_port_)) {
      closing.push_back(rules);
    } else if (const Result<void> removed = rules->remove(); !removed) {
      log::error("remove the redirection: {}", removed.error().message());
    }
  }
  if (closing.empty()) {
    return;
  }
  const Result<void> detached =
      run_detached([&closing, this] { finish_once_connections_have_ended(closing, listen_port_); });
  if (!detached) {
    for (NatRules* rules : closing) {
      (void)rules->finish();
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
