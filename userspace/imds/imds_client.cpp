// SPDX-License-Identifier: MIT
#include "imds/imds_client.hpp"

#include <sys/socket.h>

#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <cerrno>
#include <charconv>
#include <optional>
#include <utility>

#include "imds/errors.hpp"

namespace msi2imds::imds {
namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;

constexpr std::size_t kMaxReplyHeader = 16UL * 1024;

using Stream = beast::basic_stream<asio::generic::stream_protocol>;

Error failure_of(boost::system::error_code ec) {
  if (ec == beast::error::timeout) {
    return {Errc::timed_out, "wait for an answer of IMDS"};
  }
  if (ec == http::error::body_limit || ec == http::error::header_limit ||
      ec == http::error::buffer_overflow) {
    return {Errc::too_large, "read an answer of IMDS"};
  }
  if (ec == http::error::end_of_stream || ec == http::error::partial_message ||
      ec.category() == boost::system::system_category() || ec == asio::error::eof) {
    return {Errc::connection_lost, "read an answer of IMDS"};
  }
  return {Errc::not_http, "read an answer of IMDS (" + ec.message() + ")"};
}

// Of a Retry-After header; a date is as good as none.
std::optional<std::chrono::seconds> seconds_of(beast::string_view text) {
  int seconds = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (ec != std::errc() || end != text.data() + text.size() || seconds < 0) {
    return std::nullopt;
  }
  return std::chrono::seconds(seconds);
}

}  // namespace

// One connection to IMDS.
class ImdsClient::Connection {
 public:
  explicit Connection(StreamSocket socket) : stream_(std::move(socket)) {}

