// SPDX-License-Identifier: MIT
#pragma once

#include <bpf/libbpf.h>
#include <linux/bpf.h>

#include <cstdint>
#include <memory>

namespace msi2imds::loader {

struct LinkDeleter {
  void operator()(bpf_link* link) const noexcept {
    bpf_link__destroy(link);
  }
};
using Link = std::unique_ptr<bpf_link, LinkDeleter>;

// Once per process: sends libbpf's own messages to our log and raises the locked-memory limit that kernels
// before 5.11 charge maps to.
void prepare_libbpf();

// The kernel's number of a loaded program, by its descriptor; 0 if it cannot be determined.
[[nodiscard]] std::uint32_t id_of(int program);

// What the kernel tells of a link (Linux 5.8); false, with errno, where it does not.
[[nodiscard]] bool describe(const bpf_link& link, bpf_link_info& info);

// Whether a loaded program is one of msi2imds's, of this process or another.
[[nodiscard]] bool is_our_program(int program);

}  // namespace msi2imds::loader
