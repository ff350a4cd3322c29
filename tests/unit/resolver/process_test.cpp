// SPDX-License-Identifier: MIT
#include "resolver/process.hpp"

#include <gtest/gtest.h>

#include "unit/resolver/asking.hpp"
#include "unit/resolver/fake_proc.hpp"

namespace msi2imds::resolver {
namespace {

constexpr std::int64_t kTick = 10'000'000;  // ns

class ProcessTest : public testing::Test {
 protected:
  ProcessTest() {
    program_ = proc_.path("backup");
    proc_.write("backup", "a program");
    proc_.add(100, program_, 50);
  }
  caller::Identity identify(const caller::Clues& question) {
    Asking asking(proc_.path());
    return asking.ask(question);
  }
  static caller::Clues dialled_by(int pid, std::int64_t at) {
    caller::Clues question;
    question.pid = pid;
    question.dialled_at = at;
    question.comm = {'b', 'a', 'c', 'k'};
    question.has_uid = true;
    question.uid = ::geteuid();
    question.gid = 9;
    return question;
  }
  static caller::Clues held(unsigned inode) {
    caller::Clues question;
    question.inode = inode;
    question.has_uid = true;
    question.uid = ::geteuid();  // whose processes those of the tree are
    return question;
  }

  FakeProc proc_;
  std::string program_;
};

TEST_F(ProcessTest, TellsWhatProcTells) {
  const auto process = read_process(proc_.path(), 100);
  ASSERT_TRUE(process);
  EXPECT_EQ(process->incarnation.started.count(), 50 * kTick);
  EXPECT_EQ(process->comm, "a (comm) 1");
  EXPECT_EQ(process->program, program_);
  EXPECT_EQ(read_command_line(proc_.path(), 100, process->incarnation), "backup --all");
  EXPECT_EQ(process->gids, (std::vector<gid_t>{9, 6, 27}));
  EXPECT_EQ(process->cgroup, "/system.slice/backup.service");
}

TEST_F(ProcessTest, HasNoCommandLineOnceItIsAnother) {
  const auto process = read_process(proc_.path(), 100);
  ASSERT_TRUE(process);
  proc_.set_stat(100, 51);
  EXPECT_EQ(read_command_line(proc_.path(), 100, process->incarnation), "");
}

TEST_F(ProcessTest, HasACommandLineOfBoundedSize) {
  const auto process = read_process(proc_.path(), 100);
  ASSERT_TRUE(process);
  std::string urls;
  while (urls.size() < 100'000) {
    urls += "://a@";  // each becomes longer
  }
  proc_.write("100/cmdline", urls);
  EXPECT_LE(read_command_line(proc_.path(), 100, process->incarnation).size(), 4096U);
}

TEST_F(ProcessTest, VerifiesAProgramThatIsWhatItsPathNames) {
  std::filesystem::remove(proc_.path("100/exe"));
  std::filesystem::create_hard_link(program_, proc_.path("inode"));
  std::filesystem::create_symlink(program_, proc_.path("100/exe"));
  EXPECT_TRUE(read_process(proc_.path(), 100)->program_is_verified);
}

// /proc's link leads to the running file whatever has become of its path; here a file with another inode
// stands for it.
TEST_F(ProcessTest, DoesNotVerifyAProgramThatIsGoneOrElsewhere) {
  for (const std::string& target :
       {program_ + " (deleted)", std::string("/no/such/file"), std::string("memfd:x")}) {
    std::filesystem::remove(proc_.path("100/exe"));
    std::filesystem::create_symlink(target, proc_.path("100/exe"));
    EXPECT_FALSE(read_process(proc_.path(), 100)->program_is_verified) << target;
  }
}

TEST_F(ProcessTest, DoesNotVerifyAProgramOfAnotherMountNamespace) {
  std::filesystem::remove(proc_.path("100/ns/mnt"));
  std::filesystem::create_symlink("mnt:[2]", proc_.path("100/ns/mnt"));
  EXPECT_FALSE(read_process(proc_.path(), 100)->program_is_verified);
}

// systemd gives us a mount namespace of our own; the machine's is that of process 1.
TEST_F(ProcessTest, VerifiesAProgramOfTheMachineFromANamespaceOfOurOwn) {
  proc_.add(1, "/sbin/init", 1);
  std::filesystem::create_symlink("/", proc_.path("1/root"));
  std::filesystem::remove(proc_.path("self/ns/mnt"));
  std::filesystem::create_symlink("mnt:[2]", proc_.path("self/ns/mnt"));
  EXPECT_TRUE(read_process(proc_.path(), 100)->program_is_verified);
  std::filesystem::remove(proc_.path("1/ns/mnt"));
  std::filesystem::create_symlink("mnt:[3]", proc_.path("1/ns/mnt"));
  EXPECT_FALSE(read_process(proc_.path(), 100)->program_is_verified);
}

TEST_F(ProcessTest, IsNotThereWhenItsStatIsMissingDamagedOrOfAZombie) {
  EXPECT_FALSE(read_process(proc_.path(), 101));
  for (const char* text : {"", "100", "100 (x", "100 (x) S 1 2", "100 (x) Z 1 2 3"}) {
    proc_.write("100/stat", text);
    EXPECT_FALSE(read_process(proc_.path(), 100)) << text;
  }
}

TEST_F(ProcessTest, OfOldHostsIsInSystemdsOwnHierarchy) {
  proc_.write("100/cgroup", "4:memory:/m\n1:name=systemd:/system.slice/old.service\n0::/\n");
  EXPECT_EQ(read_process(proc_.path(), 100)->cgroup, "/system.slice/old.service");
}

TEST_F(ProcessTest, IsTheCallerIfItRanWhenTheCallWasMade) {
  const auto identity = identify(dialled_by(100, 50 * kTick));
  EXPECT_EQ(identity.pid, 100);
  EXPECT_EQ(identity.comm, "back");
  EXPECT_EQ(identity.program, program_);
  EXPECT_EQ(identity.unit, "backup.service");
  EXPECT_EQ(identity.unknown_because, "");
}

TEST_F(ProcessTest, IsNotTheCallerIfItBeganLater) {
  const auto identity = identify(dialled_by(100, 50 * kTick - 1));
  EXPECT_EQ(identity.pid, 100);
  EXPECT_EQ(identity.comm, "back");
  EXPECT_EQ(identity.gids, (std::vector<gid_t>{9}));
  EXPECT_EQ(identity.program, "");
  EXPECT_EQ(identity.unknown_because, "process 100 has ended");
}

TEST_F(ProcessTest, IsFoundByTheSocketThatItHolds) {
  proc_.hold(100, 3, 4711);
  proc_.hold(100, 4, 4711);
  const auto identity = identify(held(4711));
  EXPECT_EQ(identity.pid, 100);
  EXPECT_EQ(identity.comm, "a (comm) 1");
  EXPECT_EQ(identity.program, program_);
  EXPECT_EQ(identify(held(4712)).unknown_because,
            "no process of its user has the client's socket open any more");
}

TEST_F(ProcessTest, IsOneOfThoseWhoHoldTheSocket) {
  proc_.add(200, program_, 60);
  proc_.hold(100, 3, 4711);
  proc_.hold(200, 3, 4711);
  auto identity = identify(held(4711));
  EXPECT_FALSE(identity.pid);
  EXPECT_TRUE(identity.unknown_because.starts_with("held by 2 processes: ")) << identity.unknown_because;
  EXPECT_EQ(identity.program, program_) << "they agree on that";
  EXPECT_EQ(identity.unit, "backup.service");

  proc_.write("200/cgroup", "0::/system.slice/other.service\n");
  identity = identify(held(4711));
  EXPECT_EQ(identity.program, "");
  EXPECT_EQ(identity.unit, "");
}

}  // namespace
}  // namespace msi2imds::resolver
