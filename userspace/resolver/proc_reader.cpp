// SPDX-License-Identifier: MIT
#include "resolver/proc_reader.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <span>
#include <string_view>
#include <utility>

#include "base/signals.hpp"

namespace msi2imds::resolver {
namespace {

constexpr int kMostPatience = 10;  // further deadlines, while it is runnable and gets no processor

// A message of the reader's is the process's start, then its identity.
using Started = std::int64_t;
constexpr std::size_t kMostBytes = sizeof(Started) + caller::kLongestIdentity;

[[noreturn]] void answer_questions(int socket, const std::string& proc, int cgroup_root) {
  Identifier identifier(proc, UniqueFd(cgroup_root));
  std::vector<caller::Clues> questions(ProcReader::kMostQuestions);
  while (true) {
    const ssize_t size = ::recv(socket, questions.data(), questions.size() * sizeof(caller::Clues), 0);
    if (size <= 0) {
      ::_exit(0);  // the parent is gone
    }
    const std::span<const caller::Clues> asked(questions.data(),
                                               static_cast<std::size_t>(size) / sizeof(caller::Clues));
    for (const Found& found : identifier.identify(asked)) {
      std::string answer(sizeof found.started, '\0');
      std::memcpy(answer.data(), &found.started, sizeof found.started);
      answer += caller::serialize(found.identity);
      if (::send(socket, answer.data(), answer.size(), MSG_NOSIGNAL) < 0) {
        ::_exit(0);
      }
    }
  }
}

[[noreturn]] void become_reader(int socket, pid_t parent, const std::string& proc, int cgroup_root) {
  (void)::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  if (::getppid() != parent) {
    ::_exit(0);
  }
  ignore_signals();
  (void)::setsid();
  (void)::prctl(PR_SET_NAME, "msi2imds-proc", 0, 0, 0);
  constexpr int kSocket = 3;
  constexpr int kCgroupRoot = 4;
  const int high_socket = ::fcntl(socket, F_DUPFD_CLOEXEC, 16);
  const int high_root = cgroup_root < 0 ? -1 : ::fcntl(cgroup_root, F_DUPFD_CLOEXEC, 16);
  (void)::dup2(high_socket, kSocket);
  const int root = high_root < 0 ? -1 : ::dup2(high_root, kCgroupRoot);
  // No socket may stay open here: callers would wait in its backlog for nobody.
  ::closefrom(root < 0 ? kSocket + 1 : kCgroupRoot + 1);
  answer_questions(kSocket, proc, root);
}

}  // namespace

ProcReader::ProcReader(asio::io_context& io, pid_t pid, UniqueFd socket)
    : pid_(pid),
      socket_(io, socket.release()),
      timer_(io),
      room_(std::make_unique_for_overwrite<char[]>(kMostBytes)) {}

Result<std::unique_ptr<ProcReader>> ProcReader::start(asio::io_context& io, const std::string& proc,
                                                      int cgroup_root) {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return Error::from_errno(errno, "make a socketpair for the reader of /proc");
  }
  UniqueFd ours(ends[0]);
  const UniqueFd theirs(ends[1]);
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) {
    return Error::from_errno(errno, "fork the reader of /proc");
  }
  if (pid == 0) {
    become_reader(theirs.get(), parent, proc, cgroup_root);
  }
  return std::unique_ptr<ProcReader>(new ProcReader(io, pid, std::move(ours)));
}

ProcReader::~ProcReader() {
  (void)::kill(pid_, SIGKILL);  // unwaited, its number is not used again
  // A reader that waits for a file server cannot be ended: init reaps it, after us.
  for (int i = 0; i < 100 && ::waitpid(pid_, nullptr, WNOHANG) == 0; ++i) {
    (void)::poll(nullptr, 0, 1);
  }
}

bool ProcReader::ask(const std::vector<caller::Clues>& questions) {
  return ::send(socket_.native_handle(), questions.data(), questions.size() * sizeof(caller::Clues),
                MSG_NOSIGNAL | MSG_DONTWAIT) >= 0;
}

asio::awaitable<std::optional<ProcReader::Answer>> ProcReader::receive(std::chrono::milliseconds time) {
  auto deadline = std::chrono::steady_clock::now() + time;
  const auto last = deadline + kMostPatience * time;
  while (true) {
    // MSG_TRUNC: the size is that of the whole message.
    const ssize_t size = ::recv(socket_.native_handle(), room_.get(), kMostBytes, MSG_DONTWAIT | MSG_TRUNC);
    if (size >= static_cast<ssize_t>(sizeof(Started)) && size <= static_cast<ssize_t>(kMostBytes)) {
      Answer answer;
      std::memcpy(&answer.started, room_.get(), sizeof(Started));
      answer.identity.assign(room_.get() + sizeof(Started), static_cast<std::size_t>(size) - sizeof(Started));
      co_return answer;
    }
    if (size >= 0 || errno != EAGAIN) {
      co_return std::nullopt;
    }
    timer_.expires_at(deadline);
    timer_.async_wait([this](const boost::system::error_code& ec) {
      if (!ec) {
        socket_.cancel();
      }
    });
    const auto [ec] = co_await socket_.async_wait(asio::posix::stream_descriptor::wait_read, kAsTuple);
    timer_.cancel();
    if (!ec) {
      continue;
    }
    // On a busy machine it may not have run yet; a reader that hangs is asleep instead.
    if (!is_runnable() || deadline >= last) {
      co_return std::nullopt;
    }
    deadline += time;
  }
}

// By the third field of its stat, which the kernel writes without waiting for it.
bool ProcReader::is_runnable() const {
  const UniqueFd file(::open(("/proc/" + std::to_string(pid_) + "/stat").c_str(), O_RDONLY | O_CLOEXEC));
  std::array<char, 128> text{};
  const ssize_t size = ::read(file.get(), text.data(), text.size());
  const std::string_view stat(text.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
  return stat.find(") R") != std::string_view::npos;
}

}  // namespace msi2imds::resolver
