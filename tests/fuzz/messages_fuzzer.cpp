// SPDX-License-Identifier: MIT
// What our processes and commands say to one another: any message on the channel, any status, anything that
// somebody sends to the admin socket or the port of metrics.
#include <sys/socket.h>
#include <sys/un.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "admin/status.hpp"
#include "caller/clues.hpp"
#include "control/channel.hpp"
#include "control/identities.hpp"
#include "fuzz/require.hpp"
#include "responder/admin_server.hpp"
#include "support_cpp/run.hpp"

namespace {

using namespace msi2imds;
using fuzz::require;

using Received = Result<control::Received>;

template <typename Record>
void read_records(const control::Message& message) {
  const auto records = control::get_records<Record>(message);
  require(records.has_value() == (message.body.size() % sizeof(Record) == 0 &&
                                  message.body.size() / sizeof(Record) <= control::kMostInMessage));
  if (records) {
    control::Message again;
    control::set_records<Record>(again, *records);
    require(again.body == message.body);
  }
}

bool is_same(const control::Message& one, const control::Message& other) {
  return one.kind == other.kind && one.id == other.id && one.error == other.error &&
         one.value == other.value && one.number == other.number && one.body == other.body;
}

// Any bytes that come are refused, or a message that arrives the same when it is passed on.
void receive(std::string_view bytes) {
  asio::io_context io{1};
  auto ends = control::Channel::make_pair();
  require(ends.has_value());
  control::Channel channel(io, std::move(ends->first));
  require(::send(ends->second.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
          static_cast<ssize_t>(bytes.size()));
  const Received received = support::run(io, channel.receive());
  if (!received) {
    return;
  }
  read_records<control::IdentityAnswer>(received->message);
  read_records<caller::Clues>(received->message);
  if (const auto answers = control::get_records<control::IdentityAnswer>(received->message)) {
    for (const control::IdentityAnswer& answer : *answers) {
      if (const auto dialled = answer.dialled()) {
        (void)dialled->to_string();
      }
    }
  }
  control::Channel back(io, std::move(ends->second));
  require(channel.send(received->message).has_value());
  const Received again = support::run(io, back.receive());
  require(again.has_value() && is_same(again->message, received->message));
}

void read_status(std::string_view bytes) {
  if (const auto status = admin::parse_status(bytes)) {
    const std::string text = admin::to_json(*status);
    const auto again = admin::parse_status(text);
    require(again.has_value() && admin::to_json(*again) == text);
    require(!fuzz::has_control_character(text));
  }
}

// The operator's side of a responder, asked over a socket without a name in the file system.
class Server {
 public:
  explicit Server(responder::Scope scope) : server_(io_, source_, scope) {
    UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    address_.sun_family = AF_UNIX;
    require(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address_), sizeof(sa_family_t)) == 0);
    size_ = sizeof address_;
    require(::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address_), &size_) == 0);
    require(::listen(socket.get(), 8) == 0);
    server_.start(std::move(socket));
  }

  // All that it answers to these bytes.
  std::string ask(std::string_view bytes) {
    const UniqueFd client(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    require(::connect(client.get(), reinterpret_cast<const sockaddr*>(&address_), size_) == 0);
    (void)::send(client.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    require(::shutdown(client.get(), SHUT_WR) == 0);
    std::string answer;
    require(support::run_until(io_, [&] { return is_answered(client, answer); }));
    return answer;
  }
  [[nodiscard]] std::size_t flushes() const {
    return flushes_;
  }

 private:
  static bool is_answered(const UniqueFd& client, std::string& answer) {
    std::array<char, 4096> room{};
    ssize_t size = 0;
    do {
      size = ::recv(client.get(), room.data(), room.size(), MSG_DONTWAIT);
      answer.append(room.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
    } while (size > 0);
    return size == 0 || errno == ECONNRESET;
  }

  asio::io_context io_{1};
  std::size_t flushes_ = 0;
  responder::AdminSource source_{
      .status = []() -> asio::awaitable<admin::Status> { co_return admin::Status(); },
      .has_connection_from = [](const SocketAddress& peer) { return peer.port() != 0; },
      .flush =
          [this](std::string_view resource, std::string_view identity) {
            ++flushes_;
            return resource.size() + identity.size();
          },
      .callers = [] { return std::string("{}"); },
      .metrics = []() -> asio::awaitable<std::string> { co_return "a_metric 1\n"; },
      .is_own_host = [](std::string_view authority) { return authority == "localhost"; }};
  responder::AdminServer server_;
  sockaddr_un address_{};
  socklen_t size_ = 0;
};

void ask_servers(std::string_view bytes) {
  static Server everything(responder::Scope::everything);
  static Server metrics(responder::Scope::metrics_only);
  const std::string answer = everything.ask(bytes);
  require(answer.empty() || answer.starts_with("HTTP/1."));
  const std::string flush =
      "POST /flush HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: " +
      std::to_string(bytes.size()) + "\r\n\r\n";
  require(everything.ask(flush + std::string(bytes)).starts_with("HTTP/1.1 "));
  const std::string shown = metrics.ask(bytes);
  require(shown.empty() || shown.starts_with("HTTP/1."));
  require(!fuzz::contains(shown, "application/json") && metrics.flushes() == 0);
  // Of HTTP/1.0 no host is asked for.
  require(!fuzz::contains(shown, "a_metric") || fuzz::contains(bytes, "localhost") ||
          fuzz::contains(bytes, "HTTP/1.0"));
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer calls it by this name
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  const std::string_view bytes = fuzz::view_of(data, size);
  receive(bytes);
  read_status(bytes);
  ask_servers(bytes);
  return 0;
}
