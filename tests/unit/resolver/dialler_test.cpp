// SPDX-License-Identifier: MIT
// What may be believed of a process that was there when the socket was connected, and may have changed since.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "resolver/executable.hpp"
#include "resolver/identifier.hpp"
#include "unit/resolver/fake_proc.hpp"

namespace msi2imds::resolver {
namespace {

constexpr std::int64_t kTickOfDialler = 10'000'000;  // ns
constexpr unsigned kSocket = 4711;
constexpr int kPid = 100;

struct stat status_of(const std::string& path) {
  struct stat status {};
  EXPECT_EQ(::stat(path.c_str(), &status), 0);
  return status;
}

std::uint32_t device_of(const struct stat& status) {
  return major(status.st_dev) << 20 | minor(status.st_dev);
}

class DiallerTest : public testing::Test {
 protected:
  DiallerTest() {
    program_ = proc_.path("backup");
    proc_.write("backup", "a program");
    proc_.write("other", "another one");
    proc_.add(kPid, program_, 50);
    proc_.set_user(kPid, 1);
    proc_.hold(kPid, 3, kSocket);
  }
  caller::Identity identify(const caller::Clues& question, UniqueFd cgroups = UniqueFd()) {
    Identifier identifier(proc_.path(), std::move(cgroups));
    return identifier.identify(question, search_).identity;
  }
  // As on a kernel whose helpers tell of the process, and no more.
  static caller::Clues by_helpers() {
    caller::Clues clues;
    clues.agreement = caller::Agreement::agreed;
    clues.pid = kPid;
    clues.dialled_at = 60 * kTickOfDialler;
    clues.has_uid = true;
    clues.uid = 1;
    clues.gid = 9;
    return clues;
  }
  // As where it shows its tasks.
  caller::Clues by_task() {
    caller::Clues clues = by_helpers();
    clues.started = 50 * kTickOfDialler + 1234;
    const struct stat program = status_of(program_);
    clues.program_inode = program.st_ino;
    clues.program_device = device_of(program);
    clues.groups = {3, 4};
    clues.group_count = 2;
    return clues;
  }
  static caller::Clues unseen() {
    caller::Clues clues;
    clues.agreement = caller::Agreement::unseen;
    clues.inode = kSocket;
    clues.has_uid = true;
    clues.uid = 1;
    return clues;
  }
  void become(const std::string& ids) {
    proc_.write("100/status", "Name:\tUid:\n" + ids + "Groups:\t6 27 \n");
  }

