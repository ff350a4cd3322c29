// SPDX-License-Identifier: MIT
#pragma once

#include <bpf/libbpf.h>

#include <cstdint>
#include <string>

#include "base/error.hpp"
#include "loader/libbpf.hpp"

// A link in a BPF file system stays attached while no process holds it. Its program is pinned beside it,
// under its number: so the next process knows the link as ours. To get a program by its number alone takes
// CAP_SYS_ADMIN.
namespace msi2imds::redirect {

// The link of ours that is pinned there and attached to this network namespace. Fails with ENOENT when
// nothing is pinned, with ESTALE when its namespace is gone, and with EEXIST when it is of another namespace
// or somebody else's.
[[nodiscard]] Result<loader::Link> open_pinned(const std::string& path);

// Pins a link and its program, making the directory where it is missing.
[[nodiscard]] Result<void> pin(bpf_link& link, const bpf_program& program, const std::string& path);

// Gives the link that is pinned there another program, atomically. However it is interrupted, the link is
// known as ours.
[[nodiscard]] Result<void> replace_program(bpf_link& link, bpf_program& program, const std::string& path);

// Takes the pins away if they are ours, of this namespace or of one that is gone: true. False: nothing is
// pinned there. Fails with EEXIST when it is another's, which stays.
[[nodiscard]] Result<bool> unpin(const std::string& path);

// Whether the program of that number is ours, and pinned beside the link that is pinned there.
[[nodiscard]] bool is_pinned_beside(const std::string& path, std::uint32_t id);

// Takes the pins of a link and its program away, without a look at whose they are.
[[nodiscard]] Result<void> remove_pins(const std::string& path);

}  // namespace msi2imds::redirect
