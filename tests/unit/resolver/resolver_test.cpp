// SPDX-License-Identifier: MIT
#include "resolver/resolver.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <array>
#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <chrono>
#include <cstring>
#include <ctime>
#include <exception>

#include "base/log.hpp"
#include "base/message.hpp"
#include "support_cpp/run.hpp"
#include "unit/resolver/fake_proc.hpp"

namespace msi2imds::resolver {
namespace {

std::int64_t since_boot() {
  timespec now{};
  (void)::clock_gettime(CLOCK_BOOTTIME, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

caller::Clues dialled_by(pid_t pid) {
  caller::Clues question;
  question.pid = pid;
  question.has_uid = true;
  question.uid = ::getuid();
  question.gid = ::getgid();
  question.dialled_at = since_boot();
  return question;
}

// Of a process that FakeProc has made.
caller::Clues dialled_by_fake(pid_t pid) {
  caller::Clues question = dialled_by(pid);
  question.uid = ::geteuid();
  question.gid = 9;
  return question;
}

class ResolverTest : public testing::Test {
 protected:
  ResolverTest() {
    log::start({}, "test");
  }
  caller::Identity read(const SerializedIdentity& serialized) {
    EXPECT_TRUE(serialized);
    const auto identity = caller::parse_identity(serialized ? *serialized : "");
    EXPECT_TRUE(identity);
    return identity ? *identity : caller::Identity();
  }
  std::vector<caller::Identity> resolve(asio::io_context& io, Resolver& resolver,
                                        std::vector<caller::Clues> questions) {
    std::vector<caller::Identity> identities;
    for (const SerializedIdentity& one : support::run(io, resolver.resolve(std::move(questions)))) {
      identities.push_back(read(one));
    }
    return identities;
  }
  std::vector<caller::Identity> resolve(Resolver& resolver, std::vector<caller::Clues> questions) {
    return resolve(io_, resolver, std::move(questions));
  }

  asio::io_context io_{1};
};

TEST_F(ResolverTest, NamesARealProcess) {
  Resolver resolver(io_, {});
  const auto identities = resolve(resolver, {dialled_by(::getpid()), dialled_by(::getpid())});
  ASSERT_EQ(identities.size(), 2U);
  EXPECT_EQ(identities[0], identities[1]);
  EXPECT_EQ(resolve(resolver, {dialled_by(::getpid())}).front(), identities[0]);
  const caller::Identity& identity = identities.front();
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
  const caller::Clues question = dialled_by(pid);
  EXPECT_EQ(resolve(resolver, {question}).front().unknown_because, "");
  (void)::close(pipe[1]);
  ASSERT_EQ(::waitpid(pid, nullptr, 0), pid);
  EXPECT_EQ(resolve(resolver, {question}).front().unknown_because,
            "process " + std::to_string(pid) + " has ended");
}

// Opening a FIFO that nobody writes to waits for ever, as reading a hostile process's memory may.
class HostileProcessTest : public ResolverTest {
 protected:
  HostileProcessTest() {
    proc_.write("passwd", "backup:x:34:34::/:\n");
    proc_.write("backup", "a program");
    for (const int pid : {100, 200, 300}) {
      proc_.add(pid, proc_.path("backup"), 1);
    }
  }
  void make_hang(const std::string& file) {
    std::filesystem::remove(proc_.path(file));
    ASSERT_EQ(::mkfifo(proc_.path(file).c_str(), 0600), 0);
  }

  FakeProc proc_;
};

TEST_F(HostileProcessTest, HoldsNobodyUp) {
  make_hang("200/status");
  Resolver resolver(io_, {.proc = proc_.path()});
  const auto identities =
      resolve(resolver, {dialled_by_fake(100), dialled_by_fake(200), dialled_by_fake(100)});
  ASSERT_EQ(identities.size(), 3U);
  EXPECT_EQ(identities[0].program, proc_.path("backup"));
  EXPECT_EQ(identities[1].unknown_because, "reading /proc took longer than 100 ms");
  EXPECT_EQ(identities[1].pid, 200);
  EXPECT_EQ(identities[2], identities[0]);

  // From now on it is left alone, and delays nobody.
  const auto again = resolve(resolver, {dialled_by_fake(200), dialled_by_fake(300)});
  EXPECT_EQ(again[0], identities[1]);
  EXPECT_EQ(again[1].program, proc_.path("backup"));
}

// Who it is can be told without its memory.
TEST_F(HostileProcessTest, IsKnownAlsoWhereItsCommandLineCannotBeRead) {
  make_hang("200/cmdline");
  Resolver resolver(io_, {.proc = proc_.path()});
  for (int i = 0; i < 3; ++i) {
    const auto identities = resolve(resolver, {dialled_by_fake(200), dialled_by_fake(300)});
    EXPECT_EQ(identities[0].program, proc_.path("backup"));
    EXPECT_EQ(identities[1].program, proc_.path("backup"));
  }
}

TEST_F(HostileProcessTest, IsSearchedForInVainWithoutHoldingUpOthers) {
  proc_.hold(200, 3, 4711);
  make_hang("200/status");
  caller::Clues held;
  held.inode = 4711;
  held.has_uid = true;
  held.uid = ::geteuid();
  Resolver resolver(io_, {.proc = proc_.path()});
  const auto identities = resolve(resolver, {held, dialled_by_fake(300)});
  EXPECT_EQ(identities[0].unknown_because, "reading /proc took longer than 100 ms");
  EXPECT_EQ(identities[1].program, proc_.path("backup"));
}

// One uid is not "root" here and "0" there.
TEST_F(HostileProcessTest, HasTheNameOfItsUser) {
  make_hang("200/status");
  Resolver resolver(io_, {.proc = proc_.path(), .account_files = {.passwd = proc_.path("passwd")}});
  caller::Clues clues = dialled_by_fake(200);
  clues.has_uid = true;
  clues.uid = 34;
  const auto identities = resolve(resolver, {clues});
  EXPECT_EQ(identities.front().unknown_because, "reading /proc took longer than 100 ms");
  EXPECT_EQ(identities.front().user, "backup");
}

TEST_F(ResolverTest, TellsTheCommandLineOnceItHasSaidWhoItIs) {
  SerializedIdentity told;
  std::string line;
  Resolver resolver(io_,
                    {.hear_command_line = [&](const SerializedIdentity& identity, std::string_view text) {
                      told = identity;
                      line = text;
                      io_.stop();
                    }});
  const std::vector<SerializedIdentity> identities =
      support::run(io_, resolver.resolve({dialled_by(::getpid())}));
  EXPECT_EQ(read(identities.front()).command_line, "");
  if (!told) {
    io_.restart();
    io_.run();
  }
  EXPECT_EQ(told, identities.front());
  EXPECT_NE(line.find("resolver_test"), std::string::npos) << line;
}

TEST_F(ResolverTest, AnswersMoreThanFitIntoOneMessage) {
  Resolver resolver(io_, {});
  std::vector<caller::Clues> questions(200, dialled_by(::getpid()));
  for (caller::Clues& question : questions) {
    question.is_fresh = true;
  }
  const auto identities = resolve(resolver, questions);
  ASSERT_EQ(identities.size(), 200U);
  EXPECT_EQ(std::vector(200, identities.front()), identities);
}

constexpr std::size_t kMoreThanAReaderHas = 40;  // of one user
constexpr auto kTooLate = "reading /proc took longer than 100 ms";

// Of one user, each by its socket alone.
std::vector<caller::Clues> questions_about_sockets(std::size_t count) {
  caller::Clues held;
  held.inode = 4711;
  held.has_uid = true;
  held.uid = ::geteuid();
  return std::vector(count, held);
}

// Takes one question, and begins with it.
Question take_question(const ReaderSettings& settings, Progress& progress, Step step) {
  Question question;
  if (::recv(settings.socket, &question, sizeof question, 0) != sizeof question) {
    ::_exit(0);
  }
  progress.step = step;
  progress.question = question.number;
  return question;
}

// As one whom the kernel ends while it searches.
void end_while_searching(const ReaderSettings& settings, Progress& progress) {
  (void)take_question(settings, progress, Step::search);
}

TEST_F(ResolverTest, AnswersAlsoWhatWaitedForAReaderThatEndsWhileItSearches) {
  Resolver resolver(io_, {.become_reader = end_while_searching});
  std::vector<caller::Clues> questions = questions_about_sockets(kMoreThanAReaderHas);
  questions.push_back(questions.front());
  questions.back().uid += 1;
  const auto identities = resolve(resolver, questions);
  ASSERT_EQ(identities.size(), questions.size());
  for (const caller::Identity& identity : identities) {
    EXPECT_EQ(identity.unknown_because, kTooLate);
  }
}

// What a reader that an attacker has taken over says; the first so many do.
using Lies = void (*)(const ReaderSettings& settings, Progress& progress);
Lies lies;
std::atomic<int>* readers_started;
int liars = 1;

void lie_at_first(const ReaderSettings& settings, Progress& progress) {
  if ((*readers_started)++ >= liars) {
    become_reader(settings, progress);
  }
  lies(settings, progress);
  char more = 0;
  while (::recv(settings.socket, &more, sizeof more, 0) > 0) {
  }
}

void say(const ReaderSettings& settings, const ReplyHeader& header, const std::string& text,
         int descriptor = -1) {
  std::string message(sizeof header, '\0');
  std::memcpy(message.data(), &header, sizeof header);
  message += text;
  (void)send_message(settings.socket, message, descriptor);
}

std::string a_lie() {
  caller::Identity identity;
  identity.program = "/a/lie";
  return caller::serialize(identity);
}

// About the question that is so many later than the first one that it was asked.
template <ReplyKind Kind, std::uint64_t Later = 0>
void say_about(const ReaderSettings& settings, Progress& progress) {
  const Question question = take_question(settings, progress, Step::identity);
  say(settings, {.number = question.number + Later, .pid = ::getpid(), .kind = Kind}, a_lie());
}

class LyingReaderTest : public ResolverTest {
 protected:
  LyingReaderTest() : started_(*make_shared_with_children<std::atomic<int>>()) {
    readers_started = started_.get();
  }
  ~LyingReaderTest() override {
    readers_started = nullptr;
  }
  // All questions are answered, and by another reader but for those that it was given.
  std::vector<caller::Identity> ask_one_that(Lies what, std::vector<caller::Clues> questions) {
    lies = what;
    asio::io_context io{1};  // not run any more once the resolver is gone
    Resolver resolver(io, {.patience = std::chrono::milliseconds(500), .become_reader = lie_at_first});
    questions.push_back(dialled_by(::getpid()));
    auto identities = resolve(io, resolver, questions);
    EXPECT_EQ(resolve(io, resolver, {dialled_by(::getpid())}).front().pid, ::getpid());
    EXPECT_GE(*readers_started, 2) << "it was not replaced";
    EXPECT_TRUE(identities.back().program.ends_with("/resolver_test")) << identities.back().program;
    identities.pop_back();
    return identities;
  }
  void expect_no_belief_in(Lies what) {
    for (const caller::Identity& identity :
         ask_one_that(what, questions_about_sockets(kMoreThanAReaderHas))) {
      EXPECT_EQ(identity.program, "");
    }
  }

 private:
  Shared<std::atomic<int>> started_;
};

TEST_F(LyingReaderTest, IsNotBelievedAboutWhatItWasNotAsked) {
  expect_no_belief_in(say_about<ReplyKind::identity, kMoreThanAReaderHas - 1>);
  *readers_started = 0;
  expect_no_belief_in(say_about<ReplyKind::identity, 1'000'000>);
}

TEST_F(LyingReaderTest, DoesNotEndAQuestionWithoutAnIdentity) {
  const std::vector<Lies> all{say_about<ReplyKind::command_line>, say_about<ReplyKind::hashed>,
                              say_about<ReplyKind::unhashed>, say_about<static_cast<ReplyKind>(77)>};
  for (const Lies what : all) {
    *readers_started = 0;
    expect_no_belief_in(what);
  }
}

TEST_F(LyingReaderTest, IsReplacedForMessagesOfAnotherForm) {
  expect_no_belief_in([](const ReaderSettings& settings, Progress& progress) {
    (void)take_question(settings, progress, Step::identity);
    (void)send_message(settings.socket, "x", -1);
  });
  *readers_started = 0;
  expect_no_belief_in([](const ReaderSettings& settings, Progress& progress) {
    const Question question = take_question(settings, progress, Step::identity);
    say(settings, {.number = question.number}, std::string(caller::kLongestIdentity + 1, 'x'));
  });
  *readers_started = 0;
  expect_no_belief_in([](const ReaderSettings& settings, Progress& progress) {
    const Question question = take_question(settings, progress, Step::identity);
    say(settings, {.number = question.number}, a_lie(), settings.socket);
  });
}

// Says of whoever it is asked about that he is the same, and counts.
std::atomic<int>* questions_taken;
void answer_and_count(const ReaderSettings& settings, Progress& /*progress*/) {
  Question question;
  while (::recv(settings.socket, &question, sizeof question, 0) == sizeof question) {
    ++*questions_taken;
    say(settings, {.number = question.number, .started = 1}, a_lie());
  }
}

TEST_F(ResolverTest, ReadsOnceAboutAProcessThatManyAreAskedAboutOf) {
  const Shared<std::atomic<int>> taken(*make_shared_with_children<std::atomic<int>>());
  questions_taken = taken.get();
  asio::io_context io{1};
  Resolver resolver(io, {.become_reader = answer_and_count});
  EXPECT_EQ(resolve(io, resolver, {5, dialled_by(::getpid())}).size(), 5U);
  EXPECT_EQ(*taken, 1);
  caller::Clues another = dialled_by(::getpid());
  another.uid += 1;
  caller::Clues fresh = dialled_by(::getpid());
  fresh.is_fresh = true;
  EXPECT_EQ(resolve(io, resolver, {another, fresh, fresh}).size(), 3U);
  EXPECT_EQ(*taken, 4);
  questions_taken = nullptr;
}

TEST_F(LyingReaderTest, AnswersOnce) {
  (void)ask_one_that(
      [](const ReaderSettings& settings, Progress& progress) {
        const Question question = take_question(settings, progress, Step::identity);
        for (int i = 0; i < 2; ++i) {
          say(settings, {.number = question.number, .more = 1}, a_lie());
        }
      },
      questions_about_sockets(1));
}

TEST_F(LyingReaderTest, TellsOneCommandLineOfBoundedLength) {
  const std::vector<Lies> all{[](const ReaderSettings& settings, Progress& progress) {
                                const Question question = take_question(settings, progress, Step::identity);
                                say(settings, {.number = question.number, .more = 1}, a_lie());
                                for (int i = 0; i < 2; ++i) {
                                  say(settings, {.number = question.number, .kind = ReplyKind::command_line},
                                      "x");
                                }
                              },
                              [](const ReaderSettings& settings, Progress& progress) {
                                const Question question = take_question(settings, progress, Step::identity);
                                say(settings, {.number = question.number, .more = 1}, a_lie());
                                say(settings, {.number = question.number, .kind = ReplyKind::command_line},
                                    std::string(kLongestCommandLine + 1, 'x'));
                              }};
  for (const Lies what : all) {
    *readers_started = 0;
    (void)ask_one_that(what, questions_about_sockets(1));
  }
}

// It writes its steps itself.
TEST_F(LyingReaderTest, KeepsNobodyWaitingByBusyness) {
  expect_no_belief_in([](const ReaderSettings& settings, Progress& progress) {
    (void)take_question(settings, progress, Step::identity);
    while (::getppid() == settings.parent) {
      ++progress.steps;
    }
  });
}

// The kernel may be made to take long for each process of one user: his others wait behind everybody else's.
TEST_F(LyingReaderTest, ThatHangsAtOneUserIsFollowedByOneThatBeginsWithAnother) {
  FakeProc proc;
  proc.write("backup", "a program");
  std::vector<caller::Clues> questions;
  for (const int pid : {100, 200, 300, 400}) {
    proc.add(pid, proc.path("backup"), 1);
    questions.push_back(dialled_by_fake(pid));
  }
  questions[3].uid += 1;
  lies = [](const ReaderSettings& settings, Progress& progress) {
    const Question question = take_question(settings, progress, Step::identity);
    progress.pid = question.clues.pid;
    while (::getppid() == settings.parent) {
      ::pause();
    }
  };
  liars = 2;
  Resolver resolver(io_, {.proc = proc.path(), .become_reader = lie_at_first});
  const auto identities = resolve(resolver, questions);
  liars = 1;
  EXPECT_EQ(identities[0].unknown_because, kTooLate);
  EXPECT_EQ(identities[3].unknown_because, kTooLate) << "the second reader did not begin with it";
  EXPECT_NE(identities[1].unknown_because, kTooLate);
  EXPECT_NE(identities[2].unknown_because, kTooLate);
}

// However many others it answers.
TEST_F(LyingReaderTest, KeepsNoQuestionBack) {
  lies = [](const ReaderSettings& settings, Progress& progress) {
    (void)take_question(settings, progress, Step::identity);
    while (::getppid() == settings.parent) {
      say(settings, {.number = take_question(settings, progress, Step::identity).number}, a_lie());
    }
  };
  Resolver resolver(io_, {.patience = std::chrono::milliseconds(300), .become_reader = lie_at_first});
  std::string because;
  asio::co_spawn(io_, resolver.resolve(questions_about_sockets(1)),
                 [&](const std::exception_ptr&, const std::vector<SerializedIdentity>& identities) {
                   because = read(identities.front()).unknown_because;
                 });
  while (because.empty()) {
    (void)resolve(resolver, questions_about_sockets(1));
  }
  EXPECT_EQ(because, "reading /proc took longer than 300 ms");
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