  FakeProc proc_;
  std::string program_;
  SearchResult search_{.holders = {{kSocket, {{.pid = kPid, .fd = 3}}}}, .problem = {}, .forbidden = {}};
};

TEST_F(DiallerTest, HasTheProgramAndTheGroupsThatItDialledWith) {
  const caller::Identity identity = identify(by_task());
  EXPECT_EQ(identity.program, program_);
  EXPECT_TRUE(identity.program_is_verified);
  EXPECT_EQ(identity.gids, (std::vector<gid_t>{9, 3, 4})) << "whatever /proc tells";
  EXPECT_EQ(identity.unknown_because, "");
  EXPECT_FALSE(identity.is_in_doubt);
}

// A security module may forbid to look at some, which are then not taken for nobody.
TEST_F(DiallerTest, IsNamedThoughAnotherProcessIsForbidden) {
  search_.forbidden = "process 1: Permission denied";
  EXPECT_EQ(identify(unseen()).pid, kPid);
  search_.holders.clear();
  caller::Clues clues = unseen();
  clues.agreement = caller::Agreement::unchecked;
  EXPECT_EQ(identify(clues).unknown_because,
            "not all processes of its user could be looked at: process 1: Permission denied");
}

TEST_F(DiallerTest, KeepsItsGroupsWhateverItRunsNow) {
  become("Uid:\t1\t0\t0\t0\nGid:\t9\t5\t5\t5\n");
  EXPECT_EQ(identify(by_task()).gids, (std::vector<gid_t>{9, 3, 4}));
}

TEST_F(DiallerTest, IsNotTheProgramThatItHasBecome) {
  caller::Clues clues = by_task();
  clues.program_inode = status_of(proc_.path("other")).st_ino;
  const caller::Identity identity = identify(clues);
  EXPECT_EQ(identity.program, "");
  EXPECT_FALSE(identity.program_is_verified);
  EXPECT_TRUE(identity.unknown_because.starts_with("another-program: ")) << identity.unknown_because;
}

TEST_F(DiallerTest, IsNotAFileOfTheSameNumberElsewhere) {
  caller::Clues clues = by_task();
  ++clues.program_device;
  EXPECT_EQ(identify(clues).program, "");
}

TEST_F(DiallerTest, IsNotWhoBeganAtAnotherTime) {
  caller::Clues clues = by_task();
  clues.started -= kTickOfDialler;
  EXPECT_EQ(identify(clues).unknown_because, "process 100 has ended");
}

TEST_F(DiallerTest, HasTheGroupsOfProcOnlyWhereItsUsersAndGroupsAreOnes) {
  EXPECT_EQ(identify(by_helpers()).gids, (std::vector<gid_t>{9, 6, 27}));
  for (const char* changed :
       {"Uid:\t1\t1\t1\t1\nGid:\t9\t6\t6\t6\n", "Uid:\t1\t1\t1\t1\nGid:\t6\t6\t6\t6\n",
        "Uid:\t1\t0\t0\t0\nGid:\t9\t9\t9\t9\n", "Uid:\t2\t2\t2\t2\nGid:\t9\t9\t9\t9\n"}) {
    become(changed);
    const caller::Identity identity = identify(by_helpers());
    EXPECT_EQ(identity.gids, (std::vector<gid_t>{9})) << "the real one, which no program changes" << changed;
    EXPECT_EQ(identity.program, "") << changed;
    EXPECT_TRUE(identity.unknown_because.starts_with("changed-user: ")) << identity.unknown_because;
  }
}

TEST_F(DiallerTest, IsInDoubtUntilAProcessOfItsUserIsFoundToHoldTheSocket) {
  EXPECT_FALSE(identify(unseen()).is_in_doubt);
  EXPECT_EQ(identify(unseen()).pid, kPid);
  caller::Clues clues = unseen();
  clues.uid = 0;
  EXPECT_TRUE(identify(clues).is_in_doubt) << "the process is of another user";
  EXPECT_FALSE(identify(clues).pid);
  EXPECT_TRUE(identify(clues).unknown_because.starts_with("unseen: "));
}

TEST_F(DiallerTest, IsNotDescribedByAHolderThatRunsASetgidProgram) {
  become("Uid:\t1\t1\t1\t1\nGid:\t9\t6\t6\t6\n");
  const caller::Identity identity = identify(unseen());
  EXPECT_EQ(identity.pid, kPid);
  EXPECT_TRUE(identity.gids.empty());
  EXPECT_EQ(identity.program, "");
  EXPECT_FALSE(identity.is_in_doubt) << "the user is known";
}

TEST_F(DiallerTest, IsInNoUnitWhereItsHoldersAreElsewhere) {
  EXPECT_EQ(identify(unseen()).unit, "backup.service") << "the socket tells no cgroup";
  proc_.add(200, program_, 50);
  proc_.set_user(200, 1);
  proc_.hold(200, 3, kSocket);
  search_.holders[kSocket].push_back({.pid = 200, .fd = 3});
  proc_.write("200/cgroup", "0::/system.slice/other.service\n");
  EXPECT_EQ(identify(unseen()).unit, "");
}

TEST_F(DiallerTest, IsInNoUnitWhereItIsNotWhereItsSocketWasMade) {
  support::TemporaryDirectory cgroups;
  std::filesystem::create_directories(cgroups.file("system.slice/backup.service"));
  std::filesystem::create_directories(cgroups.file("system.slice/other.service"));
  const auto unit_of_socket_in = [&](const std::string& path) {
    caller::Clues clues = unseen();
    clues.has_cgroup_id = true;
    clues.cgroup_id = status_of(cgroups.file(path)).st_ino;
    return identify(clues, UniqueFd(::open(cgroups.file("").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)));
  };
  EXPECT_EQ(unit_of_socket_in("system.slice/backup.service").unit, "backup.service");
  const caller::Identity elsewhere = unit_of_socket_in("system.slice/other.service");
  EXPECT_EQ(elsewhere.unit, "");
  EXPECT_EQ(elsewhere.cgroup, "");
  EXPECT_TRUE(elsewhere.unknown_because.starts_with("another-cgroup: ")) << elsewhere.unknown_because;
}

TEST_F(DiallerTest, IsInDoubtWhereTheCluesContradictEachOtherWhoeverItIs) {
  caller::Clues clues = by_task();
  clues.agreement = caller::Agreement::another_user;
  clues.maker = 0;
  const caller::Identity identity = identify(clues);
  EXPECT_TRUE(identity.is_in_doubt);
  EXPECT_EQ(identity.unknown_because, "another-user: uid 1 connected a socket that uid 0 had made");
  EXPECT_EQ(identity.program, program_) << "for whoever reads the audit";
}

// Of Btrfs and overlays, stat() tells another device than the kernel's structures: the mount's counts.
TEST_F(DiallerTest, IsKnownByTheDeviceOfItsMount) {
  const struct stat file = status_of(program_);
  EXPECT_TRUE(is_file(program_, {.inode = file.st_ino, .device = device_of(file)}, "/proc/self/mountinfo"));
  proc_.write("mountinfo", "");
  EXPECT_FALSE(is_file(program_, {.inode = file.st_ino, .device = 77}, proc_.path("mountinfo")));
  std::string mounts;
  for (int mount = 0; mount < 3000; ++mount) {
    mounts += std::to_string(mount) + " 1 0:77 / / rw\n";
  }
  proc_.write("mountinfo", mounts);
  EXPECT_TRUE(is_file(program_, {.inode = file.st_ino, .device = 77}, proc_.path("mountinfo")));
  EXPECT_FALSE(is_file(program_, {.inode = file.st_ino + 1, .device = 77}, proc_.path("mountinfo")));
}

}  // namespace
}  // namespace msi2imds::resolver
