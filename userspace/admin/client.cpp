// SPDX-License-Identifier: MIT
#include "admin/client.hpp"

#include <sys/socket.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <exception>
#include <optional>
#include <utility>

#include "base/asio.hpp"

namespace msi2imds::admin {
namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;
using Stream = beast::basic_stream<asio::local::stream_protocol>;

constexpr std::uint64_t kMaxAnswer = 64UL * 1024 * 1024;

using Request = http::request<http::string_body>;

asio::awaitable<Result<std::string>> exchange(asio::io_context& io, std::string socket_path, Request request,
                                              std::chrono::milliseconds timeout) {
  Stream stream(io);
  stream.expires_after(timeout);
  const asio::local::stream_protocol::endpoint endpoint(socket_path);
  const auto [connect_ec] = co_await stream.async_connect(endpoint, kAsTuple);
  if (connect_ec) {
    co_return Error(connect_ec, "connect to admin socket '" + socket_path + "'");
  }
  (void)co_await http::async_write(stream, request,
                                   kAsTuple);  // reading tells the same, with the answer if any
  beast::flat_buffer buffer;
  http::response_parser<http::string_body> parser;
  parser.body_limit(kMaxAnswer);
  const auto [read_ec, size] = co_await http::async_read(stream, buffer, parser, kAsTuple);
  if (read_ec) {
    co_return Error(read_ec, "wait for an answer on admin socket '" + socket_path + "'");
  }
  if (parser.get().result() != http::status::ok) {
    const boost::system::error_code ec(EPROTO, boost::system::system_category());
    co_return Error(ec, "ask admin socket '" + socket_path + "' for " + std::string(request.target()) + ": " +
                            parser.get().body());
  }
  co_return std::move(parser.get().body());
}

Result<std::string> ask(const std::string& socket_path, Request request, std::chrono::milliseconds timeout) {
  request.set(http::field::host, "localhost");
  request.set(http::field::connection, "close");
  request.prepare_payload();
  asio::io_context io(1);
  std::optional<Result<std::string>> answer;
  asio::co_spawn(io, exchange(io, socket_path, std::move(request), timeout),
                 [&answer](const std::exception_ptr& exception, Result<std::string> result) {
                   if (!exception) {
                     answer = std::move(result);
                   }
                 });
  io.run();
  return answer.value_or(Error::from_errno(EPROTO, "ask admin socket '" + socket_path + "'"));
}

}  // namespace

Result<std::string> get(const std::string& socket_path, const std::string& target,
                        std::chrono::milliseconds timeout) {
  return ask(socket_path, Request(http::verb::get, target, 11), timeout);
}

Result<std::string> post(const std::string& socket_path, const std::string& target, std::string body,
                         std::chrono::milliseconds timeout) {
  return ask(socket_path, Request(http::verb::post, target, 11, std::move(body)), timeout);
}

Result<pid_t> server_process(const std::string& socket_path) {
  asio::io_context io(1);
  asio::local::stream_protocol::socket socket(io);
  boost::system::error_code ec;
  socket.connect(asio::local::stream_protocol::endpoint(socket_path), ec);
  if (ec) {
    return Error(ec, "connect to admin socket '" + socket_path + "'");
  }
  ucred credentials{};  // of whoever called listen() (unix(7))
  socklen_t size = sizeof credentials;
  if (::getsockopt(socket.native_handle(), SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
    return Error::from_errno(errno, "ask who listens on admin socket '" + socket_path + "'");
  }
  return credentials.pid;
}

}  // namespace msi2imds::admin
