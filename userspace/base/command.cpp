// SPDX-License-Identifier: MIT
#include "base/command.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <cerrno>
#include <csignal>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "base/child.hpp"
#include "base/pipe.hpp"
#include "base/signals.hpp"
#include "base/unique_fd.hpp"

namespace msi2imds {
namespace {

using Deadline = std::chrono::steady_clock::time_point;

constexpr std::array<const char*, 4> kDirectories = {"/usr/sbin/", "/usr/bin/", "/sbin/", "/bin/"};
constexpr std::size_t kMostOutput = std::size_t{16} << 20;  // the rules of a host with thousands of services
constexpr std::size_t kMostError = std::size_t{64} << 10;
constexpr std::size_t kFailureSize = sizeof(int);

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
  // Otherwise it could still change rules after our guard has cleaned up.
  (void)::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  (void)::setpgid(0, 0);
  int reason = ENOENT;
  if (::getppid() == parent && ::dup2(stdio.input, STDIN_FILENO) >= 0 &&
      ::dup2(stdio.output, STDOUT_FILENO) >= 0 && ::dup2(stdio.error, STDERR_FILENO) >= 0) {
    std::string language = "LC_ALL=C";
    const std::array<char*, 2> environment = {language.data(), nullptr};
    for (const char* directory : kDirectories) {
      const std::string path = program.starts_with('/') ? program : directory + program;
      (void)::execve(path.c_str(), arguments.data(), environment.data());
      if (errno != ENOENT) {
        reason = errno;
      }
    }
  }
  [[maybe_unused]] const ssize_t told = ::write(failure, &reason, sizeof reason);
  ::_exit(127);
}

// A program that runs; killed and reaped unless somebody has collected it.
class Child {
 public:
  explicit Child(pid_t pid) : pid_(pid) {}
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (pid_ > 0) {
      (void)::kill(-pid_, SIGKILL);  // with all that it has started
      (void)::kill(pid_, SIGKILL);   // may not have a group of its own yet
      while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
      }
    }
  }

  // Kills what a program has left running that has ended itself.
  void end_what_is_left() const {
    siginfo_t ended{};
    // Not reaped yet, so that the number of its group is still its own.
    if (::waitid(P_PID, static_cast<id_t>(pid_), &ended, WEXITED | WNOHANG | WNOWAIT) == 0 &&
        ended.si_pid == pid_) {
      (void)::kill(-pid_, SIGKILL);
    }
  }

  // How it ended. Nothing, if it still ran at the deadline.
  asio::awaitable<std::optional<int>> wait(Deadline deadline) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    const std::optional<int> status = co_await wait_for_child(pid_, left);
    if (status) {
      pid_ = -1;
    }
    co_return status;
  }

 private:
  pid_t pid_;
};

// What comes through a pipe, until its other end is closed.
struct Collected {
  Collected(const asio::any_io_executor& executor, UniqueFd reader, std::size_t most)
      : pipe(executor, reader.release()), limit(most) {}

  asio::posix::stream_descriptor pipe;
  std::size_t limit;
  std::string text = {};
  bool too_long = false;
  std::array<char, 16384> part = {};

  void take(std::size_t size) {
    const std::size_t kept = std::min(size, limit - text.size());
    text.append(part.data(), kept);
    too_long = too_long || kept < size;
  }
};

// The three pipes out of a program, which are read at once: it may fill any of them first.
struct Pipes {
  Collected failure;  // the errno of an exec that failed; nothing once it succeeded
  Collected output;
  Collected error;
  asio::steady_timer news;  // its wait ends early when one of them is closed or too long

  [[nodiscard]] bool are_open() const {
    return failure.pipe.is_open() || output.pipe.is_open() || error.pipe.is_open();
  }
};

// A read that is under way keeps `pipes` alive.
void collect(const std::shared_ptr<Pipes>& pipes, Collected& collected) {
  collected.pipe.async_read_some(asio::buffer(collected.part),
                                 [pipes, &collected](const boost::system::error_code& ec, std::size_t size) {
                                   collected.take(size);
                                   if (ec) {
                                     boost::system::error_code ignored;
                                     (void)collected.pipe.close(ignored);
                                   } else {
                                     collect(pipes, collected);
                                   }
                                   if (ec || collected.too_long) {
                                     (void)pipes->news.cancel();
                                   }
                                 });
}

// A program that was started, and what we hold of it.
struct Started {
  pid_t pid = -1;
  UniqueFd failure;
  UniqueFd output;
  UniqueFd error;
};

