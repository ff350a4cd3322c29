// SPDX-License-Identifier: MIT
#include "admin/client.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <utility>

#include "base/unique_fd.hpp"
#include "http/client.hpp"

namespace msi2imds::admin {
namespace {

// The table of callers is the largest.
constexpr std::size_t kMaxAnswer = 64UL * 1024 * 1024;
constexpr unsigned kOk = 200;
constexpr std::chrono::seconds kConnectTime{2};

// Waits while the queue of those who want to connect is full.
Result<UniqueFd> connect(const std::string& socket_path, std::chrono::milliseconds timeout) {
  const std::string doing = "connect to admin socket '" + socket_path + "'";
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket_path.size() >= sizeof address.sun_path) {
    return Error::from_errno(ENAMETOOLONG, doing);
  }
  std::ranges::copy(socket_path, static_cast<char*>(address.sun_path));
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const auto microseconds = std::chrono::microseconds(timeout).count();
  const timeval patience{.tv_sec = microseconds / 1'000'000, .tv_usec = microseconds % 1'000'000};
  (void)::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  const auto* const to = reinterpret_cast<const sockaddr*>(&address);
  if (!socket || ::connect(socket.get(), to, sizeof address) != 0) {
    return Error::from_errno(errno, doing);
  }
  (void)::fcntl(socket.get(), F_SETFL, O_NONBLOCK);
  return socket;
}

Result<std::string> ask(const std::string& socket_path, const std::string& target, const std::string& request,
                        std::chrono::milliseconds timeout) {
  Result<UniqueFd> socket = connect(socket_path, timeout);
  if (!socket) {
    return socket.error();
  }
  const http::AnswerLimits limits{.body_bytes = kMaxAnswer};
  Result<http::Answer> answer = http::exchange(*socket, request, timeout, limits);
  if (!answer) {
    return Error(answer.error().code(), "wait for an answer on admin socket '" + socket_path + "'");
  }
  if (answer->status != kOk) {
    return Error::from_errno(EPROTO,
                             "ask admin socket '" + socket_path + "' for " + target + ": " + answer->body);
  }
  return std::move(answer->body);
}

std::string head_of(std::string_view method, const std::string& target) {
  return std::string(method) + " " + target + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";
}

}  // namespace

Result<std::string> get(const std::string& socket_path, const std::string& target,
                        std::chrono::milliseconds timeout) {
  return ask(socket_path, target, head_of("GET", target) + "\r\n", timeout);
}

Result<std::string> post(const std::string& socket_path, const std::string& target, const std::string& body,
                         std::chrono::milliseconds timeout) {
  const std::string length = "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n";
  return ask(socket_path, target, head_of("POST", target) + length + body, timeout);
}

Result<pid_t> server_process(const std::string& socket_path) {
  const Result<UniqueFd> socket = connect(socket_path, kConnectTime);
  if (!socket) {
    return socket.error();
  }
  ucred credentials{};  // of whoever called listen() (unix(7))
  socklen_t size = sizeof credentials;
  if (::getsockopt(socket->get(), SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
    return Error::from_errno(errno, "ask who listens on admin socket '" + socket_path + "'");
  }
  return credentials.pid;
}

}  // namespace msi2imds::admin
