// SPDX-License-Identifier: MIT
#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/detail/concurrency_hint.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace msi2imds {

namespace asio = boost::asio;

// For an io_context that one thread runs and nobody else touches: without locks.
inline constexpr int kOneThread = BOOST_ASIO_CONCURRENCY_HINT_UNSAFE;

// Co-await with it: errors arrive as values.
inline constexpr auto kAsTuple = asio::as_tuple(asio::use_awaitable);

// TCP and unix sockets alike; made from a descriptor that somebody else opened.
using StreamSocket = asio::generic::stream_protocol::socket;

}  // namespace msi2imds
