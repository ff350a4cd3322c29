// SPDX-License-Identifier: MIT
#include "http/connection.hpp"

#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <boost/beast/http/error.hpp>
#include <cerrno>
#include <stdexcept>
#include <utility>

#include "base/secret.hpp"
#include "http/framing.hpp"
#include "http/request_parser.hpp"
#include "http/response_head.hpp"

namespace msi2imds::http {
namespace {

namespace beast_http = boost::beast::http;

constexpr std::size_t kReadChunk = 4096;
// What a connection keeps for its next request.
constexpr std::size_t kMostKept = 2048;
// Of answers that the client has not received: the kernel would keep megabytes of them.
constexpr std::size_t kMostUnreceived = 4096;
// A chunk for each byte of a body takes six.
constexpr std::size_t kMostForAByte = 8;
constexpr std::chrono::seconds kLinger{2};
// In a drain: for the first request of a connection whose client has connected, and so will ask.
constexpr std::chrono::seconds kDrainGrace{1};
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

ReadFailure bad_request(std::string reason) {
  return {.status = 400, .reason = std::move(reason)};
}

ReadFailure failure_of(boost::system::error_code ec, const Limits& limits) {
  if (ec == beast_http::error::header_limit || ec == beast_http::error::buffer_overflow) {
    return {.status = 431,
            .reason = "the header is larger than " + std::to_string(limits.header_bytes) + " bytes"};
  }
  if (ec == beast_http::error::body_limit) {
    return {.status = 413,
            .reason = "the body is larger than " + std::to_string(limits.body_bytes) + " bytes"};
  }
  return bad_request("the request is not valid HTTP/1.1: " + ec.message());
}

}  // namespace

void release(Request& request) {
  std::size_t kept = request.target.capacity() + request.body.capacity();
  for (const Header& header : request.headers) {
    kept += header.name.capacity() + header.value.capacity();
  }
  if (kept > kMostKept) {
    Request none;
    std::swap(request, none);  // an assignment would keep the memory
  }
}

void throw_exception_from_error(const ReadFailure& failure, const boost::source_location& /*where*/) {
  throw std::logic_error("unchecked read failure: " + failure.reason);
}

Connection::Connection(WaitSet& sockets, UniqueFd socket, const Limits& limits, Deadlines& deadlines)
    : Expiring(deadlines), socket_(sockets, std::move(socket)), limits_(limits) {}

void Connection::on_deadline() {
  expired_ = true;
  socket_.cancel();
}

void Connection::close_when_idle() {
  draining_ = true;
  if (phase_ != Phase::idle) {
    return;
  }
  if (served_) {
    socket_.cancel();
  } else {
    expire_after(kDrainGrace);
  }
}

void Connection::stop_reading() {
  reads_no_more_ = true;
  draining_ = true;
  if (phase_ != Phase::answer) {
    socket_.cancel();
  }
}

void Connection::close() {
  socket_.close();
}

// Takes what has arrived. A buffer for all connections: one of their own would be most of what an idle one
// costs.
boost::system::error_code Connection::read_available() {
  thread_local std::array<char, kReadChunk> chunk;
  const ssize_t count = ::recv(socket_.get(), chunk.data(), chunk.size(), MSG_DONTWAIT);
  if (count > 0) {
    input_.append(chunk.data(), static_cast<std::size_t>(count));
    received_ += static_cast<std::size_t>(count);
    filled_chunk_ = static_cast<std::size_t>(count) == chunk.size();
    return {};
  }
  return count == 0 ? asio::error::eof : boost::system::error_code(errno, boost::system::system_category());
}

bool Connection::has_arrived_input() {
  char byte = 0;
  return ::recv(socket_.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

// Without waiting. True when there is something to parse.
bool Connection::receive_what_is_there() {
  if (input_.empty()) {
    (void)read_available();  // what is wrong is found again by whoever waits for more
  }
  return !input_.empty();
}

void Connection::set_input_bytes(std::size_t bytes) {
  if (account_ != nullptr && (bytes > 0 || is_counted_)) {
    is_counted_ = bytes > 0;
    account_->set_input_bytes(bytes);
  }
}

bool Connection::may_wait() const {
  const bool is_to_close = draining_ && served_ && phase_ == Phase::idle;
  return !expired_ && !reads_no_more_ && !is_to_close;
}

// False: nothing more will come. `held_elsewhere` is what the request takes besides input_.
Task<bool> Connection::receive(std::size_t held_elsewhere) {
  boost::system::error_code ec = asio::error::operation_aborted;
  if (!reads_no_more_) {
    // Hardly any client has sent its next request already.
    const bool has_just_answered = served_ && phase_ == Phase::idle && !draining_;
    ec = has_just_answered ? asio::error::would_block : read_available();
  }
  if (!ec && received_at_once_++ > 0) {
    co_await Turn(
        socket_.set().io());  // others come before whoever sends more than one piece without a pause
  }
  if (ec == asio::error::would_block && phase_ == Phase::request) {
    set_input_bytes(input_.capacity() + held_elsewhere);
  }
  // What ends a wait may come between the socket's becoming readable and this going on: it cancels nothing
  // then.
  while (ec == asio::error::would_block && may_wait()) {
    ec = co_await SocketWait(socket_, SocketWait::For::input);
    ec = ec ? ec : read_available();
  }
  if (ec == asio::error::operation_aborted && draining_ && !expired_) {
    ec = read_available();  // a request may have come just before
  }
  co_return !ec;
}

ReadFailure Connection::receive_failure() const {
  if (phase_ != Phase::request) {
    return {};
  }
  if (expired_) {
    return {.status = 408,
            .reason =
                "the request was not complete after " + std::to_string(limits_.request_time.count()) + " s"};
  }
  if (reads_no_more_) {
    return {.status = 408, .reason = "the request was not complete when the service was restarted"};
  }
  return {};
}

// RFC 9112, section 2.2: an empty line before a request is skipped.
void Connection::skip_empty_lines() {
  std::size_t skipped = 0;
  while (std::string_view(input_).substr(skipped).starts_with("\r\n")) {
    skipped += 2;
  }
  input_.erase(0, skipped);
}

// Receives until input_ begins with a whole head.
Task<ReadResult> Connection::read_head() {
  while (true) {
    skip_empty_lines();
    if (received_ - input_.size() > limits_.header_bytes) {
      co_return failure_of(beast_http::error::header_limit, limits_);
    }
    if (!input_.empty() && phase_ == Phase::idle) {
      phase_ = Phase::request;
      expire_after(limits_.request_time);
    }
    const Head head = examine_head(std::string_view(input_).substr(0, limits_.header_bytes));
    if (head.fault != nullptr) {
      co_return bad_request(head.fault);
    }
    if (head.complete.value_or(input_.size()) > limits_.header_bytes) {
      co_return failure_of(beast_http::error::header_limit, limits_);
    }
    if (head.complete) {
      co_return ReadResult();
    }
    const bool received = co_await receive();
    if (!received) {
      co_return receive_failure();
    }
  }
}

Task<ReadResult> Connection::read_body(RequestParser& parser, const Request& request,
                                       std::size_t head_bytes) {
  const std::string* expect = request.header("Expect");
  const bool is_expecting = expect != nullptr && equal_ignoring_case(*expect, "100-continue");
  if (request.version >= 11 && is_expecting && input_.empty()) {
    const bool sent = co_await send(kContinue);
    if (!sent) {
      co_return receive_failure();
    }
  }
  parser.eager(true);
  const std::size_t most_received = 2 * limits_.header_bytes + kMostForAByte * limits_.body_bytes;
  while (true) {
    const std::size_t had = input_.size();
    const boost::system::error_code ec = parser.feed(input_, limits_.header_bytes);
    if (ec) {
      co_return failure_of(ec, limits_);
    }
    if (parser.is_done()) {
      co_return ReadResult();
    }
    if (input_.size() < had) {
      continue;
    }
    // An endless chunk extension or trailer, or chunks without end that hold next to nothing.
    if (input_.size() >= limits_.header_bytes || received_ > most_received) {
      co_return bad_request("a chunk's header or trailer is too large");
    }
    const bool received = co_await receive(head_bytes + request.body.capacity());
    if (!received) {
      co_return receive_failure();
    }
  }
}

// Once a request is whole, or never will be.
void Connection::end_reading() {
  never_expire();
  set_input_bytes(0);
  if (input_.capacity() > input_.size() + kMostKept) {
    input_.shrink_to_fit();
  }
}

Task<ReadResult> Connection::read(Request& request) {
  release(request);
  last_ = true;  // unless all of the request is understood
  peer_ends_ = false;
  head_only_ = false;
  phase_ = Phase::idle;
  expired_ = false;
  received_ = input_.size();
  received_at_once_ = 0;
  if (draining_ && served_ && !receive_what_is_there()) {
    co_return ReadFailure();
  }
  const std::chrono::seconds first_byte = std::min(limits_.idle_time, limits_.request_time);
  expire_after(draining_ ? kDrainGrace : served_ ? limits_.idle_time : first_byte);
  ReadResult head = co_await read_head();
  if (!head) {
    end_reading();
    co_return head;
  }

  RequestParser parser(limits_, request);
  std::size_t head_bytes = input_.size();
  const boost::system::error_code ec = parser.feed(input_);
  if (ec) {
    end_reading();
    co_return failure_of(ec, limits_);
  }
  head_bytes -= input_.size();
  // Beast refuses most contradictory lengths, but not each of them in every order.
  if (const char* fault = body_length(request.headers, request.version).fault; fault != nullptr) {
    end_reading();
    co_return bad_request(fault);
  }
  ReadResult body;
  if (!parser.is_done()) {
    body = co_await read_body(parser, request, 2 * head_bytes);  // each header is two strings
  }
  end_reading();
  if (!body) {
    co_return body;
  }

  phase_ = Phase::answer;
  served_ = true;
  version_ = request.version;
  head_only_ = request.method == "HEAD";
  last_ = !parser.keep_alive();
  peer_ends_ = last_ && !filled_chunk_;
  co_return ReadResult();
}

// Unless the client has received most of what it was sent. False: it does not.
Task<bool> Connection::wait_until_received() {
  int bytes = 0;
  unreceived_ = ::ioctl(socket_.get(), SIOCOUTQ, &bytes) == 0 ? static_cast<std::size_t>(bytes) : 0;
  if (unreceived_ <= kMostUnreceived) {
    co_return true;
  }
  const boost::system::error_code ec = co_await SocketWait(socket_, SocketWait::For::room);
  co_return !ec;
}

// With send(2), while sendmsg(2) could send descriptors, which the responder's cage forbids.
Task<bool> Connection::send(std::string_view bytes) {
  while (true) {
    const ssize_t sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    if (bytes.empty()) {
      co_return true;
    }
    if (sent < 0 && errno != EINTR) {
      if ((errno != EAGAIN && errno != EWOULDBLOCK) || expired_) {
        co_return false;
      }
      const boost::system::error_code ec = co_await SocketWait(socket_, SocketWait::For::room);
      if (ec) {
        co_return false;
      }
    }
  }
}

Task<bool> Connection::write(Response& response) {
  phase_ = Phase::answer;
  expired_ = false;
  last_ = last_ || response.close || (draining_ && input_.empty());
  static thread_local std::string head;  // whose memory is used again; it holds no secret
  head.clear();
  append_head(head, response, last_, version_);
  if (head_only_) {
    wipe(response.body);  // its memory may be used again
  }
  response.body.insert(0, head);
  expire_after(limits_.request_time);
  if (unreceived_ > kMostUnreceived) {
    const bool received = co_await wait_until_received();
    if (!received) {
      never_expire();
      co_return false;
    }
  }
  unreceived_ += response.body.size();
  const bool sent = co_await send(response.body);
  never_expire();
  if (!input_.empty()) {
    co_await Turn(socket_.set().io());  // others come before whoever sends many requests at once
  }
  co_return sent;
}

// Closing with unread input would send a reset, which can overtake the answer: read on for a moment.
Task<void> Connection::finish() {
  if (::shutdown(socket_.get(), SHUT_WR) != 0) {
    co_return;
  }
  expire_after(kLinger);
  for (std::size_t seen = 0; seen < limits_.header_bytes + limits_.body_bytes && !expired_;) {
    input_.clear();
    const bool received = co_await receive();
    if (!received) {
      break;
    }
    seen += input_.size();
  }
  never_expire();
}

}  // namespace msi2imds::http
