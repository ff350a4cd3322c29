// SPDX-License-Identifier: MIT
#include "redirect/connect_programs.hpp"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include "abi.h"
#include "base/unique_fd.hpp"
#include "connect.skel.h"
#include "loader/libbpf.hpp"
#include "loader/port_set.hpp"
#include "redirect/own_namespace.hpp"
#include "redirect/program_maps.hpp"

namespace msi2imds::redirect {
namespace {

std::vector<loader::ProgramOfHook> connect_programs(const connect_bpf& skeleton, ListenerGuard guard) {
  const auto& all = skeleton.progs;
  switch (guard) {
    case ListenerGuard::storage:
      return {{all.msi2imds_connect4, BPF_CGROUP_INET4_CONNECT},
              {all.msi2imds_connect6, BPF_CGROUP_INET6_CONNECT}};
    case ListenerGuard::mark:
      return {{all.msi2imds_connect4_by_mark, BPF_CGROUP_INET4_CONNECT},
              {all.msi2imds_connect6_by_mark, BPF_CGROUP_INET6_CONNECT}};
    case ListenerGuard::none:
      return {{all.msi2imds_connect4_unguarded, BPF_CGROUP_INET4_CONNECT},
              {all.msi2imds_connect6_unguarded, BPF_CGROUP_INET6_CONNECT}};
  }
  return {};
}

std::vector<loader::ProgramOfHook> programs_of(const connect_bpf& skeleton, const ConnectVariant& variant) {
  std::vector<loader::ProgramOfHook> programs = connect_programs(skeleton, variant.guard);
  if (variant.shows_dialled) {
    programs.push_back({skeleton.progs.msi2imds_getpeername4, BPF_CGROUP_INET4_GETPEERNAME});
    programs.push_back({skeleton.progs.msi2imds_getpeername6, BPF_CGROUP_INET6_GETPEERNAME});
  }
  return programs;
}

SocketAddress address_of(const dialled& what) {
  return SocketAddress::from_network(what.is_ipv6 != 0 ? AF_INET6 : AF_INET, &what.address, what.port);
}

std::optional<bpf_map_info> details_of(int map) {
  bpf_map_info info{};
  std::uint32_t size = sizeof info;
  return map >= 0 && bpf_obj_get_info_by_fd(map, &info, &size) == 0 ? std::optional(info) : std::nullopt;
}

// Another version's map may be of another form.
bool is_of_the_same_form(int map, const bpf_map& wanted) {
  const auto found = details_of(map);
  return found && found->type == static_cast<std::uint32_t>(bpf_map__type(&wanted)) &&
         found->key_size == bpf_map__key_size(&wanted) && found->value_size == bpf_map__value_size(&wanted) &&
         found->max_entries == bpf_map__max_entries(&wanted) &&
         found->map_flags == bpf_map__map_flags(&wanted) &&
         std::string_view(found->name) == bpf_map__name(&wanted);
}

}  // namespace

bool was_attached_from_here(int program) {
  const auto found = first_value<connect_plan>(program, "plan");
  return found && found->owner == own_namespace();
}

void ConnectPrograms::SkeletonDeleter::operator()(connect_bpf* skeleton) const noexcept {
  connect_bpf::destroy(skeleton);
}

ConnectPrograms::ConnectPrograms(Skeleton skeleton, const ConnectVariant& variant)
    : skeleton_(std::move(skeleton)), variant_(variant) {}

Result<ConnectPrograms> ConnectPrograms::load(const ConnectVariant& variant, const std::string& memory) {
  loader::prepare_libbpf();
  Skeleton skeleton(connect_bpf::open());
  if (!skeleton) {
    return Error::from_errno(errno, "open the connect programs");
  }
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, skeleton->obj) {
    (void)bpf_program__set_autoload(program, false);  // fails only for programs that are loaded
  }
  for (const loader::ProgramOfHook& wanted : programs_of(*skeleton, variant)) {
    (void)bpf_program__set_autoload(wanted.program, true);
  }
  (void)bpf_map__set_autocreate(skeleton->maps.our_listeners, variant.guard == ListenerGuard::storage);
  const UniqueFd earlier(memory.empty() ? -1 : bpf_obj_get(memory.c_str()));
  if (is_of_the_same_form(earlier.get(), *skeleton->maps.dialled)) {
    (void)bpf_map__reuse_fd(skeleton->maps.dialled, earlier.get());  // if not, there is a new one
  }
  if (const int err = connect_bpf::load(skeleton.get()); err != 0) {
    return Error::from_errno(-err, "load the connect programs");
  }
  return ConnectPrograms(std::move(skeleton), variant);
}

Result<void> ConnectPrograms::claim(const Plan& plan, const Listener& listener) {
  switch (variant_.guard) {
    case ListenerGuard::storage: {
      const std::uint32_t ours = 1;
      const int err = bpf_map__update_elem(skeleton_->maps.our_listeners, &listener.fd, sizeof listener.fd,
                                           &ours, sizeof ours, BPF_ANY);
      if (err != 0) {
        return Error::from_errno(-err, "claim the listener " + listener.address.to_string());
      }
      return {};
    }
    case ListenerGuard::mark:
      if (::setsockopt(listener.fd, SOL_SOCKET, SO_MARK, &plan.mark, sizeof plan.mark) != 0) {
        return Error::from_errno(errno, "mark the listener " + listener.address.to_string());
      }
      return {};
    case ListenerGuard::none:
      return {};
  }
  return {};
}

Result<void> ConnectPrograms::configure(const Plan& plan, const std::vector<Listener>& listeners) {
  for (const Listener& listener : listeners) {
    Result<void> claimed = claim(plan, listener);
    if (!claimed) {
      return claimed;
    }
  }
  connect_plan wanted{};
  loader::add_ports(wanted.legacy_ports, plan.legacy_ports);
  wanted.mark = plan.mark;
  wanted.listen_port = htons(plan.listen_port);
  wanted.owner = own_namespace();
  const std::uint32_t first = 0;
  const int err =
      bpf_map__update_elem(skeleton_->maps.plan, &first, sizeof first, &wanted, sizeof wanted, BPF_ANY);
  if (err != 0) {
    return Error::from_errno(-err, "tell the connect programs what to redirect");
  }
  return {};
}

std::vector<loader::ProgramOfHook> ConnectPrograms::programs() const {
  return programs_of(*skeleton_, variant_);
}

Result<void> ConnectPrograms::keep_memory_pinned(const std::string& path) const {
  const int ours = bpf_map__fd(skeleton_->maps.dialled);
  const UniqueFd found(bpf_obj_get(path.c_str()));
  const auto there = details_of(found.get());
  const auto own = details_of(ours);
  if (there && own && there->id == own->id) {
    return {};
  }
  if (there && std::string_view(there->name) == bpf_map__name(skeleton_->maps.dialled)) {
    (void)::unlink(path.c_str());  // an earlier process's, of another form
  }
  if (bpf_obj_pin(ours, path.c_str()) != 0) {
    return Error::from_errno(errno, "pin '" + path + "'");
  }
  return {};
}

std::optional<SocketAddress> ConnectPrograms::dialled_by(std::uint64_t cookie) const {
  dialled what{};
  const int err =
      bpf_map__lookup_elem(skeleton_->maps.dialled, &cookie, sizeof cookie, &what, sizeof what, 0);
  return err == 0 ? std::optional(address_of(what)) : std::nullopt;
}

}  // namespace msi2imds::redirect
