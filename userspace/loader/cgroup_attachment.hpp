// SPDX-License-Identifier: MIT
#pragma once

#include <bpf/bpf.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/unique_fd.hpp"
#include "loader/libbpf.hpp"

namespace msi2imds::loader {

struct ProgramOfHook {
  bpf_program* program = nullptr;
  bpf_attach_type hook = BPF_CGROUP_INET4_CONNECT;
};

// How a program is held on a cgroup. A link goes with its process; without one the program stays.
enum class AttachMethod { link, without_link };

// One program on one cgroup; destroying it detaches the program.
class CgroupAttachment {
 public:
  // By link, and without where the kernel has none (before 5.7). Leaves the programs of others where they
  // are.
  static Result<CgroupAttachment> attach(const ProgramOfHook& program, int cgroup, AttachMethod method);

  CgroupAttachment(CgroupAttachment&& other) noexcept = default;
  CgroupAttachment& operator=(CgroupAttachment&& other) = delete;
  CgroupAttachment(const CgroupAttachment&) = delete;
  CgroupAttachment& operator=(const CgroupAttachment&) = delete;
  ~CgroupAttachment();

  // Whether the kernel still has it there.
  [[nodiscard]] Result<void> check() const;

  [[nodiscard]] bool outlives_process() const {
    return !link_;
  }

  [[nodiscard]] const bpf_program& program() const {
    return *program_.program;
  }

  // None where the kernel has no links.
  [[nodiscard]] bpf_link* link() const {
    return link_.get();
  }

  // From here on it stays, although this object goes.
  void release() {
    cgroup_.reset();
  }

  // What detach() needs where this object is not available, as in a guard's process.
  struct Raw {
    int program = -1;
    int cgroup = -1;
    bpf_attach_type hook = BPF_CGROUP_INET4_CONNECT;
  };
  [[nodiscard]] Raw raw() const;
  static void detach(const Raw& attached);

 private:
  CgroupAttachment(ProgramOfHook program, UniqueFd cgroup, Link link);

  ProgramOfHook program_;
  UniqueFd cgroup_;
  Link link_;
};

// Detaches our programs that an earlier process has left on a cgroup without a link, except those whose id is
// in `kept` and those for whose descriptor `is_leftover` returns false; returns how many.
std::size_t detach_leftovers(int cgroup, const std::vector<std::uint32_t>& kept,
                             const std::function<bool(int program)>& is_leftover);

// How many programs of ours, of whatever process, are on the hooks of a cgroup.
[[nodiscard]] std::size_t programs_of_ours(int cgroup);

}  // namespace msi2imds::loader
