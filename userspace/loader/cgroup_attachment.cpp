// SPDX-License-Identifier: MIT
#include "loader/cgroup_attachment.hpp"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "loader/cgroup.hpp"

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

// As the kernel tells it of links: since 5.5 it is the inode of the cgroup's directory.
std::uint64_t number_of_cgroup(int cgroup) {
  struct stat found {};
  return ::fstat(cgroup, &found) == 0 ? found.st_ino : 0;
}

std::string pin_of(const LinkPlace& place, const std::string& pins) {
  return pins + std::to_string(place.number) + "_" + libbpf_bpf_attach_type_str(place.hook);
}

}  // namespace

CgroupAttachment::CgroupAttachment(ProgramOfHook program, UniqueFd cgroup, std::optional<LastingLink> link)
    : program_(program), cgroup_(std::move(cgroup)), link_(std::move(link)) {}

CgroupAttachment::~CgroupAttachment() {
  if (cgroup_ && !link_) {
    detach(raw());
  }
}

Result<CgroupAttachment> CgroupAttachment::attach(const ProgramOfHook& program, int cgroup,
                                                  AttachMethod method, const std::string& pins) {
  UniqueFd own_cgroup(::fcntl(cgroup, F_DUPFD_CLOEXEC, 0));
  if (!own_cgroup) {
    return Error::from_errno(errno, "keep the cgroup open");
  }
  if (method == AttachMethod::link) {
    const LinkPlace place{
        .type = BPF_LINK_TYPE_CGROUP, .number = number_of_cgroup(cgroup), .hook = program.hook};
    Result<LastingLink> link = LastingLink::make(
        *program.program, place, pins.empty() ? std::string() : pin_of(place, pins), [&]() -> Result<Link> {
          Link made(bpf_program__attach_cgroup(program.program, cgroup));
          return made ? Result<Link>(std::move(made)) : Error::from_errno(errno, "attach by a link");
        });
    if (link) {
      return CgroupAttachment(program, std::move(own_cgroup), std::move(*link));
    }
  }
  const int err = bpf_prog_attach(bpf_program__fd(program.program), cgroup, program.hook, BPF_F_ALLOW_MULTI);
  if (err != 0) {
    return Error::from_errno(-err,
                             std::string("attach ") + bpf_program__name(program.program) + " to the cgroup");
  }
  return CgroupAttachment(program, std::move(own_cgroup), std::nullopt);
}

Result<void> CgroupAttachment::check() const {
  const std::vector<std::uint32_t> ids = attached_programs(cgroup_.get(), program_.hook);
  if (std::find(ids.begin(), ids.end(), id_of(raw().program)) != ids.end()) {
    return {};
  }
  const Result<void> checked = link_ ? link_->check() : Result<void>();
  const bool is_anothers = !checked && checked.error().code() == boost::system::errc::device_or_resource_busy;
  return is_anothers ? checked
                     : Error::from_errno(ENOLINK, std::string(bpf_program__name(program_.program)) +
                                                      " is no longer attached to the cgroup");
}

bool CgroupAttachment::is_on(int cgroup) const {
  return number_of_cgroup(cgroup_.get()) == number_of_cgroup(cgroup);
}

void CgroupAttachment::release() {
  if (link_) {
    link_->hand_over();
  }
  cgroup_.reset();
}

CgroupAttachment::Raw CgroupAttachment::raw() const {
  return {.program = bpf_program__fd(program_.program), .cgroup = cgroup_.get(), .hook = program_.hook};
}

void CgroupAttachment::detach(const Raw& attached) {
  (void)bpf_prog_detach2(attached.program, attached.cgroup, attached.hook);  // gone already is as good
}

// A cgroup that was removed keeps its programs for a moment, so they do not show that it is there.
Result<void> check_attachments(const std::vector<CgroupAttachment>& attachments, const std::string& cgroup) {
  if (attachments.empty()) {
    return Error::from_errno(ENOENT, "the cgroup does not exist (yet)");
  }
  if (cgroup != "/") {
    const Result<UniqueFd> now = open_cgroup(cgroup);
    if (!now || !attachments.front().is_on(now->get())) {
      return Error::from_errno(ENOENT, "the cgroup is gone, or was made again");
    }
  }
  for (const CgroupAttachment& attachment : attachments) {
    Result<void> checked = attachment.check();
    if (!checked) {
      return checked;
    }
  }
  return {};
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

Result<std::vector<CgroupAttachment>> attach_all(std::span<const ProgramOfHook> programs, int cgroup,
                                                 AttachMethod method, const std::string& pins) {
  std::vector<CgroupAttachment> attachments;
  for (const ProgramOfHook& program : programs) {
    Result<CgroupAttachment> attachment = CgroupAttachment::attach(program, cgroup, method, pins);
    if (!attachment) {
      return attachment.error();
    }
    attachments.push_back(std::move(*attachment));
  }
  return attachments;
}

Result<std::vector<CgroupAttachment>> attach_by_links(std::span<const ProgramOfHook> programs, int cgroup) {
  Result<std::vector<CgroupAttachment>> attachments = attach_all(programs, cgroup, AttachMethod::link);
  if (attachments && std::ranges::any_of(*attachments, &CgroupAttachment::outlives_process)) {
    return Error::from_errno(ENOTSUP, "attach a program by a link");
  }
  return attachments;
}

}  // namespace msi2imds::loader
