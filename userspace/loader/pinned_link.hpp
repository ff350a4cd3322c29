// SPDX-License-Identifier: MIT
#pragma once

#include <bpf/libbpf.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "loader/libbpf.hpp"

// A link in a BPF file system stays attached while no process holds it. Its program is pinned beside it,
// under its number: so the next process knows the link as ours. To get a program by its number alone takes
// CAP_SYS_ADMIN.
namespace msi2imds::loader {

// What a link is attached to.
struct LinkPlace {
  bpf_link_type type = BPF_LINK_TYPE_NETNS;
  std::uint64_t number = 0;  // the inode of the network namespace, or the number of the cgroup
  bpf_attach_type hook = BPF_SK_LOOKUP;
};

// The link of ours that is pinned there and attached to that place. Fails with ENOENT when nothing is pinned,
// with ESTALE when what it was attached to is gone, and with EEXIST when it is attached to something else, or
// somebody else's.
[[nodiscard]] Result<Link> open_pinned(const std::string& path, const LinkPlace& place);

// Pins a link and its program, making the directory where it is missing.
[[nodiscard]] Result<void> pin(bpf_link& link, const bpf_program& program, const std::string& path);

// Gives the link that is pinned there another program, atomically. However it is interrupted, the link is
// known as ours.
[[nodiscard]] Result<void> replace_program(bpf_link& link, bpf_program& program, const std::string& path);

// Takes the pins away if they are ours, of this place or of one that is gone: true. False: nothing is
// pinned there. Fails with EEXIST when it is another's, which stays.
[[nodiscard]] Result<bool> unpin(const std::string& path, const LinkPlace& place);

// Takes the pins of a link and its program away and detaches it, without a look at whose it is.
[[nodiscard]] Result<void> remove_pins(const std::string& path);

// The links of ours of that type that are pinned in a directory under names that begin so.
[[nodiscard]] std::vector<std::string> find_pins(const std::string& directory, const std::string& prefix,
                                                 bpf_link_type type);

// Takes away what is pinned of ours in a directory under names that begin so, except the links in `kept` and
// their programs; programs without a link are what a process left that was killed halfway. Returns the links.
[[nodiscard]] Result<std::vector<std::string>> remove_pins_but(const std::vector<std::string>& kept,
                                                               const std::string& directory,
                                                               const std::string& prefix, bpf_link_type type);

}  // namespace msi2imds::loader
