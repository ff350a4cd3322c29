// SPDX-License-Identifier: MIT
#pragma once

#include "base/socket_address.hpp"
#include "caller/clues.hpp"

struct dialled;
struct dialler;

// What the BPF programs tell of a connect().
namespace msi2imds::caller {

[[nodiscard]] Clues clues_of(const dialler& who);

[[nodiscard]] SocketAddress address_of(const dialled& what);

}  // namespace msi2imds::caller
