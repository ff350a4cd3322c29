// SPDX-License-Identifier: MIT
#include "http/client.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <cerrno>
#include <exception>
#include <optional>
#include <utility>

#include "base/asio.hpp"

namespace msi2imds::http {
namespace {

namespace beast = boost::beast;
using Stream = beast::basic_stream<asio::generic::stream_protocol>;
using GetRequest = beast::http::request<beast::http::empty_body>;

constexpr std::uint64_t kMaxBody = 1024UL * 1024;

// Beast may wait for reading or writing alone; a socket that is writable is connected, or has failed to.
asio::awaitable<boost::system::error_code> wait_until_connected(Stream& stream,
                                                                std::chrono::milliseconds timeout) {
  asio::steady_timer timer(stream.get_executor(), timeout);
  timer.async_wait([&stream](const boost::system::error_code& ec) {
    if (!ec) {
      boost::system::error_code ignored;
      stream.socket().cancel(ignored);
    }
  });
  const auto [ec] = co_await stream.socket().async_wait(StreamSocket::wait_write, kAsTuple);
  const bool is_late = timer.cancel() == 0;
  if (ec) {
    co_return is_late ? boost::system::error_code(ETIMEDOUT, boost::system::system_category()) : ec;
  }
  int failure = 0;
  socklen_t size = sizeof failure;
  (void)::getsockopt(stream.socket().native_handle(), SOL_SOCKET, SO_ERROR, &failure, &size);
  co_return boost::system::error_code(failure, boost::system::system_category());
}

asio::awaitable<Result<Answer>> exchange(Stream& stream, const GetRequest& request,
                                         std::chrono::milliseconds timeout) {
  const boost::system::error_code connect_ec = co_await wait_until_connected(stream, timeout);
  if (connect_ec) {
    co_return Error(connect_ec, "connect");
  }
  stream.expires_after(timeout);
  // Reading tells the same, with the answer if there is any.
  (void)co_await beast::http::async_write(stream, request, kAsTuple);
  beast::flat_buffer buffer;
  beast::http::response_parser<beast::http::string_body> parser;
  parser.body_limit(kMaxBody);
  const auto [ec, size] = co_await beast::http::async_read(stream, buffer, parser, kAsTuple);
  if (ec) {
    co_return Error(ec, "wait for an answer");
  }
  Answer answer;
  answer.status = parser.get().result_int();
  answer.content_type = std::string(parser.get()[beast::http::field::content_type]);
  answer.body = std::move(parser.get().body());
  co_return answer;
}

}  // namespace

Result<Answer> ask(UniqueFd socket, const Question& question) {
  asio::io_context io(1);
  Stream stream(io);
  boost::system::error_code ec;
  const asio::generic::stream_protocol protocol(AF_INET,
                                                IPPROTO_TCP);  // the family matters to nobody from here
  stream.socket().assign(protocol, socket.get(), ec);
  if (ec) {
    return Error(ec, "use a socket");
  }
  const linger reset{.l_onoff = 1, .l_linger = 0};
  (void)::setsockopt(socket.release(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);

  GetRequest request(beast::http::verb::get, question.target, 11);
  request.set(beast::http::field::host, question.host);
  request.set(beast::http::field::user_agent, "msi2imds");
  request.set("Metadata", "true");
  std::optional<Result<Answer>> answer;
  asio::co_spawn(io, exchange(stream, request, question.timeout),
                 [&answer](const std::exception_ptr& exception, Result<Answer> result) {
                   if (!exception) {
                     answer = std::move(result);
                   }
                 });
  io.run();
  return answer ? std::move(*answer) : Result<Answer>(Error::from_errno(EPROTO, "ask"));
}

}  // namespace msi2imds::http
