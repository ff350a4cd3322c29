// SPDX-License-Identifier: MIT
#include "supervisor/running_process.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <string_view>
#include <utility>

#include "admin/client.hpp"

namespace msi2imds::supervisor {
namespace {

constexpr std::chrono::milliseconds kLookAgain{20};
constexpr std::size_t kLongestFile = 4096;

// The beginning of one of its files.
std::string read_file(const UniqueFd& directory, const char* name) {
  const UniqueFd file(::openat(directory.get(), name, O_RDONLY | O_CLOEXEC));
  std::array<char, kLongestFile> text{};
  const ssize_t size = file ? ::read(file.get(), text.data(), text.size()) : -1;
  return {text.data(), size > 0 ? static_cast<std::size_t>(size) : 0};
}

// "PID (NAME) STATE ..." (proc(5)).
bool tells_of_running(const std::string& stat) {
  const std::size_t state = stat.rfind(") ") + 2;
  return !stat.empty() && state < stat.size() && stat[state] != 'Z' && stat[state] != 'X';
}

UniqueFd open_process(pid_t pid) {
  const std::string path = "/proc/" + std::to_string(pid);
  return UniqueFd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

}  // namespace

bool is_running(pid_t pid) {
  const UniqueFd directory = open_process(pid);
  return directory && tells_of_running(read_file(directory, "stat"));
}

RunningProcess::RunningProcess(pid_t pid, UniqueFd directory) : pid_(pid), directory_(std::move(directory)) {}

std::optional<RunningProcess> RunningProcess::find(const std::string& admin_socket) {
  const Result<pid_t> pid = admin::server_process(admin_socket);
  if (!pid || *pid <= 0) {  // 0: in another container, out of our reach
    return std::nullopt;
  }
  UniqueFd directory = open_process(*pid);
  if (!directory) {
    return std::nullopt;
  }
  return RunningProcess(*pid, std::move(directory));
}

// Its arguments tell that also while it starts, and when it does not answer any more.
bool RunningProcess::observes() const {
  constexpr std::string_view kOption("\0--observe", 10);
  return read_file(directory_, "cmdline").find(kOption) != std::string::npos;
}

std::optional<Capabilities> RunningProcess::capabilities() const {
  constexpr std::string_view kName = "\nCapPrm:\t";
  const std::string text = read_file(directory_, "status");
  const std::size_t found = text.find(kName);
  Capabilities capabilities = 0;
  const char* const value = text.data() + found + kName.size();
  if (found == std::string::npos ||
      std::from_chars(value, text.data() + text.size(), capabilities, 16).ec != std::errc()) {
    return std::nullopt;
  }
  return capabilities;
}

bool RunningProcess::is_there() const {
  return tells_of_running(read_file(directory_, "stat"));
}

asio::awaitable<bool> RunningProcess::end(int signal, std::chrono::milliseconds patience) const {
  if (::kill(pid_, signal) != 0) {
    co_return errno == ESRCH;
  }
  asio::steady_timer timer(co_await asio::this_coro::executor);
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (is_there() && std::chrono::steady_clock::now() < deadline) {
    timer.expires_after(kLookAgain);
    (void)co_await timer.async_wait(kAsTuple);
  }
  co_return !is_there();
}

}  // namespace msi2imds::supervisor
