// SPDX-License-Identifier: MIT
#include "redirect/sk_lookup.hpp"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>

#include <cerrno>
#include <memory>
#include <utility>

#include "abi.h"
#include "base/unique_fd.hpp"
#include "loader/lasting_link.hpp"
#include "loader/port_set.hpp"
#include "redirect/own_namespace.hpp"
#include "sk_lookup.skel.h"

namespace msi2imds::redirect {
namespace {

struct SkeletonDeleter {
  void operator()(sk_lookup_bpf* skeleton) const noexcept {
    sk_lookup_bpf::destroy(skeleton);
  }
};
using Skeleton = std::unique_ptr<sk_lookup_bpf, SkeletonDeleter>;

Result<Skeleton> load(const std::vector<std::uint16_t>& ports, std::uint16_t exempt_port) {
  loader::prepare_libbpf();
  Skeleton skeleton(sk_lookup_bpf::open());
  if (!skeleton) {
    return Error::from_errno(errno, "open the sk_lookup program");
  }
  // The skeleton declares read-only data const, but it may be written until the program is loaded.
  loader::add_ports(const_cast<port_set&>(skeleton->rodata->legacy_ports), ports);
  const_cast<__be16&>(skeleton->rodata->exempt_port) = htons(exempt_port);
  if (const int err = sk_lookup_bpf::load(skeleton.get()); err != 0) {
    return Error::from_errno(-err, "load the sk_lookup program");
  }
  return skeleton;
}

Result<loader::Link> attach_to_own_namespace(const sk_lookup_bpf& skeleton) {
  const UniqueFd net_namespace(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
  if (!net_namespace) {
    return Error::from_errno(errno, "open /proc/self/ns/net");
  }
  loader::Link link(bpf_program__attach_netns(skeleton.progs.msi2imds_sk_lookup, net_namespace.get()));
  if (!link) {
    return Error::from_errno(errno, "attach sk_lookup to the network namespace");
  }
  return link;
}

std::uint32_t slot_of(const Listener& listener) {
  return listener.address.family() == AF_INET6 ? LISTENER_IPV6 : LISTENER_IPV4;
}

Result<void> put_listener(const sk_lookup_bpf& skeleton, const Listener& listener) {
  const std::uint32_t slot = slot_of(listener);
  const auto value = static_cast<std::uint64_t>(listener.fd);
  const int err =
      bpf_map__update_elem(skeleton.maps.listeners, &slot, sizeof slot, &value, sizeof value, BPF_ANY);
  if (err != 0) {
    return Error::from_errno(-err, "put the listener " + listener.address.to_string() + " into the map");
  }
  return {};
}

class SkLookupRedirection final : public Redirection {
 public:
  SkLookupRedirection(Skeleton skeleton, loader::LastingLink link, std::vector<Listener> listeners)
      : skeleton_(std::move(skeleton)), link_(std::move(link)), listeners_(std::move(listeners)) {}

  [[nodiscard]] bool hand_over() override {
    const bool can = link_.keep_pinned();
    if (can) {
      link_.hand_over();
    }
    return can;
  }

  [[nodiscard]] std::vector<std::string> remarks() const override {
    if (link_.why_not_pinned().empty()) {
      return {};
    }
    return {falls_through_at_restarts(link_.why_not_pinned())};
  }

  [[nodiscard]] asio::awaitable<Result<void>> check() override {
    Result<void> attached = link_.check();
    if (!attached) {
      co_return attached;
    }
    (void)link_.keep_pinned();  // if not, a remark tells
    for (const Listener& listener : listeners_) {
      const std::uint32_t slot = slot_of(listener);
      std::uint64_t cookie = 0;
      const int err =
          bpf_map__lookup_elem(skeleton_->maps.listeners, &slot, sizeof slot, &cookie, sizeof cookie, 0);
      if (err != 0) {
        co_return Error::from_errno(-err,
                                    "find the listener " + listener.address.to_string() + " in the map");
      }
    }
    co_return Result<void>();
  }

 private:
  Skeleton skeleton_;
  loader::LastingLink link_;  // detached before its program goes
  std::vector<Listener> listeners_;
};

loader::LinkPlace own_place() {
  return {.type = BPF_LINK_TYPE_NETNS, .number = own_namespace(), .hook = BPF_SK_LOOKUP};
}

std::string pin_path(const std::string& directory) {
  return directory + "/sk_lookup";
}

// Where it is not to be pinned, a pin of an earlier process leads to sockets that nobody holds any more, and
// goes once ours is there. Others stay.
Result<loader::LastingLink> attach(const sk_lookup_bpf& skeleton, const Plan& plan) {
  const bool may_pin = plan.may_outlive_us && !plan.pin_directory.empty();
  Result<loader::LastingLink> link = loader::LastingLink::make(
      *skeleton.progs.msi2imds_sk_lookup, own_place(), may_pin ? pin_path(plan.pin_directory) : std::string(),
      [&skeleton] { return attach_to_own_namespace(skeleton); });
  if (link && !may_pin && !plan.pin_directory.empty()) {
    (void)loader::unpin(pin_path(plan.pin_directory), own_place());
  }
  return link;
}

}  // namespace

asio::awaitable<Result<void>> SkLookupRedirector::probe(const Plan& plan) const {
  if (!plan.cgroups.empty()) {
    co_return cannot_choose_callers();
  }
  const Result<Skeleton> skeleton = load({}, 0);  // no port: takes nothing while it is attached
  if (!skeleton) {
    co_return skeleton.error();
  }
  const Result<loader::Link> link = attach_to_own_namespace(**skeleton);
  if (!link) {
    co_return link.error();
  }
  co_return Result<void>();
}

std::vector<SocketAddress> SkLookupRedirector::listen_addresses(const Plan& plan) const {
  return {SocketAddress::ipv4_loopback(plan.listen_port), SocketAddress::ipv6_loopback(plan.listen_port)};
}

asio::awaitable<Result<std::unique_ptr<Redirection>>> SkLookupRedirector::install(
    const Plan& plan, const std::vector<Listener>& listeners) const {
  Result<Skeleton> skeleton = load(plan.legacy_ports, plan.listen_port);
  if (!skeleton) {
    co_return skeleton.error();
  }
  for (const Listener& listener : listeners) {
    const Result<void> put = put_listener(**skeleton, listener);
    if (!put) {
      co_return put.error();
    }
  }

  Result<loader::LastingLink> link = attach(**skeleton, plan);
  if (!link) {
    co_return link.error();
  }
  co_return std::make_unique<SkLookupRedirection>(std::move(*skeleton), std::move(*link), listeners);
}

asio::awaitable<Result<std::vector<std::string>>> SkLookupRedirector::remove_leftovers(
    const Plan& plan, Removal /*removal*/) const {
  std::vector<std::string> removed;
  if (plan.pin_directory.empty()) {
    co_return removed;
  }
  const Result<bool> unpinned = loader::unpin(pin_path(plan.pin_directory), own_place());
  if (!unpinned) {
    co_return unpinned.error();
  }
  if (*unpinned) {
    removed.push_back("sk_lookup: the link pinned at " + pin_path(plan.pin_directory));
  }
  co_return removed;
}

}  // namespace msi2imds::redirect
