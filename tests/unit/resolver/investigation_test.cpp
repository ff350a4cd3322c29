// SPDX-License-Identifier: MIT
#include "resolver/investigation.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <iterator>

#include "base/unique_fd.hpp"
#include "resolver/cage.hpp"
#include "support_cpp/temporary_directory.hpp"
#include "unit/resolver/asking.hpp"
#include "unit/resolver/fake_proc.hpp"

namespace msi2imds::resolver {
namespace {

constexpr unsigned kManyDescriptors = 20'000;

class InvestigationTest : public testing::Test {
 protected:
  InvestigationTest() {
    proc_.write("backup", "a program");
    proc_.add(100, proc_.path("backup"), 1);
  }
  // Only root can give a process to somebody else; whoever is not root leaves these tests out.
  bool give_to(int pid, uid_t uid) {
    proc_.set_user(pid, uid);
    return ::chown(proc_.path(std::to_string(pid)).c_str(), uid, uid) == 0;
  }
  caller::Clues held(unsigned inode, uid_t uid = ::geteuid(), bool is_fresh = false) {
    caller::Clues clues;
    clues.inode = inode;
    clues.has_uid = true;
    clues.uid = uid;
    clues.is_fresh = is_fresh;
    return clues;
  }
  caller::Clues dialled_by(int pid, uid_t uid = ::geteuid()) {
    caller::Clues clues;
    clues.pid = pid;
    clues.dialled_at = 1'000'000'000'000;
    clues.has_uid = true;
    clues.uid = uid;
    clues.gid = 9;
    return clues;
  }

