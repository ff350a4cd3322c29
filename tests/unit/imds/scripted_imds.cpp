// SPDX-License-Identifier: MIT
#include "unit/imds/scripted_imds.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <utility>

namespace msi2imds::imds {

ScriptedImds::ScriptedImds(asio::io_context& io) : io_(io), acceptor_(io) {
  UniqueFd socket = support::listen_on_loopback();
  address_ = support::address_of(socket);
  acceptor_.assign(asio::generic::stream_protocol(AF_INET, IPPROTO_TCP), socket.release());
  asio::co_spawn(io_, accept_all(), asio::detached);
}

asio::awaitable<void> ScriptedImds::accept_all() {
  while (true) {
    auto socket = std::make_shared<StreamSocket>(io_);
    const auto [ec] = co_await acceptor_.async_accept(*socket, kAsTuple);
    if (ec) {
      co_return;
    }
    sockets_.push_back(socket);
    asio::co_spawn(io_, serve(socket, sockets_.size()), asio::detached);
  }
}

asio::awaitable<void> ScriptedImds::serve(std::shared_ptr<StreamSocket> socket, std::size_t number) {
  while (true) {
    std::string request;
    auto buffer = asio::dynamic_buffer(request);
    const auto [read_ec, size] = co_await asio::async_read_until(*socket, buffer, "\r\n\r\n", kAsTuple);
    if (read_ec) {
      ++left_;
      co_return;
    }
    last_connection_ = number;
    requests_.push_back(request);
    if (on_request) {
      on_request();
    }
    EXPECT_FALSE(steps_.empty()) << "a request that nobody expected: " << request;
    if (steps_.empty()) {
      socket->close();
      co_return;
    }
    const Step step = std::move(steps_.front());
    steps_.pop_front();
    const auto [write_ec, written] = co_await asio::async_write(*socket, asio::buffer(step.bytes), kAsTuple);
    if (write_ec || step.then == Step::Then::hang) {
      co_return;
    }
    if (step.then == Step::Then::close) {
      socket->close();
      co_return;
    }
  }
}

void ScriptedImds::close_connections() {
  for (const auto& socket : sockets_) {
    boost::system::error_code ignored;
    socket->close(ignored);
  }
}

void ScriptedImds::send(std::string_view bytes, std::size_t connection) {
  boost::system::error_code ignored;
  asio::write(connection == 0 ? *sockets_.back() : *sockets_[connection - 1], asio::buffer(bytes), ignored);
}

int ScriptedImds::error_of_latest() const {
  int error = 0;
  socklen_t size = sizeof error;
  (void)::getsockopt(sockets_.back()->native_handle(), SOL_SOCKET, SO_ERROR, &error, &size);
  return error;
}

void ScriptedImds::stop_listening() {
  acceptor_.close();
}

asio::awaitable<token::Turn> FakeQuota::turn(token::Place place) {
  asked.push_back(place);
  is_left_ = false;
  while (taken >= most_at_a_time && !is_left_) {
    changed_.expires_at(SteadyTime::max());
    (void)co_await changed_.async_wait(kAsTuple);
  }
  if (is_left_ || !is_anybody_waiting) {
    co_return nullptr;
  }
  most_taken = std::max(most_taken, ++taken);
  co_return token::Turn(this, [](FakeQuota* quota) {
    --quota->taken;
    quota->changed_.cancel();
  });
}

void FakeQuota::leave() {
  ++left;
  is_left_ = true;
  changed_.cancel();
}

asio::awaitable<Result<UniqueFd>> LoopbackConnector::open() {
  ++opened;
  if (!failure) {
    co_return failure.error();
  }
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  EXPECT_TRUE(::connect(fd.get(), to.get(), to.size()) == 0 || errno == EINPROGRESS);
  co_return fd;
}

std::string ImdsClientFixture::with_body(const std::string& body, const std::string& more_headers,
                                         const std::string& status) {
  return "HTTP/1.1 " + status + "\r\nContent-Type: application/json; charset=utf-8\r\n" + more_headers +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

std::string ImdsClientFixture::token_reply(const std::string& more_headers) {
  return with_body(R"({"access_token":"secret.jwt","expires_on":"1700086400","token_type":"Bearer",)"
                   R"("resource":"https://vault.azure.net"})",
                   more_headers);
}

std::string ImdsClientFixture::token_for(const std::string& resource, const std::string& client_id) {
  const std::string named = client_id.empty() ? "" : R"("client_id":")" + client_id + R"(",)";
  return with_body(
      "{" + named +
      R"("access_token":"secret.jwt","expires_on":"1700086400","token_type":"Bearer","resource":")" +
      resource + R"("})");
}

}  // namespace msi2imds::imds
