// SPDX-License-Identifier: MIT
#pragma once

#include <gtest/gtest.h>

#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "responder/listener.hpp"
#include "support_cpp/client.hpp"
#include "support_cpp/sockets.hpp"

namespace msi2imds::responder {

// Answers with `reply`, now or once it is let go.
class FakeTokenSource final : public token::TokenSource {
 public:
  explicit FakeTokenSource(asio::io_context& io) : gate_(io, asio::steady_timer::time_point::max()) {
    token::Token token;
    token.access_token = "secret.jwt";
    token.token_type = "Bearer";
    token.resource = "r";
    token.expires_on = 1700086400;
    reply = token::TokenResponse(std::make_shared<const token::Token>(token));
  }

  asio::awaitable<token::FetchResult> fetch(token::TokenRequest request) override {
    requests.push_back(std::move(request));
    if (broken) {
      throw std::runtime_error("a bug in a token source");
    }
    while (held) {
      (void)co_await gate_.async_wait(kAsTuple);
    }
    co_return reply;
  }

  void let_go() {
    held = false;
    gate_.cancel();
  }

  token::FetchResult reply{token::TokenResponse()};
  std::vector<token::TokenRequest> requests;
  bool held = false;
  bool broken = false;

 private:
  asio::steady_timer gate_;
};

inline constexpr std::string_view kRequest =
    "GET /oauth2/token?resource=r HTTP/1.1\r\nHost: localhost\r\nMetadata: true\r\n\r\n";

// A listener on the loopback that serves from a FakeTokenSource.
class ServiceFixture : public testing::Test {
 protected:
  ServiceFixture() {
    log::start({}, "test");
    listener_ = listen();
  }
  void TearDown() override {
    tokens_.let_go();
    if (listener_) {
      listener_->close(control::Backlog::serve);
    }
    sessions_.close_when_idle();
    EXPECT_TRUE(support::run(io_, sessions_.wait_until_empty()));
  }

  std::shared_ptr<Listener> listen() {
    UniqueFd socket = support::listen_on_loopback();
    const SocketAddress address = support::address_of(socket);
    auto listener = std::make_shared<Listener>(io_, std::move(socket), address, sessions_);
    listener->start();
    return listener;
  }

  support::Client connect() {
    return connect(*listener_);
  }
  support::Client connect(const Listener& listener) {
    return support::Client::connect(io_, listener.address());
  }

  void wait_for_requests(std::size_t count) {
    EXPECT_TRUE(support::run_until(io_, [&] { return tokens_.requests.size() >= count; }));
  }
  // Lets everything happen that can happen without another byte.
  void settle() {
    io_.restart();
    io_.poll();
  }

  asio::io_context io_{1};
  FakeTokenSource tokens_{io_};
  Settings settings_;
  Sessions sessions_{io_, settings_, tokens_};
  std::shared_ptr<Listener> listener_;
};

}  // namespace msi2imds::responder
