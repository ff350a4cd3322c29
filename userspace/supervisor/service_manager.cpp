// SPDX-License-Identifier: MIT
#include "supervisor/service_manager.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "base/command.hpp"
#include "base/log.hpp"

namespace msi2imds::supervisor {
namespace {

constexpr int kFirstInherited = 3;
constexpr int kMaxInherited = 64;

template <typename Number>
std::optional<Number> number_in_environment(const char* name) {
  const char* text = std::getenv(name);
  if (text == nullptr) {
    return std::nullopt;
  }
  Number number{};
  const char* end = text + std::strlen(text);
  const auto [parsed, ec] = std::from_chars(text, end, number);
  return ec == std::errc() && parsed == end ? std::optional(number) : std::nullopt;
}

bool is_meant_for_us(const char* pid_variable) {
  const auto pid = number_in_environment<pid_t>(pid_variable);
  return pid && *pid == ::getpid();
}

}  // namespace

bool has_service_manager() {
  return std::getenv("NOTIFY_SOCKET") != nullptr;
}

void notify_service_manager(std::string_view state) {
  const char* path = std::getenv("NOTIFY_SOCKET");
  if (path == nullptr) {
    return;
  }
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::size_t length = std::strlen(path);
  if (length == 0 || length >= sizeof address.sun_path) {
    return;
  }
  std::copy_n(path, length, static_cast<char*>(address.sun_path));
  if (address.sun_path[0] == '@') {
    address.sun_path[0] = '\0';  // the abstract namespace
  }
  const UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length);
  if (!socket || ::sendto(socket.get(), state.data(), state.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
                          reinterpret_cast<const sockaddr*>(&address), size) < 0) {
    log::warn("notify the service manager at {}: {}", path, std::strerror(errno));
  }
}

std::optional<std::chrono::microseconds> watchdog_interval() {
  const auto microseconds = number_in_environment<std::int64_t>("WATCHDOG_USEC");
  if (!microseconds || *microseconds <= 0) {
    return std::nullopt;
  }
  if (std::getenv("WATCHDOG_PID") != nullptr && !is_meant_for_us("WATCHDOG_PID")) {
    return std::nullopt;
  }
  return std::chrono::microseconds(*microseconds / 2);
}

std::vector<UniqueFd> take_inherited_sockets() {
  std::vector<UniqueFd> sockets;
  const auto count = number_in_environment<int>("LISTEN_FDS");
  if (count && is_meant_for_us("LISTEN_PID")) {
    for (int fd = kFirstInherited; fd < kFirstInherited + std::min(*count, kMaxInherited); ++fd) {
      if (::fcntl(fd, F_SETFD, FD_CLOEXEC) == 0) {  // fails for a descriptor that is not there
        sockets.emplace_back(fd);
      }
    }
  }
  for (const char* name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) {
    (void)::unsetenv(name);
  }
  return sockets;
}

bool are_inherited_sockets_going() {
  if (!has_service_manager()) {
    return false;
  }
  constexpr std::chrono::milliseconds kJobPatience{2000};
  const Result<CommandResult> shown =
      SystemCommandRunner(kJobPatience).run("systemctl", {"show", "--property=Job", "msi2imds.socket"}, "");
  if (!shown || shown->exit_status != 0) {
    return false;
  }
  // "Job=4711"; 0 or nothing: none is queued.
  const std::string_view text = shown->output;
  constexpr std::string_view kName = "Job=";
  return text.starts_with(kName) && text.size() > kName.size() && text[kName.size()] >= '1' &&
         text[kName.size()] <= '9';
}

}  // namespace msi2imds::supervisor