  // A keep-alive connection that has something to read between requests is closed, or out of step.
  bool is_stale() {
    char byte = 0;
    const ssize_t size = ::recv(stream_.socket().native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return size >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
  }

  [[nodiscard]] bool can_be_kept() const {
    return keep_;
  }

  // True once a byte of the last answer was seen: then the request must not be sent a second time unasked.
  [[nodiscard]] bool heard_something() const {
    return heard_;
  }

  asio::awaitable<Result<Reply>> exchange(const std::string& target, const Settings& settings) {
    keep_ = false;
    heard_ = false;
    http::request<http::empty_body> request(http::verb::get, target, 11);
    request.set(http::field::host, settings.host);
    request.set(http::field::user_agent, "msi2imds");
    request.set("Metadata", "true");

    stream_.expires_after(settings.request_timeout);
    const auto [write_ec, written] = co_await http::async_write(stream_, request, kAsTuple);
    if (write_ec) {
      co_return failure_of(write_ec);
    }
    http::response_parser<http::string_body> parser;
    parser.header_limit(kMaxReplyHeader);
    parser.body_limit(kMaxReply);
    beast::flat_buffer buffer(kMaxReply + kMaxReplyHeader);  // given back, and so wiped, after each answer
    const auto [ec, size] = co_await http::async_read(stream_, buffer, parser, kAsTuple);
    heard_ = parser.got_some();
    if (ec) {
      co_return failure_of(ec);
    }
    stream_.expires_never();

    keep_ = parser.get().keep_alive() && buffer.size() == 0;
    Reply reply;
    reply.status = parser.get().result_int();
    reply.content_type = std::string(parser.get()[http::field::content_type]);
    reply.retry_after = seconds_of(parser.get()[http::field::retry_after]);
    reply.body = std::move(parser.get().body());
    co_return reply;
  }

 private:
  Stream stream_;
  bool keep_ = false;
  bool heard_ = false;
};

ImdsClient::ImdsClient(asio::io_context& io, Connector& connector, Settings settings)
    : io_(io), connector_(connector), settings_(std::move(settings)) {}

ImdsClient::~ImdsClient() = default;

void ImdsClient::configure(Settings settings) {
  settings_ = std::move(settings);
  ++generation_;
  idle_.clear();
}

std::unique_ptr<ImdsClient::Connection> ImdsClient::take_idle() {
  while (!idle_.empty()) {
    std::unique_ptr<Connection> connection = std::move(idle_.back());
    idle_.pop_back();
    if (!connection->is_stale()) {
      return connection;
    }
  }
  return nullptr;
}

void ImdsClient::keep(std::unique_ptr<Connection> connection, std::uint64_t generation) {
  if (connection->can_be_kept() && generation == generation_ && idle_.size() < kMaxIdleConnections) {
    idle_.push_back(std::move(connection));
  }
}

asio::awaitable<Result<std::unique_ptr<ImdsClient::Connection>>> ImdsClient::connect() {
  Result<UniqueFd> fd = co_await connector_.open();
  if (!fd) {
    co_return Error(Errc::cannot_connect, fd.error().message());
  }
  auto socket = std::make_shared<StreamSocket>(io_);
  boost::system::error_code ec;
  const asio::generic::stream_protocol protocol(AF_INET,
                                                IPPROTO_TCP);  // the family matters to nobody from here
  socket->assign(protocol, fd->get(), ec);
  if (ec) {
    co_return Error(Errc::cannot_connect, "use a socket (" + ec.message() + ")");
  }
  (void)fd->release();

  asio::steady_timer deadline(io_, settings_.connect_timeout);
  deadline.async_wait([pending = std::weak_ptr(socket)](boost::system::error_code timer_ec) {
    const auto still_pending = pending.lock();
    if (!timer_ec && still_pending) {
      boost::system::error_code ignored;
      still_pending->cancel(ignored);
    }
  });
  const auto [wait_ec] = co_await socket->async_wait(StreamSocket::wait_write, kAsTuple);
  const bool expired = deadline.cancel() == 0;
  if (wait_ec) {
    co_return Error(expired ? Errc::timed_out : Errc::cannot_connect, "connect to IMDS");
  }
  int failure = 0;
  socklen_t size = sizeof failure;
  (void)::getsockopt(socket->native_handle(), SOL_SOCKET, SO_ERROR, &failure, &size);
  if (failure != 0) {
    co_return Error(Errc::cannot_connect, Error::from_errno(failure, "connect to IMDS").message());
  }
  co_return std::make_unique<Connection>(std::move(*socket));
}

// IMDS may close a kept connection at any time. Whether the request that met that end was counted nobody
// knows, so it goes through the quota once more instead of being sent again from here.
asio::awaitable<ImdsClient::ExchangeResult> ImdsClient::exchange(const std::string& target) {
  const std::uint64_t generation = generation_;
  const Settings settings = settings_;
  std::unique_ptr<Connection> connection = take_idle();
  const bool reused = connection != nullptr;
  if (!reused) {
    Result<std::unique_ptr<Connection>> made = co_await connect();
    if (!made) {
      co_return token::Failure{
          .error = made.error(), .remedy = token::Remedy::retry_later, .retry_after = {}};
    }
    connection = std::move(*made);
  }
  Result<Reply> reply = co_await connection->exchange(target, settings);
  const bool was_stale =
      reused && !reply && !connection->heard_something() && reply.error().code() == Errc::connection_lost;
  keep(std::move(connection), generation);
  if (reply) {
    co_return std::move(*reply);
  }
  const bool senseless = reply.error().code() == Errc::too_large;
  co_return token::Failure{.error = reply.error(),
                           .remedy = was_stale   ? token::Remedy::retry_at_once
                                     : senseless ? token::Remedy::retry_briefly
                                                 : token::Remedy::retry_later,
                           .retry_after = {}};
}

asio::awaitable<token::FetchResult> ImdsClient::fetch(token::TokenRequest request) {
  const std::string target = token_target(request);
  ++health_.requests;
  const auto began = std::chrono::steady_clock::now();
  ExchangeResult reply = co_await exchange(target);
  health_.durations.observe(std::chrono::steady_clock::now() - began);
  ++health_.by_status[reply ? reply->status : 0];
  token::FetchResult response = reply ? interpret(std::move(*reply)) : token::FetchResult(reply.error());
  health_.last_failed = !response;
  if (!response) {
    ++health_.failures;
    health_.last_failure = response.error().error.message();
  }
  co_return response;
}

}  // namespace msi2imds::imds
