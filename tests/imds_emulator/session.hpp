// SPDX-License-Identifier: MIT
#pragma once

#include <boost/asio/ip/tcp.hpp>

#include "base/asio.hpp"
#include "imds_emulator/emulator.hpp"

namespace msi2imds::emulator {

// Serves one connection until it closes. `emulator` outlives the io_context.
asio::awaitable<void> run_session(asio::ip::tcp::socket socket, Emulator& emulator);

}  // namespace msi2imds::emulator
