// SPDX-License-Identifier: MIT
#include "base/command.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <ctime>
#include <optional>
#include <utility>

#include "base/signals.hpp"
#include "base/unique_fd.hpp"

namespace msi2imds {
namespace {

using Deadline = std::chrono::steady_clock::time_point;

constexpr std::array<const char*, 4> kDirectories = {"/usr/sbin/", "/usr/bin/", "/sbin/", "/bin/"};
constexpr std::size_t kMostOutput = std::size_t{16} << 20;  // the rules of a host with thousands of services
constexpr std::size_t kMostError = std::size_t{64} << 10;
constexpr timespec kMoment{.tv_sec = 0, .tv_nsec = 1'000'000};

struct Pipe {
  UniqueFd reader;
  UniqueFd writer;
};

Result<Pipe> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    return Error::from_errno(errno, "make a pipe");
  }
  return Pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

// The end of a pipe that already holds all of `text`: nobody has to write while the program runs.
Result<UniqueFd> pipe_with(std::string_view text) {
  Result<Pipe> pipe = make_pipe();
  if (!pipe) {
    return pipe.error();
  }
  (void)::fcntl(pipe->writer.get(), F_SETFL, O_NONBLOCK);
  (void)::fcntl(pipe->writer.get(), F_SETPIPE_SZ, static_cast<int>(text.size()));  // 64 KiB do without
  const ssize_t written = text.empty() ? 0 : ::write(pipe->writer.get(), text.data(), text.size());
  if (written != static_cast<ssize_t>(text.size())) {
    return Error::from_errno(written < 0 ? errno : EMSGSIZE, "write the input into a pipe");
  }
  return std::move(pipe->reader);
}

// What the program inherits.
struct Stdio {
  int input = -1;
  int output = -1;
  int error = -1;
};

[[noreturn]] void become(const std::string& program, std::vector<char*>& arguments, const Stdio& stdio,
                         pid_t parent, int failure) {
  ignore_signals();  // a tool that is ended halfway leaves rules behind
  (void)::signal(SIGPIPE, SIG_DFL);
  // Otherwise it could still change rules when whoever cleans up after us is done.
  (void)::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  (void)::setpgid(0, 0);
  int reason = ENOENT;
  if (::getppid() == parent && ::dup2(stdio.input, STDIN_FILENO) >= 0 &&
      ::dup2(stdio.output, STDOUT_FILENO) >= 0 && ::dup2(stdio.error, STDERR_FILENO) >= 0) {
    std::string language = "LC_ALL=C";
    const std::array<char*, 2> environment = {language.data(), nullptr};
    for (const char* directory : kDirectories) {
      (void)::execve((directory + program).c_str(), arguments.data(), environment.data());
      if (errno != ENOENT) {
        reason = errno;
      }
    }
  }
  [[maybe_unused]] const ssize_t told = ::write(failure, &reason, sizeof reason);
  ::_exit(127);
}

// A program that runs; killed and reaped unless it has ended.
class Child {
 public:
  explicit Child(pid_t pid) : pid_(pid) {}
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (!status_) {
      (void)::kill(-pid_, SIGKILL);
      (void)::kill(pid_, SIGKILL);  // may not have a group of its own yet
      (void)wait(0);
    }
  }

  // Nothing, if it still runs then.
  std::optional<int> status_until(Deadline deadline) {
    while (!wait(WNOHANG) && std::chrono::steady_clock::now() < deadline) {
      (void)::nanosleep(&kMoment, nullptr);
    }
    return status_;
  }

 private:
  bool wait(int options) {
    int status = 0;
    pid_t ended = 0;
    do {
      ended = ::waitpid(pid_, &status, options);
    } while (ended < 0 && errno == EINTR);
    if (ended != 0) {
      status_ = ended < 0 ? -1 : status;
    }
    return ended != 0;
  }

  pid_t pid_;
  std::optional<int> status_;
};

// What comes through a pipe, until its other end is closed.
struct Collected {
  UniqueFd pipe;
  std::size_t limit;
  std::string text;
  bool too_long = false;

