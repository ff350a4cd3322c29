// SPDX-License-Identifier: MIT
#include "loader/cgroup_attachment.hpp"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

namespace msi2imds::loader {
namespace {

constexpr std::size_t kMaxPrograms = 64;  // the kernel's own limit for one hook of a cgroup

constexpr std::array kHooks = {BPF_CGROUP_INET4_CONNECT, BPF_CGROUP_INET6_CONNECT,
                               BPF_CGROUP_INET4_GETPEERNAME, BPF_CGROUP_INET6_GETPEERNAME};

// Empty where the kernel does not know the hook.
std::vector<std::uint32_t> attached_programs(int cgroup, bpf_attach_type hook) {
  std::vector<std::uint32_t> ids(kMaxPrograms);
  auto count = static_cast<std::uint32_t>(ids.size());
  const int err = bpf_prog_query(cgroup, hook, 0, nullptr, ids.data(), &count);
  ids.resize(err == 0 ? count : 0);
  return ids;
}

}  // namespace

CgroupAttachment::CgroupAttachment(ProgramOfHook program, UniqueFd cgroup, Link link)
    : program_(program), cgroup_(std::move(cgroup)), link_(std::move(link)) {}

CgroupAttachment::~CgroupAttachment() {
  if (cgroup_ && !link_) {
    detach(raw());
  }
}

Result<CgroupAttachment> CgroupAttachment::attach(const ProgramOfHook& program, int cgroup,
                                                  AttachMethod method) {
  UniqueFd own_cgroup(::fcntl(cgroup, F_DUPFD_CLOEXEC, 0));
  if (!own_cgroup) {
    return Error::from_errno(errno, "keep the cgroup open");
  }
  if (method == AttachMethod::link) {
    Link link(bpf_program__attach_cgroup(program.program, cgroup));
    if (link) {
      return CgroupAttachment(program, std::move(own_cgroup), std::move(link));
    }
  }
  const int err = bpf_prog_attach(bpf_program__fd(program.program), cgroup, program.hook, BPF_F_ALLOW_MULTI);
  if (err != 0) {
    return Error::from_errno(-err,
                             std::string("attach ") + bpf_program__name(program.program) + " to the cgroup");
  }
  return CgroupAttachment(program, std::move(own_cgroup), nullptr);
}

Result<void> CgroupAttachment::check() const {
  const std::vector<std::uint32_t> ids = attached_programs(cgroup_.get(), program_.hook);
  if (std::find(ids.begin(), ids.end(), id_of(raw().program)) == ids.end()) {
    return Error::from_errno(
        ENOLINK, std::string(bpf_program__name(program_.program)) + " is no longer attached to the cgroup");
  }
  return {};
}

CgroupAttachment::Raw CgroupAttachment::raw() const {
  return {.program = bpf_program__fd(program_.program), .cgroup = cgroup_.get(), .hook = program_.hook};
}

void CgroupAttachment::detach(const Raw& attached) {
  (void)bpf_prog_detach2(attached.program, attached.cgroup, attached.hook);  // gone already is as good
}

std::size_t programs_of_ours(int cgroup) {
  std::size_t count = 0;
  for (const bpf_attach_type hook : kHooks) {
    for (const std::uint32_t id : attached_programs(cgroup, hook)) {
      count += is_our_program(UniqueFd(bpf_prog_get_fd_by_id(id)).get()) ? 1 : 0;
    }
  }
  return count;
}

std::size_t detach_leftovers(int cgroup, const std::vector<std::uint32_t>& kept,
                             const std::function<bool(int program)>& is_leftover) {
  std::size_t count = 0;
  for (const bpf_attach_type hook : kHooks) {
    for (const std::uint32_t id : attached_programs(cgroup, hook)) {
      const UniqueFd program(bpf_prog_get_fd_by_id(id));
      const bool is_kept = std::find(kept.begin(), kept.end(), id) != kept.end();
      // Fails for one that is held by a link, which belongs to a process that is there.
      if (!is_kept && is_our_program(program.get()) && is_leftover(program.get()) &&
          bpf_prog_detach2(program.get(), cgroup, hook) == 0) {
        ++count;
      }
    }
  }
  return count;
}

}  // namespace msi2imds::loader
