// SPDX-License-Identifier: MIT
#include "supervisor/responder_process.hpp"

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "base/child.hpp"
#include "base/log.hpp"
#include "base/signals.hpp"
#include "confinement/privileges.hpp"

namespace msi2imds::supervisor {
namespace {

constexpr int kChannelFd = 3;  // where the responder's main expects it
constexpr int kEmptyDirectoryFd = 4;
constexpr int kReportFd = 5;
constexpr std::chrono::seconds kKilledEnds{1};  // then it is looked for anew: the kernel may need longer

// Sent through the report pipe when a step before exec fails; exec itself closes the pipe.
struct Failure {
  std::array<char, 32> step{};
  int err = 0;
};

// Closing a descriptor that was sent to us could make us wait. Kernels before 6.16 do not know the option;
// there only the responder's own filter keeps it from sending one.
void take_no_descriptors(const UniqueFd& channel) {
  constexpr int kPassRights = 83;  // SO_PASSRIGHTS
  const int off = 0;
  (void)::setsockopt(channel.get(), SOL_SOCKET, kPassRights, &off, sizeof off);
}

// Everything below runs in the child between fork and exec.
[[noreturn]] void fail(const char* step) {
  Failure failure{.err = errno};
  std::strncpy(failure.step.data(), step, failure.step.size() - 1);
  const ssize_t written = ::write(kReportFd, &failure, sizeof failure);
  ::_exit(written > 0 ? 127 : 126);  // nobody else can be told
}

void arrange_descriptors(int channel, int empty_directory, int report) {
  const int null = ::open("/dev/null", O_RDONLY);
  // First away from the numbers that are about to be taken.
  const int high_channel = ::fcntl(channel, F_DUPFD, 16);
  const int high_directory = ::fcntl(empty_directory, F_DUPFD, 16);
  const int high_report = ::fcntl(report, F_DUPFD, 16);
  if (null < 0 || high_channel < 0 || high_directory < 0 || high_report < 0 ||
      ::dup2(null, STDIN_FILENO) < 0 || ::dup2(high_directory, kEmptyDirectoryFd) < 0 ||
      ::dup2(STDERR_FILENO, STDOUT_FILENO) < 0 || ::dup2(high_channel, kChannelFd) < 0 ||
      ::dup2(high_report, kReportFd) < 0 || ::fcntl(kReportFd, F_SETFD, FD_CLOEXEC) != 0) {
    fail("arrange descriptors");
  }
  ::closefrom(kReportFd + 1);
}

[[noreturn]] void become_responder(const User& user, int channel, int empty_directory, int report) {
  arrange_descriptors(channel, empty_directory, report);
  ignore_signals();  // it answers what it has, and leaves when the channel closes
  (void)::setsid();
  (void)::umask(077);
  (void)::chdir("/");
  const rlimit no_core{.rlim_cur = 0, .rlim_max = 0};
  (void)::setrlimit(RLIMIT_CORE, &no_core);
  // It changes its root and its user itself: in an empty root there is no binary to execute. It gets no more
  // than that takes.
  confinement::bound_capabilities(
      confinement::set_of({CAP_SYS_ADMIN, CAP_SYS_CHROOT, CAP_SETUID, CAP_SETGID, CAP_SETPCAP}));

  // Not by path: after an upgrade on disk, the two processes must still be of one version.
  std::string uid = std::to_string(user.uid);
  std::string gid = std::to_string(user.gid);
  std::array<char*, 5> arguments = {const_cast<char*>("msi2imds"), const_cast<char*>("responder"), uid.data(),
                                    gid.data(), nullptr};
  const char* journal = std::getenv("JOURNAL_STREAM");
  const std::string journal_variable = std::string("JOURNAL_STREAM=") + (journal != nullptr ? journal : "");
  std::array<char*, 2> environment = {
      journal != nullptr ? const_cast<char*>(journal_variable.c_str()) : nullptr, nullptr};
  (void)::execve("/proc/self/exe", arguments.data(), environment.data());
  fail("run /proc/self/exe");
}

// Empty when the child got as far as exec.
Result<void> read_report(const UniqueFd& report, const User& user) {
  Failure failure;
  ssize_t size = 0;
  do {
    size = ::read(report.get(), &failure, sizeof failure);
  } while (size < 0 && errno == EINTR);
  if (size != sizeof failure) {
    return {};
  }
  failure.step.back() = '\0';
  return Error::from_errno(failure.err,
                           "start the responder as " + user.name + ": " + std::string(failure.step.data()));
}

}  // namespace

ResponderProcess::ResponderProcess(asio::io_context& io, pid_t pid, UniqueFd channel)
    : pid_(pid), channel_(io, std::move(channel), [this](const Error& why) {
        log::error("responder {} is ended, since it does not take what it is told: cannot {}", pid_,
                   why.message());
        kill();
      }) {}

Result<std::unique_ptr<ResponderProcess>> ResponderProcess::start(asio::io_context& io, const User& user,
                                                                  const UniqueFd& empty_directory) {
  Result<std::pair<UniqueFd, UniqueFd>> channel = control::Channel::make_pair();
  if (!channel) {
    return channel.error();
  }
  take_no_descriptors(channel->first);
  std::array<int, 2> pipe{};
  if (::pipe2(pipe.data(), O_CLOEXEC) != 0) {
    return Error::from_errno(errno, "make a pipe");
  }
  const UniqueFd report(pipe[0]);
  UniqueFd report_writer(pipe[1]);
  const pid_t pid = ::fork();
  if (pid < 0) {
    return Error::from_errno(errno, "fork the responder");
  }
  if (pid == 0) {
    become_responder(user, channel->second.get(), empty_directory.get(), report_writer.get());
  }
  report_writer.reset();
  channel->second.reset();
  // From here the destructor takes care of the process.
  std::unique_ptr<ResponderProcess> process(new ResponderProcess(io, pid, std::move(channel->first)));
  const Result<void> started = read_report(report, user);
  if (!started) {
    return started.error();
  }
  return process;
}

ResponderProcess::~ResponderProcess() {
  if (pid_ > 0) {
    kill();
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
}

void ResponderProcess::kill() const {
  if (pid_ > 0) {
    (void)::kill(pid_, SIGKILL);  // it may have ended by itself; unwaited, its number is not used again
  }
}

asio::awaitable<std::string> ResponderProcess::wait_for_end(std::chrono::milliseconds patience) {
  std::optional<int> status = co_await wait_for_child(pid_, patience);
  while (!status) {
    kill();
    status = co_await wait_for_child(pid_, kKilledEnds);
  }
  pid_ = -1;
  co_return describe_end(*status);
}

}  // namespace msi2imds::supervisor
