// SPDX-License-Identifier: MIT
#pragma once

#include <linux/netlink.h>

#include <cstddef>
#include <functional>
#include <span>

#include "base/error.hpp"
#include "base/unique_fd.hpp"

// Questions to the kernel over a netlink socket that nobody else reads from.
namespace msi2imds::netlink {

[[nodiscard]] Result<UniqueFd> open_netfilter_socket();
[[nodiscard]] Result<UniqueFd> open_sock_diag_socket();

// Asks for a list, and hands each message of it to `take`. Fails, too, where the kernel could not tell all of
// it. `what` is what failed then.
[[nodiscard]] Result<void> list(int socket, std::span<const std::byte> request, const char* what,
                                const std::function<void(const nlmsghdr*)>& take);

// Asks for a change with NLM_F_ACK, and returns what became of it.
[[nodiscard]] Result<void> change(int socket, std::span<const std::byte> request, const char* what);

}  // namespace msi2imds::netlink
