// SPDX-License-Identifier: MIT
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <list>
#include <string>
#include <string_view>
#include <vector>

#include "base/asio.hpp"
#include "base/error.hpp"
#include "imds_emulator/emulator.hpp"

namespace msi2imds::emulator {

// "169.254.169.254:80", "[::1]:0". Names are not resolved.
[[nodiscard]] Result<asio::ip::tcp::endpoint> parse_endpoint(std::string_view text);

[[nodiscard]] std::string to_string(const asio::ip::tcp::endpoint& endpoint);

// The emulator on the network.
class Server {
 public:
  // `emulator` outlives the io_context.
  Server(asio::io_context& io, Emulator& emulator) : io_(io), emulator_(emulator) {}

  // Binds and serves as soon as the io_context runs; gives the address with the port that the kernel chose.
  Result<asio::ip::tcp::endpoint> listen(const asio::ip::tcp::endpoint& endpoint);

 private:
  asio::io_context& io_;
  Emulator& emulator_;
  std::list<asio::ip::tcp::acceptor> acceptors_;
};

}  // namespace msi2imds::emulator
