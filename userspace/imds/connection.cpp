// SPDX-License-Identifier: MIT
#include "imds/connection.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <utility>

#include "http/answer_reader.hpp"
#include "http/client.hpp"
#include "http/errors.hpp"
#include "imds/errors.hpp"
#include "imds/reply.hpp"

namespace msi2imds::imds {
namespace {

constexpr std::size_t kReadChunk = 16UL * 1024;

// Ends every wait for the socket when the time is up.
class Patience final : public http::Expiring {
 public:
  Patience(http::Deadlines& deadlines, StreamSocket& socket, std::chrono::seconds time)
      : Expiring(deadlines), socket_(socket) {
    expire_after(time);
  }
  [[nodiscard]] bool is_over() const {
    return is_over_;
  }

 private:
  void on_deadline() override {
    is_over_ = true;
    boost::system::error_code ignored;
    socket_.cancel(ignored);
  }

  StreamSocket& socket_;
  bool is_over_ = false;
};

Error failure_of(const Error& error) {
  if (error.code() == http::Errc::ended) {
    return {Errc::connection_lost, "read an answer of IMDS"};
  }
  if (error.code() == http::Errc::too_large) {
    return {Errc::too_large, "read an answer of IMDS"};
  }
  return {Errc::not_http, error.message()};
}

}  // namespace

Connection::Connection(StreamSocket socket, http::Deadlines& deadlines)
    : socket_(std::move(socket)), deadlines_(deadlines) {}

asio::awaitable<Result<ConnectionPtr>> Connection::connect(asio::io_context& io, UniqueFd fd,
                                                           http::Deadlines& deadlines,
                                                           std::chrono::seconds timeout) {
  StreamSocket socket(io);
  boost::system::error_code ec;
  const asio::generic::stream_protocol protocol(AF_INET,
                                                IPPROTO_TCP);  // the family matters to nobody from here
  socket.assign(protocol, fd.get(), ec);
  if (ec) {
    co_return Error(Errc::cannot_connect, "use a socket (" + ec.message() + ")");
  }
  (void)fd.release();

  const Patience patience(deadlines, socket, timeout);
  const auto [wait_ec] = co_await socket.async_wait(StreamSocket::wait_write, kAsTuple);
  if (wait_ec) {
    co_return Error(patience.is_over() ? Errc::timed_out : Errc::cannot_connect, "connect to IMDS");
  }
  int failure = 0;
  socklen_t size = sizeof failure;
  (void)::getsockopt(socket.native_handle(), SOL_SOCKET, SO_ERROR, &failure, &size);
  if (failure != 0) {
    co_return Error(Errc::cannot_connect, Error::from_errno(failure, "connect to IMDS").message());
  }
  co_return std::make_shared<Connection>(std::move(socket), deadlines);
}

asio::awaitable<Result<http::Answer>> Connection::exchange(const token::TokenRequest& request,
                                                           const std::string& host,
                                                           std::chrono::seconds timeout) {
  heard_something_ = false;
  const std::string bytes = http::metadata_request(host, token_target(request));
  const Patience patience(deadlines_, socket_, timeout);
  const auto [write_ec, written] = co_await asio::async_write(socket_, asio::buffer(bytes), kAsTuple);
  if (write_ec) {
    co_return Error(patience.is_over() ? Errc::timed_out : Errc::connection_lost, "ask IMDS");
  }
  http::AnswerReader reader({.body_bytes = kMaxReply});
  std::string input(kReadChunk, '\0');  // given back, and so wiped, after each answer
  while (!reader.is_done()) {
    const auto [ec, size] = co_await socket_.async_read_some(asio::buffer(input), kAsTuple);
    reader.feed(std::string_view(input).substr(0, size));
    heard_something_ = reader.has_begun();
    if (patience.is_over() && !reader.is_done()) {
      co_return Error(Errc::timed_out, "wait for an answer of IMDS");
    }
    if (ec == asio::error::eof) {
      reader.end();
    } else if (ec) {
      co_return Error(Errc::connection_lost, "read an answer of IMDS");
    }
  }
  Result<http::Answer> answer = reader.take();
  if (!answer) {
    co_return failure_of(answer.error());
  }
  history_.add(request, answer->status);
  co_return answer;
}

void Connection::rest() {
  rests_ = true;
  socket_.async_wait(StreamSocket::wait_read, [resting = weak_from_this()](boost::system::error_code ec) {
    const ConnectionPtr connection = resting.lock();
    if (!ec && connection && connection->rests_) {
      boost::system::error_code ignored;
      connection->socket_.close(ignored);
    }
  });
}

bool Connection::wake() {
  rests_ = false;
  if (!socket_.is_open()) {
    return false;
  }
  boost::system::error_code ignored;
  socket_.cancel(ignored);
  char byte = 0;  // may have come a moment ago
  const ssize_t size = ::recv(socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

}  // namespace msi2imds::imds
