// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "base/error.hpp"
#include "base/socket_address.hpp"
#include "base/unique_fd.hpp"

namespace msi2imds::imds {

// systemd-imdsd's locked mode lets only this mark pass (systemd 261).
inline constexpr std::uint32_t kImdsdMark = 0x7fff0815;

// A non-blocking TCP socket that has begun to connect to IMDS and ends when the other end is not there any
// more, with SO_MARK `mark` unless that is 0. Where
// the system forbids unmarked connections there (EACCES), it is tried once more with the mark of
// systemd-imdsd.
[[nodiscard]] Result<UniqueFd> begin_connect(const SocketAddress& address, std::uint32_t mark);

}  // namespace msi2imds::imds
