// SPDX-License-Identifier: MIT
#pragma once

#include <boost/intrusive/list.hpp>
#include <optional>

#include "base/socket_address.hpp"
#include "caller/caller.hpp"
#include "http/connection.hpp"
#include "netlink/sock_diag.hpp"
#include "responder/destination.hpp"
#include "responder/identity_book.hpp"
#include "responder/recorder.hpp"
#include "responder/settings.hpp"
#include "token/token_source.hpp"

namespace msi2imds::responder {

// What all sessions use.
struct Services {
  const Settings& settings;
  token::TokenSource& tokens;
  http::Deadlines deadlines;
  std::optional<netlink::SockDiag> sock_diag;  // none: callers stay unknown
  IdentityBook callers;
  Recorder recorder;
};

// One client's connection, from accept to close.
class Session
    : public boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
 public:
  // `services` must outlive the session.
  Session(StreamSocket socket, const SocketAddress& peer, Services& services);

  // Answers requests until there are no more.
  asio::awaitable<void> run();

  void close_when_idle() {
    connection_.close_when_idle();
  }
  void stop_reading() {
    connection_.stop_reading();
  }
  // Ends it, even in the middle of an answer.
  void close() {
    connection_.close();
  }

  [[nodiscard]] const SocketAddress& peer() const {
    return peer_;
  }

 private:
  asio::awaitable<http::Response> respond(const http::Request& request);
  [[nodiscard]] http::Response fail(const token::FetchResult& result);
  asio::awaitable<std::optional<caller::Identity>> know_caller(const token::TokenRequest& request);
  [[nodiscard]] bool choose_identity(const caller::Identity& known, token::TokenRequest& request);
  [[nodiscard]] bool judge(const caller::Identity& known, const token::TokenRequest& request);
  [[nodiscard]] caller::Caller identify_caller() const;
  void record(unsigned status);

  SocketAddress peer_;
  Destination destination_;
  caller::Caller caller_;
  PendingIdentityPtr lookup_;
  bool lookup_is_fresh_ = false;
  RequestRecord request_;
  Services& services_;
  http::Connection connection_;
};

}  // namespace msi2imds::responder
