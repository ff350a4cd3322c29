// SPDX-License-Identifier: MIT
#include "supervisor/service_manager.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>

#include "base/command.hpp"
#include "base/log.hpp"
#include "base/message.hpp"
#include "base/text.hpp"

namespace msi2imds::supervisor {
namespace {

constexpr int kFirstInherited = 3;
constexpr int kMaxInherited = 64;

template <typename Number>
std::optional<Number> number_in_environment(const char* name) {
  const char* text = std::getenv(name);
  return text != nullptr ? parse_number<Number>(text) : std::nullopt;
}

bool is_meant_for_us(const char* pid_variable) {
  const auto pid = number_in_environment<pid_t>(pid_variable);
  return pid && *pid == ::getpid();
}

// More are of no use to anybody: the oldest go.
constexpr std::size_t kMostKept = 64;

// Passes the descriptor along unless it is -1. Returns an errno.
int send_to(std::string_view path, std::string_view state, int descriptor) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return EINVAL;
  }
  std::copy_n(path.data(), path.size(), static_cast<char*>(address.sun_path));
  if (address.sun_path[0] == '@') {
    address.sun_path[0] = '\0';  // the abstract namespace
  }
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
  const UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const bool sent =
      socket && send_message(socket.get(), state, descriptor,
                             {.address = reinterpret_cast<const sockaddr*>(&address), .size = size});
  return sent ? 0 : errno;
}

}  // namespace

bool has_service_manager() {
  return std::getenv("NOTIFY_SOCKET") != nullptr;
}

void ServiceManager::send(std::string_view state, int descriptor) {
  if (!has_service_manager()) {
    return;
  }
  if (!kept_.empty() && kept_.back().state == state) {
    deliver();  // another WATCHDOG=1 tells nothing new
    return;
  }
  Message message{.state = std::string(state), .descriptor = {}};
  if (descriptor >= 0) {
    message.descriptor = UniqueFd(::fcntl(descriptor, F_DUPFD_CLOEXEC, 0));
  }
  kept_.push_back(std::move(message));
  if (kept_.size() > kMostKept) {
    kept_.pop_front();
  }
  deliver();
}

void ServiceManager::deliver() {
  const char* path = std::getenv("NOTIFY_SOCKET");
  while (path != nullptr && !kept_.empty()) {
    const int failure = send_to(path, kept_.front().state, kept_.front().descriptor.get());
    if (failure == EAGAIN) {
      return;  // it does not read at present
    }
    if (failure != 0) {
      log::warn("the service manager at {} was not told: {}", path, std::strerror(failure));
    }
    kept_.pop_front();
  }
}

void ServiceManager::notify(std::string_view state) {
  send(state, -1);
}

void ServiceManager::store_descriptor(std::string_view name, int descriptor) {
  send("FDSTORE=1\nFDNAME=" + std::string(name), descriptor);
}

void ServiceManager::remove_stored_descriptor(std::string_view name) {
  send("FDSTOREREMOVE=1\nFDNAME=" + std::string(name), -1);
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

std::vector<UniqueFd> take_inherited_descriptors() {
  std::vector<UniqueFd> descriptors;
  const auto count = number_in_environment<int>("LISTEN_FDS");
  if (count && is_meant_for_us("LISTEN_PID")) {
    for (int fd = kFirstInherited; fd < kFirstInherited + std::min(*count, kMaxInherited); ++fd) {
      if (::fcntl(fd, F_SETFD, FD_CLOEXEC) == 0) {  // fails for a descriptor that is not there
        descriptors.emplace_back(fd);
      }
    }
  }
  for (const char* name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) {
    (void)::unsetenv(name);
  }
  return descriptors;
}

asio::awaitable<bool> are_inherited_sockets_going() {
  if (!has_service_manager()) {
    co_return false;
  }
  constexpr std::chrono::milliseconds kJobPatience{2000};
  SystemCommandRunner runner(kJobPatience);
  std::vector<std::string> arguments = {"show", "--property=Job", "msi2imds.socket"};
  const Result<CommandResult> shown = co_await runner.run("systemctl", std::move(arguments), "");
  if (!shown || shown->exit_status != 0) {
    co_return false;
  }
  // "Job=4711"; 0 or nothing: none is queued.
  const std::string_view text = shown->output;
  constexpr std::string_view kName = "Job=";
  co_return text.starts_with(kName) && text.size() > kName.size() && text[kName.size()] >= '1' &&
      text[kName.size()] <= '9';
}

}  // namespace msi2imds::supervisor
