// SPDX-License-Identifier: MIT
#include "base/command.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <csignal>

#include "base/run_to_end.hpp"
#include "support_cpp/run.hpp"
#include "support_cpp/sockets.hpp"
#include "support_cpp/temporary_directory.hpp"

namespace msi2imds {
namespace {

CommandResult run_shell(const std::string& script, const std::string& input = {}) {
  auto result = run_to_end(SystemCommandRunner().run("sh", {"-c", script}, input));
  EXPECT_TRUE(result) << result.error().message();
  return result ? *result : CommandResult();
}

TEST(SystemCommandRunnerTest, TellsOutputErrorAndExitStatusApart) {
  const CommandResult result = run_shell("echo out; echo err >&2; exit 3");
  EXPECT_EQ(result.output, "out\n");
  EXPECT_EQ(result.error, "err\n");
  EXPECT_EQ(result.exit_status, 3);
}

TEST(SystemCommandRunnerTest, FeedsTheInputAndEndsIt) {
  EXPECT_EQ(run_shell("cat", "two\nlines\n").output, "two\nlines\n");
  EXPECT_EQ(run_shell("cat").output, "");
  const std::string large(200'000, 'x');
  EXPECT_EQ(run_shell("cat", large).output, large);
}

TEST(SystemCommandRunnerTest, ToleratesAProgramThatReadsNothing) {
  EXPECT_EQ(run_shell("exit 0", std::string(60'000, 'x')).exit_status, 0);
}

TEST(SystemCommandRunnerTest, PassesArgumentsAsTheyAre) {
  const auto result = run_to_end(SystemCommandRunner().run("echo", {"a b", "$HOME", "*", ";", ""}, {}));
  ASSERT_TRUE(result);
  EXPECT_EQ(result->output, "a b $HOME * ; \n");
}

TEST(SystemCommandRunnerTest, StartsAProgramByItsPath) {
  const auto result = run_to_end(SystemCommandRunner().run("/proc/self/exe", {"--gtest_list_tests"}, {}));
  ASSERT_TRUE(result);
  EXPECT_NE(result->output.find("StartsAProgramByItsPath"), std::string::npos);
}

TEST(SystemCommandRunnerTest, GivesTheProgramNothingOfOurEnvironment) {
  ::setenv("LD_DEBUG_OUTPUT", "/nowhere", 1);
  const auto result = run_to_end(SystemCommandRunner().run("env", {}, {}));
  ::unsetenv("LD_DEBUG_OUTPUT");
  ASSERT_TRUE(result);
  EXPECT_EQ(result->output, "LC_ALL=C\n");
}

TEST(SystemCommandRunnerTest, GivesTheProgramOnlyStdio) {
  constexpr int kMany = 1024;
  for (int fd = STDERR_FILENO + 1; fd < kMany; ++fd) {
    (void)::fcntl(fd, F_SETFD, FD_CLOEXEC);  // those of whoever runs the tests
  }
  // ls has the directory itself open as well.
  EXPECT_EQ(run_shell("ls /proc/self/fd").output, "0\n1\n2\n3\n");
}

TEST(SystemCommandRunnerTest, BlocksNoSignal) {
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::sigprocmask(SIG_BLOCK, &all, &before);
  const std::string status = run_shell("grep SigBlk /proc/self/status").output;
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
  EXPECT_EQ(status, "SigBlk:\t0000000000000000\n");
}

TEST(SystemCommandRunnerTest, LetsTheProgramFinishWhateverIsSentToAllProcesses) {
  for (const char* signal : {"HUP", "INT", "QUIT", "ABRT", "USR1", "USR2", "ALRM", "TERM", "RTMIN"}) {
    EXPECT_EQ(run_shell(std::string("kill -") + signal + " $$; echo done").output, "done\n") << signal;
  }
}

TEST(SystemCommandRunnerTest, LetsAProgramEndThatWritesForNobody) {
  EXPECT_EQ(run_shell("(kill -PIPE $(exec sh -c 'echo $PPID'); echo goes on) | cat").output, "");
}

TEST(SystemCommandRunnerTest, FailsWithoutTheProgram) {
  for (const char* name : {"no-such-program", "sub/sh", ""}) {
    const auto result = run_to_end(SystemCommandRunner().run(name, {}, {}));
    ASSERT_FALSE(result) << name;
    EXPECT_TRUE(result.error().code().value() == ENOENT || result.error().code().value() == EACCES) << name;
  }
}

TEST(SystemCommandRunnerTest, LooksOnlyInTheSystemsDirectories) {
  const std::string path = std::getenv("PATH");
  ::setenv("PATH", "/proc/self/cwd", 1);
  EXPECT_EQ(run_shell("echo found").output, "found\n");
  ::setenv("PATH", path.c_str(), 1);
}

TEST(SystemCommandRunnerTest, KillsWhatTakesTooLong) {
  const auto begin = std::chrono::steady_clock::now();
  for (const char* script : {"sleep 60", "exec >&- 2>&-; sleep 60", "trap '' TERM; sleep 60 & wait"}) {
    const auto result =
        run_to_end(SystemCommandRunner(std::chrono::milliseconds(50)).run("sh", {"-c", script}, {}));
    ASSERT_FALSE(result) << script;
    EXPECT_EQ(result.error().code().value(), ETIMEDOUT);
    EXPECT_EQ(result.error().message(), "run sh: Connection timed out");
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
}

TEST(SystemCommandRunnerTest, TellsOfASignal) {
  EXPECT_EQ(run_shell("kill -9 $$").exit_status, 128 + SIGKILL);
}

TEST(SystemCommandRunnerTest, TakesMuchOutputButNotWithoutEnd) {
  EXPECT_EQ(run_shell("head -c 3000000 /dev/zero").output.size(), 3'000'000U);
  const auto endless = run_to_end(SystemCommandRunner().run("cat", {"/dev/zero"}, {}));
  ASSERT_FALSE(endless);
  EXPECT_EQ(endless.error().code().value(), EMSGSIZE);
}

// It would hold up nobody, but stay for as long as it likes.
TEST(SystemCommandRunnerTest, KillsWhatAnEndedProgramHasLeftAtTheDeadline) {
  ASSERT_EQ(::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
  const auto result = run_to_end(SystemCommandRunner(std::chrono::milliseconds(1500))
                                     .run("sh", {"-c", "sleep 1000 & echo $!; exit 3"}, {}));
  ASSERT_TRUE(result) << result.error().message();
  EXPECT_EQ(result->exit_status, 3);
  int status = 0;
  ASSERT_EQ(::waitpid(std::stoi(result->output), &status, 0), std::stoi(result->output));
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  ASSERT_EQ(::prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0), 0);
}

TEST(SystemCommandRunnerTest, CutsWhatGoesToStderr) {
  const CommandResult result = run_shell("head -c 3000000 /dev/zero >&2; echo done");
  EXPECT_EQ(result.error.size(), 65536U);
  EXPECT_EQ(result.output, "done\n");
}

TEST(SystemCommandRunnerTest, ReadsOutputAndErrorsAtOnce) {
  const CommandResult result = run_shell("head -c 300000 /dev/zero >&2; head -c 300000 /dev/zero; exit 7");
  EXPECT_EQ(result.output.size(), 300'000U);
  EXPECT_EQ(result.error.size(), 65536U);
  EXPECT_EQ(result.exit_status, 7);
}

TEST(SystemCommandRunnerTest, WaitsForAProgramThatHasClosedItsOutput) {
  EXPECT_EQ(run_shell("exec >&- 2>&-; sleep 0.1; exit 7").exit_status, 7);
}

class EventLoopTest : public testing::Test {
 protected:
  // The program ends once it reads what somebody else on the same loop writes.
  EventLoopTest() {
    EXPECT_EQ(::mkfifo(fifo_.c_str(), 0600), 0);
  }

  [[nodiscard]] std::string reads_fifo() const {
    return "cat '" + fifo_ + "'";
  }

  support::TemporaryDirectory directory_;
  std::string fifo_ = directory_.file("fifo");
  asio::io_context io_;
  asio::steady_timer timer_{io_};  // makes the loop open what it needs
  SystemCommandRunner runner_{std::chrono::minutes(1)};
};

TEST_F(EventLoopTest, GoesOnWhileProgramsRun) {
  support::Started<Result<CommandResult>> reader(io_, runner_.run("sh", {"-c", reads_fifo()}, {}));
  EXPECT_FALSE(reader.is_done());
  const std::string write = "echo word > '" + fifo_ + "'";
  support::Started<Result<CommandResult>> writer(io_, runner_.run("sh", {"-c", write}, {}));
  EXPECT_EQ(reader.get()->output, "word\n");
  EXPECT_EQ(writer.get()->exit_status, 0);
}

TEST_F(EventLoopTest, KillsTheProgramOfACoroutineThatIsCancelled) {
  const auto descriptors = support::count_open_descriptors();
  asio::cancellation_signal cancel;
  bool is_over = false;
  asio::co_spawn(
      io_, runner_.run("sh", {"-c", reads_fifo()}, {}),
      asio::bind_cancellation_slot(cancel.slot(), [&is_over](const std::exception_ptr& exception,
                                                             const Result<CommandResult>& /*result*/) {
        is_over = exception != nullptr;
      }));
  io_.poll();
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), 0) << "it runs";
  cancel.emit(asio::cancellation_type::terminal);
  EXPECT_TRUE(support::run_until(io_, [&is_over] { return is_over; }));
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "killed and reaped";
  io_.poll();
  EXPECT_EQ(support::count_open_descriptors(), descriptors);
}

TEST_F(EventLoopTest, KillsTheProgramWhenItEndsItself) {
  {
    asio::io_context io;
    const support::Started<Result<CommandResult>> started(io, runner_.run("sh", {"-c", reads_fifo()}, {}));
    EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), 0) << "it runs";
  }
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "killed and reaped";
}

TEST(SystemCommandRunnerTest, LeavesNoDescriptorAndNoProcess) {
  const auto descriptors = support::count_open_descriptors();
  (void)run_shell("true");
  (void)run_to_end(SystemCommandRunner().run("no-such-program", {}, {}));
  (void)run_to_end(SystemCommandRunner(std::chrono::milliseconds(10)).run("sleep", {"60"}, {}));
  EXPECT_EQ(support::count_open_descriptors(), descriptors);
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
}

}  // namespace
}  // namespace msi2imds