  FakeProc proc_;
};

TEST_F(InvestigationTest, LooksForHoldersAmongTheProcessesOfTheSocketsUserAlone) {
  if (!give_to(100, 4321)) {
    GTEST_SKIP() << "needs root";
  }
  proc_.hold(100, 3, 4711);
  Asking asking(proc_.path());
  EXPECT_EQ(asking.ask(held(4711, 4321)).pid, 100);
  EXPECT_EQ(asking.ask(held(4711, 4322)).unknown_because,
            "no process of its user has the client's socket open any more");
}

TEST_F(InvestigationTest, LooksForNobodyWhereTheSocketsUserIsNotKnown) {
  proc_.hold(100, 3, 4711);
  caller::Clues clues = held(4711);
  clues.has_uid = false;
  EXPECT_EQ(Asking(proc_.path()).ask(clues).unknown_because,
            "no process of its user has the client's socket open any more");
}

// Sockets that are not searched for stand for whatever somebody has open.
TEST_F(InvestigationTest, LetsNobodyWaitForAnothersDescriptors) {
  proc_.add(200, proc_.path("backup"), 1);
  if (!give_to(100, 4321) || !give_to(200, 4322)) {
    GTEST_SKIP() << "needs root";
  }
  proc_.hold(100, 3, 4711);
  for (unsigned fd = 0; fd < kManyDescriptors; ++fd) {
    proc_.hold(200, static_cast<int>(fd), 1'000'000 + fd);
  }
  Asking asking(proc_.path());
  const std::uint64_t of_the_many = asking.begin(held(1'000'000, 4322, true));
  const std::uint64_t of_another = asking.begin(held(4711, 4321, true));
  EXPECT_LE(asking.steps_until(of_another), 10);
  EXPECT_GT(asking.steps_until(of_the_many), 0) << "it was not answered before";
  asking.finish();
  EXPECT_EQ(asking.answers.back().identity.pid, 200);
}

TEST_F(InvestigationTest, TakesTurnsBetweenUsers) {
  Asking asking(proc_.path());
  for (int i = 0; i < 50; ++i) {
    (void)asking.begin(dialled_by(100, 4322));
  }
  const std::uint64_t of_another = asking.begin(dialled_by(100, 4321));
  EXPECT_LE(asking.steps_until(of_another), 3);
}

// Those of /etc/subuid count as his own, and else a block of 65536.
TEST_F(InvestigationTest, TakesTurnsBetweenUsersWithAllTheirUids) {
  const Holders owners({{.owner = 1000, .first = 5000, .count = 100}});
  for (const std::uint32_t first : {5000U, 65536U}) {
    Asking asking(
        proc_.path(), [] { return SearchBudget(); }, owners);
    for (std::uint32_t uid = first; uid < first + 50; ++uid) {
      (void)asking.begin(dialled_by(100, uid));
    }
    const std::uint64_t of_another = asking.begin(dialled_by(100, 4321));
    EXPECT_LE(asking.steps_until(of_another), 3) << first;
  }
}

TEST_F(InvestigationTest, SaysWhoItIsBeforeItReadsACommandLine) {
  proc_.add(200, proc_.path("backup"), 1);
  proc_.set_user(200, 4322);
  Asking asking(proc_.path());
  const std::uint64_t first = asking.begin(dialled_by(100));
  const std::uint64_t second = asking.begin(dialled_by(200, 4322));
  asking.finish();
  EXPECT_EQ(asking.answers_before_first_line, 2U);
  EXPECT_EQ(asking.answers.front().identity.command_line, "");
  EXPECT_EQ(asking.command_lines.at(first), "backup --all");
  EXPECT_EQ(asking.command_lines.at(second), "backup --all");
}

TEST_F(InvestigationTest, ReadsCommandLinesAlsoWhileThereIsAlwaysSomethingToDo) {
  Asking asking(proc_.path());
  for (int i = 0; i < 100; ++i) {
    (void)asking.begin(dialled_by(100));
    asking.advance();
  }
  EXPECT_FALSE(asking.command_lines.empty());
}

TEST_F(InvestigationTest, TellsWhatItIsAbout) {
  Asking asking(proc_.path());
  EXPECT_EQ(asking.progress().step, Step::none);
  const std::uint64_t number = asking.begin(dialled_by(100));
  asking.advance();
  EXPECT_EQ(asking.progress().step, Step::identity);
  EXPECT_EQ(asking.progress().pid, 100);
  EXPECT_EQ(asking.progress().question, number);
  asking.advance();
  EXPECT_EQ(asking.progress().step, Step::command_line);
}

TEST_F(InvestigationTest, DoesNotSearchWhereTheBudgetIsSpentUnlessARuleDependsOnIt) {
  proc_.hold(100, 3, 4711);
  std::chrono::nanoseconds spent{0};
  const auto make_budget = [&spent] {
    return SearchBudget([] { return std::chrono::nanoseconds(0); },
                        [&spent] { return spent += std::chrono::seconds(1); });
  };
  Asking asking(proc_.path(), make_budget);
  EXPECT_EQ(asking.ask(held(4711)).pid, 100);
  EXPECT_TRUE(asking.ask(held(4711)).unknown_because.starts_with("too many callers at once"));
  EXPECT_EQ(asking.ask(held(4711, ::geteuid(), true)).pid, 100);
}

TEST_F(InvestigationTest, HasABudgetForEachUser) {
  proc_.add(200, proc_.path("backup"), 1);
  if (!give_to(100, 4321) || !give_to(200, 4322)) {
    GTEST_SKIP() << "needs root";
  }
  proc_.hold(100, 3, 4711);
  proc_.hold(200, 3, 4712);
  std::chrono::nanoseconds spent{0};
  const auto make_budget = [&spent] {
    return SearchBudget([] { return std::chrono::nanoseconds(0); },
                        [&spent] { return spent += std::chrono::seconds(1); });
  };
  Asking asking(proc_.path(), make_budget);
  EXPECT_EQ(asking.ask(held(4711, 4321)).pid, 100);
  EXPECT_FALSE(asking.ask(held(4711, 4321)).pid);
  EXPECT_EQ(asking.ask(held(4712, 4322)).pid, 200) << "who has not searched before";
}

// However long others keep it from running.
TEST_F(InvestigationTest, SearchesEachTimeWhereThatCostsLittle) {
  proc_.hold(100, 3, 4711);
  std::chrono::nanoseconds spent{0};
  std::chrono::nanoseconds elapsed{0};
  const auto make_budget = [&] {
    return SearchBudget([&elapsed] { return elapsed += std::chrono::seconds(1); },
                        [&spent] { return spent += std::chrono::microseconds(100); });
  };
  Asking asking(proc_.path(), make_budget);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(asking.ask(held(4711)).pid, 100);
  }
}

TEST_F(InvestigationTest, OfASocketThatVeryManyHoldLooksAtAFew) {
  for (int pid = 101; pid < 150; ++pid) {
    proc_.add(pid, proc_.path("backup"), 1);
    proc_.hold(pid, 3, 4711);
  }
  const caller::Identity identity = Asking(proc_.path()).ask(held(4711));
  EXPECT_TRUE(identity.unknown_because.starts_with("held by 49 processes: ")) << identity.unknown_because;
  EXPECT_EQ(identity.program, "") << "not all were looked at";
}

// As where the machine's or the reader's descriptors run out; stdin and others that are open stay.
class NoMoreDescriptors {
 public:
  NoMoreDescriptors() {
    (void)::getrlimit(RLIMIT_NOFILE, &before_);
    const rlimit none{.rlim_cur = 0, .rlim_max = before_.rlim_max};
    (void)::setrlimit(RLIMIT_NOFILE, &none);
  }
  NoMoreDescriptors(const NoMoreDescriptors&) = delete;
  NoMoreDescriptors& operator=(const NoMoreDescriptors&) = delete;
  ~NoMoreDescriptors() {
    (void)::setrlimit(RLIMIT_NOFILE, &before_);
  }

