// SPDX-License-Identifier: MIT
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/intrusive/list.hpp>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "admin/status.hpp"
#include "base/socket_address.hpp"
#include "base/spawn.hpp"
#include "base/unique_fd.hpp"
#include "http/connection.hpp"

namespace msi2imds::responder {

// What the admin socket shows; filled in by whoever knows it.
struct AdminSource {
  std::function<asio::awaitable<admin::Status>()> status;
  std::function<bool(const SocketAddress&)> has_connection_from;
  std::function<std::size_t(std::string_view resource, std::string_view identity)> flush;
  std::function<std::string()> callers;
  std::function<asio::awaitable<std::string>()> metrics;
  // Whether a host, with or without a port, is a name of this machine's loopback.
  std::function<bool(std::string_view authority)> is_own_host;
};

// Who may ask an AdminServer what.
enum class Scope { everything, metrics_only };

// Answers operators' questions on the admin socket or a port, with limits of its own. When there are too many
// connections, the one that has waited for its client for longest makes room. A port is open to web pages as
// well, which a browser lets ask it by a name of their own: there the host and the origin are looked at.
class AdminServer {
 public:
  // `source` must outlive the server.
  AdminServer(asio::io_context& io, const AdminSource& source, Scope scope);

  // Serves a listening socket, and none before it, until the io_context stops or another one comes.
  void start(UniqueFd socket);

  // Serves nobody from here on.
  void stop();

 private:
  // Leaves the list by itself, whatever ends its connection.
  struct Client
      : boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
    Client(WaitSet& sockets, UniqueFd socket, const http::Limits& limits, http::Deadlines& deadlines)
        : connection(sockets, std::move(socket), limits, deadlines) {}

    http::Connection connection;
  };

  asio::awaitable<void> accept_all(std::uint64_t generation);
  Task<> serve(UniqueFd socket);
  bool make_room();
  [[nodiscard]] std::optional<http::Response> refuse_stranger(const http::Request& request) const;
  Task<http::Response> respond(const http::Request& request);
  [[nodiscard]] http::Response flush(const http::Request& request) const;

  asio::io_context& io_;
  const AdminSource& source_;
  Scope scope_;
  http::Limits limits_;
  http::Deadlines deadlines_;
  WaitSet& sockets_;
  asio::posix::stream_descriptor socket_;
  Duty accepting_;
  std::uint64_t generation_ = 0;  // counts start() and stop()
  std::size_t connections_ = 0;
  // Who wait for their clients, and who are being answered; who does so for longest comes first.
  boost::intrusive::list<Client, boost::intrusive::constant_time_size<false>> waiting_;
  boost::intrusive::list<Client, boost::intrusive::constant_time_size<false>> answered_;
};

}  // namespace msi2imds::responder
