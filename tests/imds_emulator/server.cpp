// SPDX-License-Identifier: MIT
#include "imds_emulator/server.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>

#include "base/text.hpp"
#include "imds_emulator/session.hpp"

namespace msi2imds::emulator {
namespace {

using asio::ip::tcp;

constexpr int kBacklog = 4096;
constexpr std::chrono::milliseconds kAcceptBackoff{50};

asio::awaitable<void> accept_sessions(tcp::acceptor& acceptor, Emulator& emulator) {
  asio::steady_timer backoff(acceptor.get_executor());
  while (true) {
    auto [ec, socket] = co_await acceptor.async_accept(kAsTuple);
    if (ec == asio::error::operation_aborted) {
      co_return;
    }
    if (ec) {  // out of descriptors, or the peer left early
      backoff.expires_after(kAcceptBackoff);
      (void)co_await backoff.async_wait(kAsTuple);
      continue;
    }
    asio::co_spawn(acceptor.get_executor(), run_session(std::move(socket), emulator), asio::detached);
  }
}

}  // namespace

Result<tcp::endpoint> parse_endpoint(std::string_view text) {
  const auto fault = [text] {
    return Error(boost::system::error_code(),
                 "read address '" + std::string(text) + "' (expected ADDRESS:PORT)");
  };
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) {
    return fault();
  }
  std::string_view address = text.substr(0, colon);
  if (address.starts_with('[') && address.ends_with(']')) {
    address = address.substr(1, address.size() - 2);
  }
  boost::system::error_code ec;
  const auto ip = asio::ip::make_address(std::string(address), ec);
  const auto port = parse_number<std::uint16_t>(text.substr(colon + 1));
  if (ec || !port) {
    return fault();
  }
  return tcp::endpoint(ip, *port);
}

std::string to_string(const tcp::endpoint& endpoint) {
  const std::string address = endpoint.address().to_string();
  return (endpoint.address().is_v6() ? "[" + address + "]" : address) + ":" + std::to_string(endpoint.port());
}

Result<tcp::endpoint> Server::listen(const tcp::endpoint& endpoint) {
  boost::system::error_code ec;
  tcp::acceptor acceptor(io_);
  acceptor.open(endpoint.protocol(), ec);
  if (!ec) {
    acceptor.set_option(tcp::acceptor::reuse_address(true), ec);
  }
  if (!ec) {
    acceptor.bind(endpoint, ec);
  }
  if (!ec) {
    acceptor.listen(kBacklog, ec);
  }
  if (ec) {
    return Error(ec, "listen on " + to_string(endpoint));
  }

  const auto bound = acceptor.local_endpoint();
  tcp::acceptor& kept = acceptors_.emplace_back(std::move(acceptor));
  asio::co_spawn(io_, accept_sessions(kept, emulator_), asio::detached);
  return bound;
}

}  // namespace msi2imds::emulator
