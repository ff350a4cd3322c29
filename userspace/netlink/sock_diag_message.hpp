// SPDX-License-Identifier: MIT
#pragma once

#include <linux/inet_diag.h>
#include <linux/netlink.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/error.hpp"
#include "netlink/client_socket.hpp"
#include "netlink/endpoint.hpp"

namespace msi2imds::netlink {

// A request for one TCP socket, as it goes to the kernel.
struct Question {
  nlmsghdr header;
  inet_diag_req_v2 request;
};

Question make_question(const Endpoint& client, const Endpoint& server, std::uint32_t sequence);

// Reads one datagram, which must be aligned like a nlmsghdr. Nothing, if it answers other questions.
Result<std::optional<ClientSocket>> read_answer(std::span<const std::byte> datagram,
                                                const Question& question);

}  // namespace msi2imds::netlink
