// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "base/asio.hpp"
#include "base/error.hpp"
#include "redirect/nat_rules.hpp"

// Another process of ours that serves in this network namespace, with a listen port of its own.
namespace msi2imds::redirect {

// Whether rules under our names lead to another port than `listen_port`, where another process listens. Its
// rules are left alone: two that took them from each other would serve nobody.
[[nodiscard]] asio::awaitable<bool> serves_others(NatRules& rules, std::uint16_t listen_port);

[[nodiscard]] Error rival_error();

// Whether a socket listens on that port of the loopback that this process does not have.
[[nodiscard]] Result<bool> does_another_listen_on(std::uint16_t port);

}  // namespace msi2imds::redirect
