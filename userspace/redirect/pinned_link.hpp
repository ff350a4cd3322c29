// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "base/error.hpp"
#include "loader/libbpf.hpp"

// A link in a BPF file system stays attached while no process holds it.
namespace msi2imds::redirect {

// The link of ours that is pinned there and attached to this network namespace. Fails with ENOENT when
// nothing is pinned, with ESTALE when its namespace is gone, and with EEXIST when it is of another namespace
// or somebody else's.
[[nodiscard]] Result<loader::Link> open_pinned(const std::string& path);

// Pins it, making the directory where it is missing.
[[nodiscard]] Result<void> pin(bpf_link& link, const std::string& path);

// Takes the pin away if it is one of ours, of this namespace or of one that is gone: true. False: nothing is
// pinned there. Fails with EEXIST when it is another's, which stays.
[[nodiscard]] Result<bool> unpin(const std::string& path);

}  // namespace msi2imds::redirect
