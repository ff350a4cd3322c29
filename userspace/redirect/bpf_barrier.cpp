// SPDX-License-Identifier: MIT
#include "redirect/bpf_barrier.hpp"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "abi.h"
#include "barrier.skel.h"
#include "base/network_namespace.hpp"
#include "base/unique_fd.hpp"
#include "loader/cgroup.hpp"
#include "loader/pinned_link.hpp"
#include "redirect/own_namespace.hpp"

namespace msi2imds::redirect {
namespace {

// What the pins of this network namespace's barrier begin with; a number follows.
std::string pin_prefix() {
  return "barrier_" + std::to_string(own_namespace()) + "_";
}

closed_address to_closed(const SocketAddress& address) {
  closed_address closed{};
  closed.is_closed = 1;
  closed.port = htons(address.port());
  if (address.family() == AF_INET6) {
    sockaddr_in6 wide{};
    std::memcpy(&wide, address.get(), sizeof wide);
    std::memcpy(&closed.address, &wide.sin6_addr, sizeof closed.address);
  } else {
    sockaddr_in narrow{};
    std::memcpy(&narrow, address.get(), sizeof narrow);
    closed.address[2] = htonl(0xffff);
    closed.address[3] = narrow.sin_addr.s_addr;
  }
  return closed;
}

Result<void> put_first(bpf_map* map, const void* value, std::size_t size) {
  const std::uint32_t first = 0;
  const int err = bpf_map__update_elem(map, &first, sizeof first, value, size, BPF_ANY);
  return err == 0 ? Result<void>() : Error::from_errno(-err, "configure the barrier's programs");
}

// The cookie of this network namespace; kernels before 5.14 tell it to the programs alone, where they see a
// connect() of ours, which sends nothing.
Result<void> learn_own_namespace(const barrier_bpf& skeleton, const UniqueFd& udp) {
  if (const auto told = namespace_cookie_of(udp.get()); told) {
    return put_first(skeleton.maps.own_namespace, &*told, sizeof *told);
  }
  const Result<UniqueFd> root = loader::open_cgroup("/");
  if (!root) {
    return root.error();
  }
  // Programs that do not know their namespace close nothing.
  const auto attachment = loader::CgroupAttachment::attach(
      {skeleton.progs.msi2imds_barrier4, BPF_CGROUP_INET4_CONNECT}, root->get(), loader::AttachMethod::link);
  if (!attachment) {
    return attachment.error();
  }
  const SocketAddress nobody = SocketAddress::ipv4_loopback(1);
  (void)::connect(udp.get(), nobody.get(), nobody.size());
  const std::uint32_t first = 0;
  std::uint64_t cookie = 0;
  (void)bpf_map__lookup_elem(skeleton.maps.own_namespace, &first, sizeof first, &cookie, sizeof cookie, 0);
  return cookie != 0 ? Result<void>()
                     : Error::from_errno(ENOENT, "find out the cookie of this network namespace");
}

}  // namespace

void BpfBarrier::Deleter::operator()(barrier_bpf* skeleton) const noexcept {
  barrier_bpf::destroy(skeleton);
}

BpfBarrier::BpfBarrier(std::string pin_directory) : pin_directory_(std::move(pin_directory)) {}
BpfBarrier::~BpfBarrier() = default;

Result<BpfBarrier::Skeleton> BpfBarrier::load(const BarrierPlan& plan) {
  loader::prepare_libbpf();
  Skeleton skeleton(barrier_bpf::open());
  if (!skeleton) {
    return Error::from_errno(errno, "open the barrier's programs");
  }
  const auto most = static_cast<std::uint32_t>(std::max<std::size_t>(plan.open_to.size(), 1));
  (void)bpf_map__set_max_entries(skeleton->maps.open_to, most);  // fails only for maps that exist
  if (const int err = barrier_bpf::load(skeleton.get()); err != 0) {
    return Error::from_errno(-err, "load the barrier's programs");
  }
  for (const std::uint32_t uid : plan.open_to) {
    const std::uint32_t is_open = 1;
    const int err =
        bpf_map__update_elem(skeleton->maps.open_to, &uid, sizeof uid, &is_open, sizeof is_open, BPF_ANY);
    if (err != 0) {
      return Error::from_errno(-err, "configure the barrier's programs");
    }
  }
  barrier_plan wanted{};
  for (std::size_t i = 0; i < std::min<std::size_t>(plan.closed.size(), MAX_CLOSED); ++i) {
    wanted.closed[i] = to_closed(plan.closed[i]);
  }
  wanted.owner = own_namespace();
  const UniqueFd udp(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  socklen_t size = sizeof wanted.own_socket;
  if (::getsockopt(udp.get(), SOL_SOCKET, SO_COOKIE, &wanted.own_socket, &size) != 0) {
    return Error::from_errno(errno, "make the barrier's socket");
  }
  Result<void> done = put_first(skeleton->maps.barrier, &wanted, sizeof wanted);
  if (done) {
    done = learn_own_namespace(*skeleton, udp);
  }
  return done ? Result<Skeleton>(std::move(skeleton)) : done.error();
}

Result<void> BpfBarrier::attach(const Skeleton& skeleton, Place& place) {
  const Result<UniqueFd> directory = loader::open_cgroup(place.cgroup);
  if (!directory) {
    return directory.error();
  }
  const std::array<loader::ProgramOfHook, 2> programs = {{
      {skeleton->progs.msi2imds_barrier4, BPF_CGROUP_INET4_CONNECT},
      {skeleton->progs.msi2imds_barrier6, BPF_CGROUP_INET6_CONNECT},
  }};
  auto attachments = loader::attach_by_links(programs, directory->get());
  if (!attachments) {
    return attachments.error();
  }
  place.attachments = std::move(*attachments);
  return {};
}

// A missing cgroup is no error: that of a service appears when the service starts.
Result<void> BpfBarrier::attach_missing(Raised& raised) {
  for (Place& place : raised.places) {
    if (loader::check_attachments(place.attachments, place.cgroup)) {
      continue;
    }
    Result<void> attached = attach(raised.skeleton, place);
    if (!attached) {
      place.attachments.clear();
    }
    if (!attached && attached.error().code() != boost::system::errc::no_such_file_or_directory) {
      return attached;
    }
  }
  return {};
}

asio::awaitable<Result<void>> BpfBarrier::raise(const BarrierPlan& plan) {
  if (raised_ && raised_->plan == plan) {
    co_return attach_missing(*raised_);
  }
  Result<Skeleton> skeleton = load(plan);
  if (!skeleton) {
    co_return skeleton.error();
  }
  Raised raised{.plan = plan, .skeleton = std::move(*skeleton), .places = {}};
  const std::vector<std::string> everywhere = {"/"};
  for (const std::string& cgroup : plan.cgroups.empty() ? everywhere : plan.cgroups) {
    raised.places.push_back({.cgroup = cgroup});
  }
  const Result<void> attached = attach_missing(raised);
  if (!attached) {
    co_return attached.error();
  }
  raised_.reset();
  raised_.emplace(std::move(raised));
  co_return co_await remove_leftovers();
}

asio::awaitable<Result<void>> BpfBarrier::check() {
  if (!raised_) {
    co_return Error::from_errno(ENOLINK, "check the barrier");
  }
  for (const Place& place : raised_->places) {
    Result<void> checked = loader::check_attachments(place.attachments, place.cgroup);
    if (!checked) {
      co_return checked.error().within("in cgroup '" + place.cgroup + "'");
    }
  }
  co_return Result<void>();
}

asio::awaitable<Result<void>> BpfBarrier::lower() {
  raised_.reset();
  co_return Result<void>();
}

bool BpfBarrier::hand_over() {
  if (!raised_ || pin_directory_.empty()) {
    return false;
  }
  std::size_t count = 0;
  for (Place& place : raised_->places) {
    for (loader::CgroupAttachment& attachment : place.attachments) {
      const std::string path = pin_directory_ + "/" + pin_prefix() + std::to_string(count++);
      if (!loader::pin(attachment.link()->get(), attachment.program(), path)) {
        (void)loader::remove_pins_but({}, pin_directory_, pin_prefix(), BPF_LINK_TYPE_CGROUP);
        return false;
      }
    }
  }
  raised_.reset();
  return true;
}

asio::awaitable<Result<std::vector<std::string>>> BpfBarrier::find_leftovers() const {
  std::vector<std::string> found;
  for (const std::string& path : loader::find_pins(pin_directory_, pin_prefix(), BPF_LINK_TYPE_CGROUP)) {
    found.push_back("bpf: the link pinned at " + path);
  }
  co_return found;
}

asio::awaitable<Result<void>> BpfBarrier::remove_leftovers() const {
  const auto removed = loader::remove_pins_but({}, pin_directory_, pin_prefix(), BPF_LINK_TYPE_CGROUP);
  co_return removed ? Result<void>() : removed.error();
}

}  // namespace msi2imds::redirect
