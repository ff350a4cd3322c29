// SPDX-License-Identifier: MIT
#include "redirect/change_watch.hpp"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>

#include "base/unique_fd.hpp"

// After the C library's headers: the kernel's define only what those have not.
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>

namespace msi2imds::redirect {
namespace {

constexpr unsigned kCallsUntilALookAnyway = 60;

template <typename Information>
std::optional<LegacyTableShape> read_shape(std::string_view table, int domain, int level, int option) {
  const UniqueFd socket(::socket(domain, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW));
  Information information{};
  table.copy(std::begin(information.name), std::size(information.name) - 1);
  socklen_t size = sizeof information;
  if (::getsockopt(socket.get(), level, option, &information, &size) != 0) {
    return std::nullopt;
  }
  LegacyTableShape shape = {.rules = information.num_entries, .size = information.size, .hooks = {}};
  static_assert(sizeof information.hook_entry == sizeof shape.hooks);
  std::copy(std::begin(information.hook_entry), std::end(information.hook_entry), shape.hooks.begin());
  return shape;
}

}  // namespace

NftWatch::NftWatch(std::string table, std::vector<std::string> chains)
    : table_(std::move(table)), chains_(std::move(chains)) {
  open();
}

void NftWatch::open() {
  if (auto events = netlink::NftEvents::open(table_, chains_)) {
    events_.emplace(std::move(*events));
  }
}

bool NftWatch::needs_look() {
  if (!events_) {
    certain_ = false;
    open();
  }
  (void)read_events();
  looked_at_ = changes_;
  return !certain_;
}

void NftWatch::confirm() {
  certain_ = events_ && looked_at_ == changes_;
}

bool NftWatch::is_as_seen() {
  (void)read_events();
  return events_ && looked_at_ == changes_;
}

int NftWatch::alarm() const {
  return events_ ? events_->fd() : -1;
}

netlink::NftChange NftWatch::read_events() {
  const auto gravest = events_ ? events_->gravest() : netlink::NftChange::none;
  if (gravest != netlink::NftChange::none) {
    certain_ = false;
    ++changes_;
  }
  return gravest;
}

bool NftWatch::heed_alarm() {
  return read_events() == netlink::NftChange::ours;
}

std::optional<LegacyTableShape> shape_of_legacy_table(const NatFamily& family, std::string_view table) {
  return family.domain == AF_INET6 ? read_shape<ip6t_getinfo>(table, AF_INET6, SOL_IPV6, IP6T_SO_GET_INFO)
                                   : read_shape<ipt_getinfo>(table, AF_INET, SOL_IP, IPT_SO_GET_INFO);
}

LegacyWatch::LegacyWatch(const NatFamily& family, std::string_view table, std::chrono::milliseconds every)
    : family_(family), table_(table) {
  if (every.count() == 0) {
    return;
  }
  timer_.reset(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  const timespec period{.tv_sec = 0, .tv_nsec = std::chrono::nanoseconds(every).count()};
  const itimerspec setting{.it_interval = period, .it_value = period};
  (void)::timerfd_settime(timer_.get(), 0, &setting, nullptr);  // without it, each second has its look
}

// Once for each change: what cannot be put back at once is tried again each second.
bool LegacyWatch::heed_alarm() {
  std::uint64_t ticks = 0;
  (void)::read(timer_.get(), &ticks, sizeof ticks);
  const auto shape = shape_of_legacy_table(family_, table_);
  const bool is_another = shape && shape != alarmed_at_ && shape != confirmed_;
  alarmed_at_ = shape;
  return is_another;
}

bool LegacyWatch::needs_look() {
  seen_ = shape_of_legacy_table(family_, table_);
  alarmed_at_ = seen_;  // or rules that go again as they went, before the next tick, would not ring
  return ++calls_ % kCallsUntilALookAnyway == 0 || !seen_ || seen_ != confirmed_;
}

void LegacyWatch::confirm() {
  confirmed_ = seen_;
}

}  // namespace msi2imds::redirect
