// SPDX-License-Identifier: MIT
#include "observer/observer.hpp"

#include <bpf/libbpf.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <utility>

#include "abi.h"
#include "base/network_namespace.hpp"
#include "caller/dialler.hpp"
#include "loader/cgroup.hpp"
#include "loader/libbpf.hpp"
#include "loader/port_set.hpp"
#include "observe.skel.h"

namespace msi2imds::observer {
namespace {

Dialler to_dialler(const dialler& who) {
  return {.clues = caller::clues_of(who), .dialled = caller::address_of(who.dialled)};
}

constexpr std::size_t kMostReports = 1024;  // at a time: somebody may connect without end

// libbpf's callback. The report that it stops at has been taken.
int take_report(void* context, void* data, std::size_t size) {
  auto& taken = *static_cast<std::vector<Dialler>*>(context);
  if (size >= sizeof(dialler)) {
    dialler who{};
    std::memcpy(&who, data, sizeof who);
    taken.push_back(to_dialler(who));
  }
  return taken.size() < kMostReports ? 0 : -EAGAIN;
}

Result<void> put(bpf_map* map, const void* value, std::size_t size) {
  const std::uint32_t first = 0;
  const int err = bpf_map__update_elem(map, &first, sizeof first, value, size, BPF_ANY);
  if (err != 0) {
    return Error::from_errno(-err, "configure the observer's programs");
  }
  return {};
}

}  // namespace

void Observer::Deleter::operator()(observe_bpf* skeleton) const noexcept {
  observe_bpf::destroy(skeleton);
}

void Observer::Deleter::operator()(ring_buffer* buffer) const noexcept {
  ring_buffer__free(buffer);
}

Observer::Observer(Skeleton skeleton) : skeleton_(std::move(skeleton)) {}
Observer::Observer(Observer&&) noexcept = default;
Observer::~Observer() = default;

// Fails where the kernel has not what the programs need.
Result<Observer> Observer::load(Programs programs) {
  const bool shows_tasks = programs != Programs::by_helpers;
  const bool notes_connections = programs == Programs::by_tasks_and_connections;
  Skeleton skeleton(observe_bpf::open());
  if (!skeleton) {
    return Error::from_errno(errno, "load the observer's programs");
  }
  bpf_program__set_autoload(skeleton->progs.msi2imds_observe4, shows_tasks);
  bpf_program__set_autoload(skeleton->progs.msi2imds_observe6, shows_tasks);
  bpf_program__set_autoload(skeleton->progs.msi2imds_observe4_by_helpers, !shows_tasks);
  bpf_program__set_autoload(skeleton->progs.msi2imds_observe6_by_helpers, !shows_tasks);
  bpf_program__set_autoload(skeleton->progs.msi2imds_connected, notes_connections);
  (void)bpf_map__set_autocreate(skeleton->maps.seen_connections, notes_connections);
  const int err = observe_bpf::load(skeleton.get());
  if (err != 0) {
    return Error::from_errno(-err, "load the observer's programs");
  }
  Observer observer(std::move(skeleton));
  observer.shows_tasks_ = shows_tasks;
  return observer;
}

Result<Observer> Observer::load(const Plan& plan) {
  if (plan.can_note_connections && !plan.by_helpers_alone) {
    Result<Observer> loaded = load(Programs::by_tasks_and_connections);
    if (loaded) {
      return loaded;
    }
  }
  if (!plan.by_helpers_alone) {
    Result<Observer> loaded = load(Programs::by_tasks);
    if (loaded) {
      return loaded;
    }
  }
  return load(Programs::by_helpers);
}

Result<Observer> Observer::attach(const Plan& plan) {
  loader::prepare_libbpf();
  Result<Observer> loaded = load(plan);
  if (!loaded) {
    return loaded.error();
  }
  Observer observer(std::move(*loaded));
  Result<void> done = observer.configure(plan);
  if (done) {
    done = observer.attach_to(plan.cgroup);
  }
  if (done) {
    done = observer.learn_namespace(plan.legacy_ports.front());
  }
  if (done && plan.report) {
    done = observer.open_reports();
  }
  if (!done) {
    return done.error();
  }
  return observer;
}

Result<void> Observer::configure(const Plan& plan) {
  observer_plan wanted{};
  loader::add_ports(wanted.ports, plan.legacy_ports);
  loader::add_ports(wanted.ports, {plan.listen_port});
  wanted.listen_port = htons(plan.listen_port);
  wanted.is_reporting = plan.report ? 1 : 0;
  socklen_t size = sizeof wanted.own_socket;
  udp_ = UniqueFd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (::getsockopt(udp_.get(), SOL_SOCKET, SO_COOKIE, &wanted.own_socket, &size) != 0) {
    return Error::from_errno(errno, "make the observer's socket");
  }
  return put(skeleton_->maps.plan, &wanted, sizeof wanted);
}

Result<void> Observer::attach_to(const std::string& cgroup) {
  const Result<UniqueFd> directory = loader::open_cgroup(cgroup);
  if (!directory) {
    return directory.error().within("callers.cgroup");
  }
  const std::array<loader::ProgramOfHook, 2> programs = {{
      {shows_tasks_ ? skeleton_->progs.msi2imds_observe4 : skeleton_->progs.msi2imds_observe4_by_helpers,
       BPF_CGROUP_INET4_CONNECT},
      {shows_tasks_ ? skeleton_->progs.msi2imds_observe6 : skeleton_->progs.msi2imds_observe6_by_helpers,
       BPF_CGROUP_INET6_CONNECT},
  }};
  auto attachments = loader::attach_by_links(programs, directory->get());
  if (!attachments) {
    return attachments.error();
  }
  attachments_ = std::move(*attachments);
  return {};
}

// Until then nothing is recorded.
Result<void> Observer::learn_namespace(std::uint16_t legacy_port) {
  if (const auto told = namespace_cookie_of(udp_.get()); told) {
    return put(skeleton_->maps.own_namespace, &*told, sizeof *told);
  }
  // The programs see this connect(), which sends nothing.
  const SocketAddress address = SocketAddress::ipv4_loopback(legacy_port);
  if (::connect(udp_.get(), address.get(), address.size()) != 0) {
    return Error::from_errno(errno, "find out the cookie of this network namespace");
  }
  const std::uint32_t first = 0;
  std::uint64_t cookie = 0;
  (void)bpf_map__lookup_elem(skeleton_->maps.own_namespace, &first, sizeof first, &cookie, sizeof cookie, 0);
  return cookie != 0 ? Result<void>()
                     : Error::from_errno(ENOENT, "find out the cookie of this network namespace");
}

Result<void> Observer::open_reports() {
  taken_ = std::make_unique<std::vector<Dialler>>();
  buffer_.reset(ring_buffer__new(bpf_map__fd(skeleton_->maps.reports), take_report, taken_.get(), nullptr));
  if (!buffer_) {
    return Error::from_errno(errno, "open the ring buffer of the observer's reports");
  }
  return {};
}

bool Observer::note_connections() {
  if (!connected_ && bpf_program__fd(skeleton_->progs.msi2imds_connected) >= 0) {
    connected_.reset(bpf_program__attach(skeleton_->progs.msi2imds_connected));
  }
  return connected_ != nullptr;
}

void Observer::stop_noting() {
  connected_.reset();
}

std::uint64_t Observer::count_established() const {
  const std::uint32_t first = 0;
  observer_plan present{};
  (void)bpf_map__lookup_elem(skeleton_->maps.plan, &first, sizeof first, &present, sizeof present, 0);
  return present.established;
}

int Observer::noted_connections() const {
  return connected_ ? bpf_map__fd(skeleton_->maps.seen_connections) : -1;
}

std::optional<Dialler> Observer::find(std::uint64_t cookie) const {
  dialler who{};
  const int err = bpf_map__lookup_elem(skeleton_->maps.diallers, &cookie, sizeof cookie, &who, sizeof who, 0);
  return err == 0 ? std::optional(to_dialler(who)) : std::nullopt;
}

Result<void> Observer::check() const {
  for (const loader::CgroupAttachment& attachment : attachments_) {
    Result<void> checked = attachment.check();
    if (!checked) {
      return checked;
    }
  }
  return {};
}

int Observer::reports() const {
  return buffer_ ? ring_buffer__epoll_fd(buffer_.get()) : -1;
}

std::vector<Dialler> Observer::take_reports() {
  if (!buffer_) {
    return {};
  }
  (void)ring_buffer__consume(buffer_.get());  // fails when the callback has enough
  return std::exchange(*taken_, {});
}

std::uint64_t Observer::lost_reports() const {
  const std::uint32_t first = 0;
  std::uint64_t lost = 0;
  (void)bpf_map__lookup_elem(skeleton_->maps.lost_reports, &first, sizeof first, &lost, sizeof lost, 0);
  return lost;
}

}  // namespace msi2imds::observer
