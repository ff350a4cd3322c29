// SPDX-License-Identifier: MIT
#pragma once

#include <bpf/bpf.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/unique_fd.hpp"
#include "loader/lasting_link.hpp"

namespace msi2imds::loader {

struct ProgramOfHook {
  bpf_program* program = nullptr;
  bpf_attach_type hook = BPF_CGROUP_INET4_CONNECT;
};

// How a program is held on a cgroup. A link goes with its process, unless it is pinned; without one the
// program stays.
enum class AttachMethod { link, without_link };

// One program on one cgroup; destroying it detaches the program.
class CgroupAttachment {
 public:
  // By link, and without where the kernel has none (before 5.7). Leaves the programs of others where they
  // are. With `pins`, a directory and what names begin with there, the link is pinned, and a link that an
  // earlier process has left there is taken over (LastingLink::make()).
  static Result<CgroupAttachment> attach(const ProgramOfHook& program, int cgroup, AttachMethod method,
                                         const std::string& pins = {});

  CgroupAttachment(CgroupAttachment&& other) noexcept = default;
  CgroupAttachment& operator=(CgroupAttachment&& other) = delete;
  CgroupAttachment(const CgroupAttachment&) = delete;
  CgroupAttachment& operator=(const CgroupAttachment&) = delete;
  ~CgroupAttachment();

  // Whether the kernel still has the program attached there. Fails with EBUSY when another process has taken
  // its link.
  [[nodiscard]] Result<void> check() const;

  // Whether it is attached to this very cgroup, and not to an earlier one of the same name.
  [[nodiscard]] bool is_on(int cgroup) const;

  // Whether it has no link: it stays even if this process is killed.
  [[nodiscard]] bool outlives_process() const {
    return !link_;
  }

  [[nodiscard]] const bpf_program& program() const {
    return *program_.program;
  }

  // Null where the kernel has no links.
  [[nodiscard]] const LastingLink* link() const {
    return link_ ? &*link_ : nullptr;
  }

  // Whether it can stay after this object is destroyed; pins its link again where the pin is gone.
  [[nodiscard]] bool keep_lasting() {
    return !link_ || link_->keep_pinned();
  }

  // From here on the program stays attached after this object is destroyed, if it can.
  void release();

  // What detach() needs where this object is not available, as in a guard's process.
  struct Raw {
    int program = -1;
    int cgroup = -1;
    bpf_attach_type hook = BPF_CGROUP_INET4_CONNECT;
  };
  [[nodiscard]] Raw raw() const;
  static void detach(const Raw& attached);

 private:
  CgroupAttachment(ProgramOfHook program, UniqueFd cgroup, std::optional<LastingLink> link);

  ProgramOfHook program_;
  UniqueFd cgroup_;
  std::optional<LastingLink> link_;
};

// Whether all of them are attached, to the cgroup that has this name now. Fails with ENOENT where there is
// none (any more), and with EBUSY when another process has taken a link.
[[nodiscard]] Result<void> check_attachments(const std::vector<CgroupAttachment>& attachments,
                                             const std::string& cgroup);

// Detaches our programs that an earlier process has left on a cgroup without a link, except those whose id is
// in `kept` and those for whose descriptor `is_leftover` returns false; returns how many.
std::size_t detach_leftovers(int cgroup, const std::vector<std::uint32_t>& kept,
                             const std::function<bool(int program)>& is_leftover);

// How many programs of ours, of whatever process, are on the hooks of a cgroup.
[[nodiscard]] std::size_t programs_of_ours(int cgroup);

// Each program as CgroupAttachment::attach() does; where one fails, none stays.
[[nodiscard]] Result<std::vector<CgroupAttachment>> attach_all(std::span<const ProgramOfHook> programs,
                                                               int cgroup, AttachMethod method,
                                                               const std::string& pins = {});

// Each program by a link that goes with this process. ENOTSUP where the kernel has no links (before 5.7);
// where one fails, none stays.
[[nodiscard]] Result<std::vector<CgroupAttachment>> attach_by_links(std::span<const ProgramOfHook> programs,
                                                                    int cgroup);

}  // namespace msi2imds::loader
