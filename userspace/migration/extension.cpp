// SPDX-License-Identifier: MIT
#include "migration/extension.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <string>
#include <utility>

#include "admin/client.hpp"
#include "admin/status.hpp"
#include "base/socket_address.hpp"
#include "base/unique_fd.hpp"
#include "http/client.hpp"
#include "imds/reply.hpp"
#include "migration/imds.hpp"

namespace msi2imds::migration {
namespace {

constexpr std::chrono::milliseconds kAskTime{2000};
constexpr std::chrono::milliseconds kAnswerTime{30000};  // the extension asks Azure

// Not 127.0.0.1, where we listen on that port ourselves.
Result<SocketAddress> exempt_address(std::uint16_t port) {
  return SocketAddress::parse("127.0.0.2", port);
}

Result<UniqueFd> begin_exempt_connect(const SocketAddress& from, std::uint16_t port) {
  UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP));
  const int on = 1;
  (void)::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (!socket || ::bind(socket.get(), from.get(), from.size()) != 0) {
    return Error::from_errno(errno, "take the address " + from.to_string() + ", which is left alone");
  }
  const SocketAddress extension = SocketAddress::ipv4_loopback(port);
  if (::connect(socket.get(), extension.get(), extension.size()) != 0 && errno != EINPROGRESS) {
    return Error::from_errno(errno, "connect to the extension on " + extension.to_string());
  }
  return socket;
}

bool arrived_at_us(const config::Config& config, const SocketAddress& client) {
  const Result<std::string> answer =
      admin::get(config.admin.socket, std::string(admin::kArrivedTarget) + client.to_string(), kAskTime);
  return answer && answer->find("true") != std::string::npos;
}

// IMDS's path and query, at the extension's path.
std::string target_of(const token::TokenRequest& request) {
  const std::string target = imds::token_target(request);
  return "/oauth2/token" + target.substr(target.find('?'));
}

token::FetchResult failure(Error error) {
  return token::Failure{.error = std::move(error), .remedy = token::Remedy::retry_later, .retry_after = {}};
}

}  // namespace

token::FetchResult ask_extension(const config::Config& config, std::uint16_t port,
                                 const token::TokenRequest& request) {
  const Result<SocketAddress> from = exempt_address(config.redirect.listen_port);
  if (!from) {
    return failure(from.error());
  }
  Result<UniqueFd> socket = begin_exempt_connect(*from, port);
  if (!socket) {
    return failure(socket.error());
  }
  const UniqueFd held(
      ::fcntl(socket->get(), F_DUPFD_CLOEXEC, 0));  // stays open until it is known who answered
  const http::Question question{
      .host = "localhost:" + std::to_string(port), .target = target_of(request), .timeout = kAnswerTime};
  Result<http::Answer> answer = http::ask(std::move(*socket), question);
  if (!answer) {
    return failure(answer.error().within("ask the extension on port " + std::to_string(port)));
  }
  if (arrived_at_us(config, *from)) {
    return failure(Error::from_errno(ELOOP, "reach the extension: with this backend, connections to port " +
                                                std::to_string(port) + " end at msi2imds itself"));
  }
  return read_token(std::move(*answer));
}

}  // namespace msi2imds::migration
