// SPDX-License-Identifier: MIT
#pragma once

#include <gtest/gtest.h>

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/socket_address.hpp"
#include "imds/connector.hpp"
#include "imds/imds_client.hpp"
#include "support_cpp/run.hpp"
#include "support_cpp/sockets.hpp"

namespace msi2imds::imds {

// What the server does with one request.
struct Step {
  enum class Then : std::uint8_t { keep, close, hang };
  std::string bytes;
  Then then = Then::keep;
};

// A server on the loopback that answers each request with the next step, byte for byte.
class ScriptedImds {
 public:
  explicit ScriptedImds(asio::io_context& io);

  void add(Step step) {
    steps_.push_back(std::move(step));
  }
  // Closes every connection that waits for a request.
  void close_connections();
  void stop_listening();
  // Unasked, over the latest connection, or that of this number, if the client still has it.
  void send(std::string_view bytes, std::size_t connection = 0);

  std::function<void()> on_request;  // while the client waits

  [[nodiscard]] const SocketAddress& address() const {
    return address_;
  }
  // That the latest request came over; 1 for the first one.
  [[nodiscard]] std::size_t last_connection() const {
    return last_connection_;
  }
  [[nodiscard]] const std::vector<std::string>& requests() const {
    return requests_;
  }
  [[nodiscard]] std::size_t accepted() const {
    return sockets_.size();
  }
  // What the client has left the latest connection with: nothing, unless it was reset.
  [[nodiscard]] int error_of_latest() const;

  // Connections that the client has closed while the server waited for a request.
  [[nodiscard]] std::size_t left() const {
    return left_;
  }

 private:
  asio::awaitable<void> accept_all();
  asio::awaitable<void> serve(std::shared_ptr<StreamSocket> socket, std::size_t number);

  asio::io_context& io_;
  asio::basic_socket_acceptor<asio::generic::stream_protocol> acceptor_;
  SocketAddress address_;
  std::deque<Step> steps_;
  std::vector<std::string> requests_;
  std::vector<std::shared_ptr<StreamSocket>> sockets_;
  std::size_t left_ = 0;
  std::size_t last_connection_ = 0;
};

class LoopbackConnector final : public Connector {
 public:
  asio::awaitable<Result<UniqueFd>> open() override;

  SocketAddress to;
  Result<void> failure;
  int opened = 0;
};

// Gives turns, so many at a time, and counts them.
class FakeQuota final : public token::Quota {
 public:
  explicit FakeQuota(asio::io_context& io) : changed_(io) {}

  asio::awaitable<token::Turn> turn(token::Place place) override;
  void leave() override;

  unsigned most_at_a_time = 5;
  unsigned taken = 0;       // now
  unsigned most_taken = 0;  // ever
  std::vector<token::Place> asked;
  unsigned left = 0;  // waits that were ended
  bool is_anybody_waiting = true;

 private:
  asio::steady_timer changed_;
  bool is_left_ = false;
};

// An ImdsClient in front of a ScriptedImds.
class ImdsClientFixture : public testing::Test {
 protected:
  ImdsClientFixture() {
    connector_.to = server_.address();
  }

  static std::string with_body(const std::string& body, const std::string& more_headers = "",
                               const std::string& status = "200 OK");
  static std::string token_reply(const std::string& more_headers = "");
  // Without a client_id if that is empty.
  static std::string token_for(const std::string& resource, const std::string& client_id = "");

  static token::TokenRequest request_for(std::string resource, token::IdentitySelector identity = {}) {
    token::TokenRequest request;
    request.resource = std::move(resource);
    request.identity = std::move(identity);
    return request;
  }
  asio::awaitable<token::FetchResult> fetching(
      token::TokenRequest request = request_for("https://vault.azure.net")) {
    return client_.fetch(std::move(request), quota_);
  }
  token::FetchResult fetch(token::TokenRequest request = request_for("https://vault.azure.net")) {
    return support::run(io_, fetching(std::move(request)));
  }
  token::FetchResult fetch_through(Step step) {
    server_.add(std::move(step));
    return fetch();
  }
  // Over which connection the request went: 1 for the first one of the client.
  std::size_t connection_of(token::TokenRequest request, const std::string& reply, std::size_t requests = 1) {
    server_.add({.bytes = reply});
    const std::size_t before = server_.requests().size();
    (void)fetch(std::move(request));
    EXPECT_EQ(server_.requests().size(), before + requests);
    return server_.last_connection();
  }
  boost::system::error_code failure_through(Step step) {
    const auto response = fetch_through(std::move(step));
    return response ? boost::system::error_code() : response.error().error.code();
  }

  asio::io_context io_{1};
  ScriptedImds server_{io_};
  LoopbackConnector connector_;
  std::shared_ptr<FakeQuota> quota_ = std::make_shared<FakeQuota>(io_);
  ImdsClient client_{io_, connector_, {.host = "imds.test:80"}};
};

}  // namespace msi2imds::imds