 private:
  rlimit before_{};
};

TEST_F(InvestigationTest, SaysThatItCouldNotLookWhereDescriptorsRunOut) {
  proc_.hold(100, 3, 4711);
  Asking asking(proc_.path());
  const NoMoreDescriptors none;
  EXPECT_EQ(asking.ask(held(4711)).unknown_because,
            "not all processes of its user could be looked at: " + proc_.path() + ": Too many open files");
  EXPECT_EQ(asking.ask(dialled_by(100)).unknown_because,
            "process 100 could not be looked at: open " + proc_.path() + "/100/stat: Too many open files");
}

TEST_F(InvestigationTest, SaysThatItCouldNotLookWhereTheyRunOutDuringTheSearch) {
  proc_.hold(100, 3, 4711);
  HolderSearch search(proc_.path(), ::geteuid(), {4711});
  const NoMoreDescriptors none;
  while (!search.advance([] { return true; })) {
  }
  EXPECT_EQ(search.found().problem, "process 100: Too many open files");
}

// Another process that cannot be looked at may hold the socket, too, and may have dialled.
TEST_F(InvestigationTest, NamesNoHolderWhereNotAllProcessesCouldBeLookedAt) {
  proc_.hold(100, 3, 4711);
  proc_.add(200, proc_.path("backup"), 1);
  std::filesystem::remove(proc_.path("200/fd"));
  std::filesystem::create_symlink("fd", proc_.path("200/fd"));  // to itself
  const caller::Identity identity = Asking(proc_.path()).ask(held(4711));
  EXPECT_EQ(
      identity.unknown_because,
      "not all processes of its user could be looked at: process 200: Too many levels of symbolic links");
  EXPECT_EQ(identity.pid, std::nullopt);
  EXPECT_EQ(identity.program, "");
}

TEST_F(InvestigationTest, OverlooksAProcessThatHasEnded) {
  proc_.hold(100, 3, 4711);
  proc_.add(200, proc_.path("backup"), 1);
  std::filesystem::remove(proc_.path("200/fd"));
  EXPECT_EQ(Asking(proc_.path()).ask(held(4711)).pid, 100);
}

// Anybody can start a setuid program with as many open files as he likes.
TEST_F(InvestigationTest, LooksLastAndNotForEverAtWhatAnotherUserBegan) {
  constexpr int kTooMany = 65'600;
  proc_.set_user(100, ::geteuid() + 1);
  for (int fd = 0; fd < kTooMany; ++fd) {
    std::filesystem::create_symlink("/x", proc_.path("100/fd/" + std::to_string(fd)));
  }
  proc_.add(200, proc_.path("backup"), 1);
  proc_.hold(200, 3, 4711);
  HolderSearch search(proc_.path(), ::geteuid(), {4711});
  while (!search.advance([] { return true; })) {
  }
  ASSERT_EQ(search.found().holders.size(), 1U);
  EXPECT_EQ(search.found().holders.begin()->second.front().pid, 200);
  EXPECT_EQ(search.found().problem, "");
  EXPECT_EQ(search.found().forbidden, "process 100, which another user began, has too much open");
}

// An open directory whose path is longer than a page, as anybody can hand over to a program of another user.
class LongPath {
 public:
  LongPath() {
    int above = ::open(directory_.file("").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; i < kLevels; ++i) {
      directories_.emplace_back(above);
      EXPECT_EQ(::mkdirat(above, name_.c_str(), 0700), 0);
      above = ::openat(above, name_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    }
    directories_.emplace_back(above);
  }
  LongPath(const LongPath&) = delete;
  LongPath& operator=(const LongPath&) = delete;
  ~LongPath() {
    for (directories_.pop_back(); !directories_.empty(); directories_.pop_back()) {
      (void)::unlinkat(directories_.back().get(), name_.c_str(), AT_REMOVEDIR);
    }
  }

 private:
  static constexpr int kLevels = 25;

  std::string name_ = std::string(200, 'x');
  support::TemporaryDirectory directory_;
  std::vector<UniqueFd> directories_;
};

TEST(LongPaths, HideNoHolder) {
  const LongPath path;
  const UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  struct stat status {};
  ASSERT_EQ(::fstat(socket.get(), &status), 0);
  HolderSearch search("/proc", ::geteuid(), {status.st_ino});
  while (!search.advance([] { return true; })) {
  }
  EXPECT_EQ(search.found().problem, "");
  ASSERT_EQ(search.found().holders.size(), 1U);
  EXPECT_EQ(search.found().holders.begin()->second.front().pid, ::getpid());
}

// As a reader without CAP_SYS_PTRACE would.
TEST(ForbiddenProcesses, AreToldFromNobody) {
  if (::geteuid() != 0) {
    GTEST_SKIP() << "needs root";
  }
  const pid_t pid = ::fork();
  if (pid == 0) {
    if (::setresuid(4321, 4321, 4321) != 0) {
      ::_exit(2);
    }
    HolderSearch search("/proc", 0, {4711});
    while (!search.advance([] { return true; })) {
    }
    ::_exit(search.found().forbidden.ends_with(": Permission denied") ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(pid, &status, 0), pid);
  EXPECT_EQ(status, 0);
}

// Where the descriptors ran out, processes would be overlooked.
TEST(ManyUsers, AreSearchedForWithinTheDescriptorsOfTheCage) {
  constexpr int kUsers = 120;
  constexpr int kEntries = 6000;  // a search takes several turns
  FakeProc proc;
  for (int pid = 1; pid <= kEntries; ++pid) {
    proc.write(std::to_string(pid), "");
  }
  Asking asking(proc.path());
  for (int user = 1; user <= kUsers; ++user) {
    caller::Clues held;
    held.inode = 4711;
    held.is_fresh = true;
    held.has_uid = true;
    held.uid = 100'000 + static_cast<std::uint32_t>(user);
    (void)asking.begin(held);
  }
  std::ptrdiff_t most = 0;
  while (asking.advance()) {
    const std::filesystem::directory_iterator open("/proc/self/fd");
    most = std::max(most, std::distance(begin(open), end(open)));
  }
  EXPECT_LT(most, kReaderDescriptors);
  EXPECT_EQ(asking.answers.size(), std::size_t{kUsers});
}

}  // namespace
}  // namespace msi2imds::resolver
