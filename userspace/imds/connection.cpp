// SPDX-License-Identifier: MIT
#include "imds/connection.hpp"

#include <linux/sockios.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/socket_base.hpp>
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
  return error.within("read an answer of IMDS");
}

}  // namespace

Connection::Connection(StreamSocket socket, http::Deadlines& deadlines, SteadyTime begun)
    : socket_(std::move(socket)),
      deadlines_(deadlines),
      end_of_rest_(socket_.get_executor()),
      begun_(begun) {}

asio::awaitable<Result<ConnectionPtr>> Connection::connect(asio::io_context& io, UniqueFd fd,
                                                           http::Deadlines& deadlines, SteadyTime begun,
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
  co_return std::make_shared<Connection>(std::move(socket), deadlines, begun);
}

asio::awaitable<Result<http::Answer>> Connection::exchange(const token::TokenRequest& request,
                                                           const std::string& host,
                                                           std::chrono::seconds timeout) {
  is_silent_ = true;
  const std::string bytes = http::metadata_request(host, token_target(request));
  const Patience patience(deadlines_, socket_, timeout);
  const auto [write_ec, written] = co_await asio::async_write(socket_, asio::buffer(bytes), kAsTuple);
  if (write_ec) {
    co_return lost(patience.is_over(), "ask IMDS");
  }
  http::AnswerReader reader({.body_bytes = kMaxReply});
  std::string input(kReadChunk, '\0');  // given back, and so wiped, after each answer
  while (!reader.is_done()) {
    const auto [ec, size] = co_await socket_.async_read_some(asio::buffer(input), kAsTuple);
    reader.feed(std::string_view(input).substr(0, size));
    is_silent_ = is_silent_ && !reader.has_begun();
    if (ec == asio::error::eof) {
      reader.end();
    } else if ((ec || patience.is_over()) && !reader.is_done()) {
      co_return lost(patience.is_over(), "read an answer of IMDS");
    }
  }
  is_silent_ = false;
  Result<http::Answer> answer = reader.take();
  if (!answer) {
    co_return failure_of(answer.error());
  }
  history_.add(request, answer->status);
  co_return answer;
}

// A request that has not arrived by now is not to arrive later, when nobody counts it any more.
Error Connection::lost(bool is_late, const char* what) {
  is_silent_ = false;
  reset();
  return {is_late ? Errc::timed_out : Errc::connection_lost, what};
}

bool Connection::has_unacknowledged() {
  int bytes = 0;
  return ::ioctl(socket_.native_handle(), SIOCOUTQ, &bytes) == 0 && bytes > 0;
}

void Connection::reset() {
  boost::system::error_code ignored;
  socket_.set_option(asio::socket_base::linger(true, 0), ignored);
  socket_.close(ignored);
}

void Connection::rest(std::chrono::milliseconds at_most) {
  rests_ = true;
  last_used_ = std::chrono::steady_clock::now();
  const auto close = [resting = weak_from_this()](boost::system::error_code ec) {
    const ConnectionPtr connection = resting.lock();
    if (!ec && connection) {
      connection->close_if_resting();
    }
  };
  socket_.async_wait(StreamSocket::wait_read, close);
  end_of_rest_.expires_after(at_most);
  end_of_rest_.async_wait(close);
}

void Connection::close_if_resting() {
  if (rests_) {
    boost::system::error_code ignored;
    end_of_rest_.cancel();
    socket_.close(ignored);
  }
}

bool Connection::wake() {
  rests_ = false;
  if (!socket_.is_open()) {
    return false;
  }
  boost::system::error_code ignored;
  socket_.cancel(ignored);
  end_of_rest_.cancel();
  char byte = 0;  // may have come a moment ago
  const ssize_t size = ::recv(socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  is_silent_ = size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
  return is_silent_;
}

}  // namespace msi2imds::imds
