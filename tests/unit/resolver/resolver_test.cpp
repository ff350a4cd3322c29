// SPDX-License-Identifier: MIT
#include "resolver/resolver.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <array>
#include <ctime>

#include "base/log.hpp"
#include "support_cpp/run.hpp"
#include "unit/resolver/fake_proc.hpp"

namespace msi2imds::resolver {
namespace {

std::int64_t since_boot() {
  timespec now{};
  (void)::clock_gettime(CLOCK_BOOTTIME, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

Question dialled_by(pid_t pid) {
  Question question;
  question.pid = pid;
  question.dialled_at = since_boot();
  return question;
}

class ResolverTest : public testing::Test {
 protected:
  ResolverTest() {
    log::start({}, "test");
  }
  caller::Identity find(const Resolver& resolver, std::uint64_t number) {
    const std::string* text = resolver.find(number);
    EXPECT_NE(text, nullptr);
    const auto identity = caller::parse_identity(text == nullptr ? "" : *text);
    EXPECT_TRUE(identity);
    return identity ? *identity : caller::Identity();
  }
  std::vector<std::uint64_t> resolve(Resolver& resolver, std::vector<Question> questions) {
    return support::run(io_, resolver.resolve(std::move(questions)));
  }

  asio::io_context io_{1};
};

TEST_F(ResolverTest, NamesARealProcessAndGivesItOneNumber) {
  Resolver resolver(io_, {});
  const auto numbers = resolve(resolver, {dialled_by(::getpid()), dialled_by(::getpid())});
  ASSERT_EQ(numbers.size(), 2U);
  EXPECT_EQ(numbers[0], numbers[1]);
  EXPECT_EQ(resolve(resolver, {dialled_by(::getpid())}).front(), numbers[0]);
  const auto identity = find(resolver, numbers[0]);
  EXPECT_EQ(identity.pid, ::getpid());
  EXPECT_TRUE(identity.program.ends_with("/resolver_test")) << identity.program;
  EXPECT_TRUE(identity.program_is_verified);
}

TEST_F(ResolverTest, DoesNotRememberAProcessBeyondItsEnd) {
  Resolver resolver(io_, {});
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe(pipe.data()), 0);
  const pid_t pid = ::fork();
  if (pid == 0) {
    char byte = 0;
    (void)::close(pipe[1]);
    ::_exit(static_cast<int>(::read(pipe[0], &byte, 1)));
  }
  (void)::close(pipe[0]);
  const Question question = dialled_by(pid);
  EXPECT_EQ(find(resolver, resolve(resolver, {question}).front()).unknown_because, "");
  (void)::close(pipe[1]);
  ASSERT_EQ(::waitpid(pid, nullptr, 0), pid);
  EXPECT_EQ(find(resolver, resolve(resolver, {question}).front()).unknown_because,
            "process " + std::to_string(pid) + " has ended");
}

// Opening a FIFO that nobody writes to waits for ever, as reading a hostile process's memory may.
TEST_F(ResolverTest, IsNotHeldUpByAHostileProcess) {
  FakeProc proc;
  proc.write("backup", "a program");
  proc.add(100, proc.path("backup"), 1);
  proc.add(200, proc.path("backup"), 1);
  std::filesystem::remove(proc.path("200/cmdline"));
  ASSERT_EQ(::mkfifo(proc.path("200/cmdline").c_str(), 0600), 0);
  Resolver resolver(io_, {.proc = proc.path()});
  const auto numbers = resolve(resolver, {dialled_by(100), dialled_by(200), dialled_by(100)});
  ASSERT_EQ(numbers.size(), 3U);
  EXPECT_EQ(find(resolver, numbers[0]).program, proc.path("backup"));
  EXPECT_EQ(find(resolver, numbers[1]).unknown_because, "reading /proc took longer than 100 ms");
  EXPECT_EQ(find(resolver, numbers[1]).pid, 200);
  EXPECT_EQ(numbers[2], numbers[0]);

  // From now on it is left alone, and delays nobody.
  proc.add(300, proc.path("backup"), 1);
  std::filesystem::remove(proc.path("200/cmdline"));
  const auto again = resolve(resolver, {dialled_by(200), dialled_by(300)});
  EXPECT_EQ(again[0], numbers[1]);
  EXPECT_EQ(find(resolver, again[1]).program, proc.path("backup"));
}

TEST_F(ResolverTest, AnswersMoreThanFitIntoOneMessage) {
  Resolver resolver(io_, {});
  std::vector<Question> questions(200, dialled_by(::getpid()));
  for (Question& question : questions) {
    question.is_fresh = true;
  }
  const auto numbers = resolve(resolver, questions);
  ASSERT_EQ(numbers.size(), 200U);
  EXPECT_EQ(std::vector<std::uint64_t>(200, numbers.front()), numbers);
}

TEST_F(ResolverTest, LeavesNoProcessBehind) {
  {
    Resolver resolver(io_, {});
    (void)resolve(resolver, {dialled_by(::getpid())});
  }
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
}

}  // namespace
}  // namespace msi2imds::resolver