// Closes the pipes when it is destroyed, which also ends the reads that are under way.
class Reading {
 public:
  Reading(const asio::any_io_executor& executor, Started started)
      : pipes_(std::make_shared<Pipes>(
            Pipes{.failure = Collected(executor, std::move(started.failure), kFailureSize),
                  .output = Collected(executor, std::move(started.output), kMostOutput),
                  .error = Collected(executor, std::move(started.error), kMostError),
                  .news = asio::steady_timer(executor)})) {}
  Reading(const Reading&) = delete;
  Reading& operator=(const Reading&) = delete;
  ~Reading() {
    boost::system::error_code ignored;
    for (Collected* collected : {&pipes_->failure, &pipes_->output, &pipes_->error}) {
      (void)collected->pipe.close(ignored);
    }
  }

  [[nodiscard]] Pipes& pipes() const {
    return *pipes_;
  }
  [[nodiscard]] const std::shared_ptr<Pipes>& shared() const {
    return pipes_;
  }

 private:
  std::shared_ptr<Pipes> pipes_;
};

// Until all are closed, the output is too long to go on, or it is too late.
asio::awaitable<void> collect_all(std::shared_ptr<Pipes> pipes, Deadline deadline) {
  for (Collected* collected : {&pipes->failure, &pipes->output, &pipes->error}) {
    collect(pipes, *collected);
  }
  while (pipes->are_open() && !pipes->output.too_long && std::chrono::steady_clock::now() < deadline) {
    pipes->news.expires_at(deadline);
    (void)co_await pipes->news.async_wait(kAsTuple);
  }
}

// The errno of an exec that failed, as the child has told it.
std::optional<int> failure_of_exec(const std::string& told) {
  if (told.size() != kFailureSize) {
    return std::nullopt;
  }
  int reason = 0;
  std::copy_n(told.data(), kFailureSize, reinterpret_cast<char*>(&reason));
  return reason;
}

int exit_status_of(int status) {
  constexpr int kKilledBySignal = 128;
  return WIFEXITED(status) ? WEXITSTATUS(status) : kKilledBySignal + WTERMSIG(status);
}

Result<Started> start(const std::string& program, std::vector<std::string> arguments,
                      std::string_view input) {
  Result<UniqueFd> stdin_pipe = pipe_with(input);
  Result<Pipe> stdout_pipe = make_pipe();
  Result<Pipe> stderr_pipe = make_pipe();
  Result<Pipe> failure_pipe = make_pipe();
  for (const Result<Pipe>* pipe : {&stdout_pipe, &stderr_pipe, &failure_pipe}) {
    if (!*pipe) {
      return pipe->error();
    }
  }
  if (!stdin_pipe) {
    return stdin_pipe.error();
  }
  std::string name = program;
  std::vector<char*> argument_pointers = {name.data()};
  for (std::string& argument : arguments) {
    argument_pointers.push_back(argument.data());
  }
  argument_pointers.push_back(nullptr);

  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) {
    return Error::from_errno(errno, "fork");
  }
  if (pid == 0) {
    const Stdio stdio = {
        .input = stdin_pipe->get(), .output = stdout_pipe->writer.get(), .error = stderr_pipe->writer.get()};
    become(program, argument_pointers, stdio, parent, failure_pipe->writer.get());
  }
  return Started{.pid = pid,
                 .failure = std::move(failure_pipe->reader),
                 .output = std::move(stdout_pipe->reader),
                 .error = std::move(stderr_pipe->reader)};
}

}  // namespace

asio::awaitable<Result<CommandResult>> SystemCommandRunner::run(std::string program,
                                                                std::vector<std::string> arguments,
                                                                std::string input) {
  const auto deadline = std::chrono::steady_clock::now() + patience_;
  const std::string context = "run " + program;
  Result<Started> started = start(program, std::move(arguments), input);
  if (!started) {
    co_return started.error().within(context);
  }
  Child child(started->pid);  // killed when a cancellation ends us
  const Reading reading(co_await asio::this_coro::executor, std::move(*started));
  Pipes& pipes = reading.pipes();
  co_await collect_all(reading.shared(), deadline);
  if (pipes.are_open()) {
    child.end_what_is_left();
  }
  if (const auto reason = failure_of_exec(pipes.failure.text)) {
    co_return Error::from_errno(*reason, context);
  }
  if (pipes.output.too_long) {
    co_return Error::from_errno(EMSGSIZE, context);
  }
  const std::optional<int> status = co_await child.wait(deadline);
  if (!status) {
    co_return Error::from_errno(ETIMEDOUT, context);
  }
  co_return CommandResult{.exit_status = exit_status_of(*status),
                          .output = std::move(pipes.output.text),
                          .error = std::move(pipes.error.text)};
}

}  // namespace msi2imds