  void read_some() {
    std::array<char, 16384> part{};
    const ssize_t size = ::read(pipe.get(), part.data(), part.size());
    if (size < 0 && errno == EINTR) {
      return;
    }
    if (size <= 0) {
      pipe.reset();
      return;
    }
    const std::size_t kept = std::min(static_cast<std::size_t>(size), limit - text.size());
    text.append(part.data(), kept);
    too_long = too_long || kept < static_cast<std::size_t>(size);
  }
};

int milliseconds_until(Deadline deadline) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
  return static_cast<int>(std::max<std::int64_t>(left.count(), 0));
}

// Until both are closed, one is too long to go on, or it is too late.
void collect(Collected& output, Collected& error, Deadline deadline) {
  while ((output.pipe || error.pipe) && !output.too_long) {
    std::array<pollfd, 2> polled = {pollfd{.fd = output.pipe.get(), .events = POLLIN, .revents = 0},
                                    pollfd{.fd = error.pipe.get(), .events = POLLIN, .revents = 0}};
    const int ready = ::poll(polled.data(), polled.size(), milliseconds_until(deadline));
    if (ready == 0 || (ready < 0 && errno != EINTR)) {
      return;
    }
    if (ready > 0 && polled[0].revents != 0) {
      output.read_some();
    }
    if (ready > 0 && polled[1].revents != 0) {
      error.read_some();
    }
  }
}

// The errno of an exec that failed; 0 once it succeeded, which closes the pipe.
int failure_of_exec(const UniqueFd& pipe) {
  int reason = 0;
  ssize_t size = 0;
  do {
    size = ::read(pipe.get(), &reason, sizeof reason);
  } while (size < 0 && errno == EINTR);
  return size == sizeof reason ? reason : 0;
}

int exit_status_of(int status) {
  constexpr int kKilledBySignal = 128;
  return WIFEXITED(status) ? WEXITSTATUS(status) : kKilledBySignal + WTERMSIG(status);
}

}  // namespace

Result<CommandResult> SystemCommandRunner::run(const std::string& program,
                                               const std::vector<std::string>& arguments,
                                               std::string_view input) {
  const std::string context = "run " + program;
  Result<UniqueFd> stdin_pipe = pipe_with(input);
  Result<Pipe> stdout_pipe = make_pipe();
  Result<Pipe> stderr_pipe = make_pipe();
  Result<Pipe> failure_pipe = make_pipe();
  for (const Result<Pipe>* pipe : {&stdout_pipe, &stderr_pipe, &failure_pipe}) {
    if (!*pipe) {
      return pipe->error().within(context);
    }
  }
  if (!stdin_pipe) {
    return stdin_pipe.error().within(context);
  }
  std::vector<std::string> words = {program};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argument_pointers;
  argument_pointers.reserve(words.size() + 1);
  for (std::string& word : words) {
    argument_pointers.push_back(word.data());
  }
  argument_pointers.push_back(nullptr);

  const auto deadline = std::chrono::steady_clock::now() + patience_;
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) {
    return Error::from_errno(errno, context);
  }
  if (pid == 0) {
    const Stdio stdio = {
        .input = stdin_pipe->get(), .output = stdout_pipe->writer.get(), .error = stderr_pipe->writer.get()};
    become(program, argument_pointers, stdio, parent, failure_pipe->writer.get());
  }
  Child child(pid);
  stdin_pipe->reset();
  stdout_pipe->writer.reset();
  stderr_pipe->writer.reset();
  failure_pipe->writer.reset();
  if (const int reason = failure_of_exec(failure_pipe->reader); reason != 0) {
    return Error::from_errno(reason, context);
  }

  Collected output{.pipe = std::move(stdout_pipe->reader), .limit = kMostOutput, .text = {}};
  Collected error{.pipe = std::move(stderr_pipe->reader), .limit = kMostError, .text = {}};
  collect(output, error, deadline);
  if (output.too_long) {
    return Error::from_errno(EMSGSIZE, context);
  }
  const std::optional<int> status = child.status_until(deadline);
  if (!status) {
    return Error::from_errno(ETIMEDOUT, context);
  }
  return CommandResult{.exit_status = exit_status_of(*status),
                       .output = std::move(output.text),
                       .error = std::move(error.text)};
}

}  // namespace msi2imds
