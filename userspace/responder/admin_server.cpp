// SPDX-License-Identifier: MIT
#include "responder/admin_server.hpp"

#include <boost/asio/steady_timer.hpp>
#include <boost/json/parse.hpp>
#include <cerrno>
#include <chrono>
#include <string_view>
#include <utility>

#include "base/socket_address.hpp"
#include "base/spawn.hpp"
#include "base/text.hpp"
#include "responder/accept.hpp"

namespace msi2imds::responder {
namespace {

constexpr std::chrono::milliseconds kAdminAcceptBackoff{50};
constexpr std::size_t kMaxConnections = 32;

http::Response error_response(unsigned status, std::string_view reason) {
  http::Response response;
  response.status = status;
  response.content_type = "text/plain; charset=utf-8";
  response.body = std::string(reason) + "\n";
  return response;
}

}  // namespace

AdminServer::AdminServer(asio::io_context& io, const AdminSource& source, Scope scope)
    : io_(io), source_(source), scope_(scope), deadlines_(io), sockets_(WaitSet::of(io)), socket_(io) {}

void AdminServer::start(UniqueFd socket) {
  stop();
  socket_.assign(socket.release());
  accepting_.start(io_,
                   scope_ == Scope::everything ? "accept on the admin socket" : "accept on the metrics port",
                   accept_all(generation_));
}

void AdminServer::stop() {
  ++generation_;
  accepting_.stop();
  if (socket_.is_open()) {
    socket_.close();
  }
}

asio::awaitable<void> AdminServer::accept_all(std::uint64_t generation) {
  asio::steady_timer backoff(io_);
  while (generation == generation_) {
    const auto [wait_ec] = co_await socket_.async_wait(asio::posix::stream_descriptor::wait_read, kAsTuple);
    if (wait_ec || generation != generation_) {
      co_return;
    }
    Accepted accepted = accept_one(socket_.native_handle());
    if (!accepted.socket && accepted.err != EAGAIN) {  // most likely out of descriptors
      backoff.expires_after(kAdminAcceptBackoff);
      (void)co_await backoff.async_wait(kAsTuple);
    }
    const bool is_full = connections_ >= kMaxConnections;
    if (!accepted.socket || connections_ >= 2 * kMaxConnections || (is_full && !make_room())) {
      continue;
    }
    ++connections_;
    const auto begin = [&] { return serve(std::move(accepted.socket)); };
    start_contained("serve an admin connection", begin, [this] { --connections_; });
  }
}

// Ends the connection that has waited for its client for longest, or else the one that is being answered for
// longest: answers take milliseconds, unless the client does not receive them.
bool AdminServer::make_room() {
  for (Client& client : waiting_) {
    if (!client.connection.has_arrived_input()) {
      client.unlink();
      client.connection.close();
      return true;
    }
  }
  if (answered_.empty()) {
    return false;
  }
  Client& longest = answered_.front();
  longest.unlink();
  longest.connection.close();
  return true;
}

Task<> AdminServer::serve(UniqueFd socket) {
  Client client(sockets_, std::move(socket), limits_, deadlines_);
  http::Connection& connection = client.connection;
  http::Request request;
  do {
    client.unlink();
    waiting_.push_back(client);
    const http::ReadResult read = co_await connection.read(request);
    client.unlink();
    answered_.push_back(client);
    if (!read) {
      if (read.error().status != 0) {
        http::Response refusal = error_response(read.error().status, read.error().reason);
        (void)co_await connection.write(refusal);  // whoever is gone needs no answer
      }
      co_return;
    }
    http::Response response = co_await respond(request);
    const bool written = co_await connection.write(response);
    if (!written) {
      co_return;
    }
  } while (!connection.is_last());
}

http::Response AdminServer::flush(const http::Request& request) const {
  boost::system::error_code ec;
  const boost::json::value value = boost::json::parse(request.body, ec);
  const boost::json::object* object = ec ? nullptr : value.if_object();
  const auto text = [object](const char* name) -> std::string_view {
    const boost::json::value* member = object == nullptr ? nullptr : object->if_contains(name);
    const boost::json::string* string = member == nullptr ? nullptr : member->if_string();
    return string == nullptr ? std::string_view() : std::string_view(string->data(), string->size());
  };
  if (object == nullptr) {
    return error_response(400, "expected a JSON object");
  }
  http::Response response;
  response.body = R"({"flushed":)" + std::to_string(source_.flush(text("resource"), text("identity"))) + "}";
  return response;
}

// What a browser sends for a web page that has given its own name our address, or asks across origins.
std::optional<http::Response> AdminServer::refuse_stranger(const http::Request& request) const {
  for (const http::Header& header : request.headers) {
    const std::string_view value = trim(header.value, " \t");
    if (equal_ignoring_case(header.name, "Host") && !source_.is_own_host(value)) {
      return error_response(403, "the host is not this machine's loopback: ask for localhost or 127.0.0.1");
    }
    const std::size_t authority = value.find("://");
    if (equal_ignoring_case(header.name, "Origin") &&
        (authority == std::string_view::npos || !source_.is_own_host(value.substr(authority + 3)))) {
      return error_response(403, "a web page of another origin asks: use a program");
    }
  }
  if (request.version >= 11 && request.header("Host") == nullptr) {
    return error_response(400, "the header Host is missing");
  }
  return std::nullopt;
}

Task<http::Response> AdminServer::respond(const http::Request& request) {
  if (scope_ == Scope::metrics_only) {
    std::optional<http::Response> refusal = refuse_stranger(request);
    if (refusal) {
      co_return *std::move(refusal);
    }
  }
  const std::string_view target = request.target;
  const bool is_flush = target == admin::kFlushTarget && scope_ == Scope::everything;
  const std::string method = is_flush ? "POST" : "GET";
  if (request.method != method) {
    http::Response response = error_response(405, "use " + method);
    response.headers.push_back({"Allow", method});
    co_return response;
  }
  if (is_flush) {
    co_return flush(request);
  }
  http::Response response;
  if (target == admin::kMetricsTarget) {
    response.content_type = "text/plain; version=0.0.4; charset=utf-8";
    response.body = co_await AsioWait(io_, source_.metrics());
    co_return response;
  }
  if (scope_ == Scope::metrics_only) {
    co_return error_response(404, "only " + std::string(admin::kMetricsTarget) + " is here");
  }
  if (target == admin::kCallersTarget) {
    response.body = source_.callers();
    co_return response;
  }
  if (target == admin::kStatusTarget) {
    const admin::Status status = co_await AsioWait(io_, source_.status());
    response.body = admin::to_json(status);
    co_return response;
  }
  if (target.starts_with(admin::kArrivedTarget)) {
    const auto peer = SocketAddress::parse(target.substr(admin::kArrivedTarget.size()));
    if (!peer) {
      co_return error_response(400, "peer: expected ADDRESS:PORT");
    }
    response.body = source_.has_connection_from(*peer) ? R"({"arrived":true})" : R"({"arrived":false})";
    co_return response;
  }
  co_return error_response(404, "nothing here; see msi2imds --help");
}

}  // namespace msi2imds::responder
