// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

namespace msi2imds::kernel {

struct AttachedLink {
  std::uint32_t id = 0;
  std::uint32_t program_id = 0;
};

// The BPF links that are attached to this process's network namespace.
[[nodiscard]] std::vector<AttachedLink> attached_links();

[[nodiscard]] bool program_exists(std::uint32_t id);

// How many programs of ours are loaded, in the whole kernel.
[[nodiscard]] std::size_t count_our_programs();

// The kernel frees some objects a moment after their last holder let go.
[[nodiscard]] bool comes_true(const std::function<bool()>& condition);

}  // namespace msi2imds::kernel
