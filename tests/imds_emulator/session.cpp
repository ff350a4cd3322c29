// SPDX-License-Identifier: MIT
#include "imds_emulator/session.hpp"

#include <sys/socket.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/socket_base.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include "imds_emulator/question.hpp"
#include "imds_emulator/request_reader.hpp"
#include "imds_emulator/spoil.hpp"

namespace msi2imds::emulator {
namespace {

using SteadyClock = std::chrono::steady_clock;

class Session {
 public:
  Session(asio::ip::tcp::socket socket, Emulator& emulator)
      : socket_(std::move(socket)), emulator_(emulator), reader_(socket_), timer_(socket_.get_executor()) {
    boost::system::error_code ignored;  // the peer may be gone already; reading will tell
    socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
    const auto peer = socket_.remote_endpoint(ignored);
    peer_port_ = ignored ? std::uint16_t{0} : peer.port();
    emulator_.statistics.count_connection();
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  Session(Session&&) = delete;
  Session& operator=(Session&&) = delete;
  ~Session() {
    emulator_.statistics.count_disconnection();
  }

  asio::awaitable<void> run();

 private:
  asio::awaitable<bool> serve_request();
  asio::awaitable<bool> serve_token();
  asio::awaitable<bool> deliver(const Reply& reply, const std::optional<Fault>& fault, InFlight& in_flight);
  asio::awaitable<bool> send(const Reply& reply, bool keep_alive);
  asio::awaitable<void> send_half(const Reply& reply);
  asio::awaitable<bool> send_after_interim(const Reply& reply, const Fault& fault, InFlight& in_flight);
  asio::awaitable<bool> send_twice(const Reply& reply, const Fault& fault);
  asio::awaitable<bool> send_slowly(const Reply& reply, std::chrono::milliseconds duration,
                                    InFlight& in_flight);
  asio::awaitable<void> hang(const Fault& fault);
  asio::awaitable<void> pause(std::chrono::milliseconds duration);
  asio::awaitable<bool> write(const char* bytes, std::size_t count);
  void render(const Reply& reply, bool keep_alive);
  void reset_connection();
  [[nodiscard]] bool peer_has_closed();

  asio::ip::tcp::socket socket_;
  Emulator& emulator_;
  RequestReader reader_;
  asio::steady_timer timer_;
  std::string output_;
  std::uint16_t peer_port_ = 0;
  const SteadyClock::time_point connected_ = SteadyClock::now();
};

// Each step says whether the connection goes on.
asio::awaitable<void> Session::run() {
  bool goes_on = true;
  while (goes_on) {
    const auto outcome = co_await reader_.read();
    if (outcome == RequestReader::Outcome::closed) {
      co_return;
    }
    if (outcome == RequestReader::Outcome::malformed) {
      const Reply reply = answer_malformed(emulator_, reader_.first_line(), reader_.failure(), peer_port_);
      (void)co_await send(reply, false);
      co_return;
    }
    goes_on = co_await serve_request();
  }
}

asio::awaitable<bool> Session::serve_request() {
  if (reader_.request().path() == kTokenPath) {
    co_return co_await serve_token();
  }
  const Reply reply = answer_other(emulator_, reader_.request());
  co_return co_await send(reply, reader_.request().keep_alive);
}

asio::awaitable<bool> Session::serve_token() {
  const Request& request = reader_.request();
  const auto arrival = SteadyClock::now();
  const std::optional<Fault> fault = emulator_.faults.take(request.target, connected_, arrival);
  if (fault && fault->kind == FaultKind::dead_connection) {
    co_await hang(*fault);
    co_return false;
  }
  emulator_.statistics.count_token_request(arrival);
  InFlight in_flight(emulator_.statistics);
  Question question = parse_question(request);
  const auto id = emulator_.log.add(request, question, peer_port_, std::chrono::system_clock::now());

  auto wait = emulator_.latency;
  if (fault && fault->kind == FaultKind::delay) {
    wait += *fault->duration;
  }
  if (wait.count() > 0) {
    co_await pause(wait);
  }

  const bool unanswered = fault && (fault->kind == FaultKind::hang || fault->kind == FaultKind::reset ||
                                    fault->kind == FaultKind::close);
  if (unanswered) {
    emulator_.statistics.count_answer(0, "");
    if (fault->kind == FaultKind::hang) {
      co_await hang(*fault);
    } else if (fault->kind == FaultKind::reset) {
      reset_connection();
    }
    co_return false;
  }

  if (fault) {
    mistake(question, *fault, emulator_.token_endpoint.identities());
  }
  Reply reply = emulator_.token_endpoint.answer(question, emulator_.now());
  if (fault) {
    spoil(reply, *fault, emulator_.now());
  }
  emulator_.log.set_status(id, reply.status);
  emulator_.statistics.count_answer(reply.status, reply.problem);
  co_return co_await deliver(reply, fault, in_flight);
}

asio::awaitable<bool> Session::deliver(const Reply& reply, const std::optional<Fault>& fault,
                                       InFlight& in_flight) {
  const bool keep_alive = reader_.request().keep_alive;
  if (fault && fault->kind == FaultKind::slow_drip) {
    co_return co_await send_slowly(reply, *fault->duration, in_flight);
  }
  if (fault && fault->kind == FaultKind::interim) {
    co_return co_await send_after_interim(reply, *fault, in_flight);
  }
  in_flight.end();
  if (fault && fault->kind == FaultKind::duplicate) {
    co_return co_await send_twice(reply, *fault);
  }
  if (fault && fault->kind == FaultKind::truncated) {
    co_await send_half(reply);
    co_return false;
  }
  const bool sent = co_await send(reply, keep_alive);
  co_return sent && !(fault && fault->kind == FaultKind::stale_close);
}

void Session::render(const Reply& reply, bool keep_alive) {
  output_.clear();
  append_head(output_, reply, emulator_.now(), keep_alive);
  output_ += reply.body;
}

asio::awaitable<bool> Session::write(const char* bytes, std::size_t count) {
  const auto [ec, written] = co_await asio::async_write(socket_, asio::buffer(bytes, count), kAsTuple);
  co_return !ec && written == count;
}

asio::awaitable<bool> Session::send(const Reply& reply, bool keep_alive) {
  render(reply, keep_alive);
  const bool sent = co_await write(output_.data(), output_.size());
  co_return sent&& keep_alive;
}

asio::awaitable<void> Session::send_half(const Reply& reply) {
  render(reply, reader_.request().keep_alive);
  (void)co_await write(output_.data(), output_.size() - reply.body.size() / 2 - 1);
}

asio::awaitable<bool> Session::send_after_interim(const Reply& reply, const Fault& fault,
                                                  InFlight& in_flight) {
  const bool keep_alive = reader_.request().keep_alive;
  std::string interim;
  for (unsigned i = 0; i < fault.times; ++i) {
    append_interim(interim, fault.status);
  }
  if (fault.duration) {
    const bool sent = co_await write(interim.data(), interim.size());
    if (!sent) {
      co_return false;
    }
    interim.clear();
    co_await pause(*fault.duration);
  }
  in_flight.end();
  render(reply, keep_alive);
  output_.insert(0, interim);
  const bool sent = co_await write(output_.data(), output_.size());
  co_return sent&& keep_alive;
}

asio::awaitable<bool> Session::send_twice(const Reply& reply, const Fault& fault) {
  const bool keep_alive = reader_.request().keep_alive;
  render(reply, keep_alive);
  const std::string copy = output_;
  if (!fault.duration) {
    output_ += copy;
  }
  bool sent = co_await write(output_.data(), output_.size());
  if (sent && fault.duration) {
    co_await pause(*fault.duration);
    sent = co_await write(copy.data(), copy.size());
  }
  co_return sent&& keep_alive;
}

asio::awaitable<bool> Session::send_slowly(const Reply& reply, std::chrono::milliseconds duration,
                                           InFlight& in_flight) {
  const bool keep_alive = reader_.request().keep_alive;
  render(reply, keep_alive);
  const std::size_t head = output_.size() - reply.body.size();
  bool sent = co_await write(output_.data(), head);

  const auto start = SteadyClock::now();
  const auto total = std::chrono::duration_cast<SteadyClock::duration>(duration);
  const auto bytes = static_cast<SteadyClock::rep>(reply.body.size());
  for (std::size_t i = 0; i < reply.body.size() && sent; ++i) {
    timer_.expires_at(start + total / bytes * static_cast<SteadyClock::rep>(i + 1));
    (void)co_await timer_.async_wait(kAsTuple);
    if (i + 1 == reply.body.size()) {
      in_flight.end();
    }
    sent = co_await write(output_.data() + head + i, 1);
  }
  co_return sent&& keep_alive;
}

// Looks now and then instead of waiting for three things at once.
asio::awaitable<void> Session::hang(const Fault& fault) {
  constexpr std::chrono::milliseconds kLook{20};
  const auto generation = emulator_.faults.generation();
  const auto start = SteadyClock::now();
  while (emulator_.faults.generation() == generation && !peer_has_closed()) {
    if (fault.duration && SteadyClock::now() - start >= *fault.duration) {
      break;
    }
    co_await pause(kLook);
  }
}

asio::awaitable<void> Session::pause(std::chrono::milliseconds duration) {
  timer_.expires_after(duration);
  (void)co_await timer_.async_wait(kAsTuple);
}

bool Session::peer_has_closed() {
  char byte = 0;
  const auto count = ::recv(socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR);
}

// With no time to linger, close() sends a reset; Asio's destructor would take the option back first.
void Session::reset_connection() {
  boost::system::error_code ignored;  // the peer was faster
  socket_.set_option(asio::socket_base::linger(true, 0), ignored);
  socket_.close(ignored);
}

}  // namespace

asio::awaitable<void> run_session(asio::ip::tcp::socket socket, Emulator& emulator) {
  Session session(std::move(socket), emulator);
  co_await session.run();
}

}  // namespace msi2imds::emulator
