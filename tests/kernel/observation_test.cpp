// SPDX-License-Identifier: MIT
#include "supervisor/observation.hpp"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.hpp"
#include "kernel/connection.hpp"
#include "kernel/plan.hpp"
#include "kernel/scratch_cgroup.hpp"
#include "loader/cgroup.hpp"
#include "support_cpp/run.hpp"

namespace msi2imds::kernel {
namespace {

using supervisor::Observation;

std::uint64_t id_of(const std::string& cgroup) {
  const auto directory = loader::open_cgroup(cgroup);
  struct stat status {};
  return directory && ::fstat(directory->get(), &status) == 0 ? status.st_ino : 0;
}

// This process.
bool move_to(const UniqueFd& directory, const char* list) {
  const UniqueFd processes(::openat(directory.get(), list, O_WRONLY | O_CLOEXEC));
  return processes && ::write(processes.get(), "0", 1) == 1;
}

// Detaches what is linked to the cgroup, as an administrator can; returns how many there were.
int detach_all(std::uint64_t cgroup) {
  int detached = 0;
  for (std::uint32_t id = 0; ::bpf_link_get_next_id(id, &id) == 0;) {
    const UniqueFd link(::bpf_link_get_fd_by_id(id));
    bpf_link_info info{};
    std::uint32_t size = sizeof info;
    if (link && ::bpf_obj_get_info_by_fd(link.get(), &info, &size) == 0 &&
        info.type == BPF_LINK_TYPE_CGROUP && info.cgroup.cgroup_id == cgroup) {
      detached += ::bpf_link_detach(link.get()) == 0 ? 1 : 0;
    }
  }
  return detached;
}

class ObservationTest : public testing::Test {
 protected:
  ObservationTest() {
    log::start({}, "test");
    plan_.legacy_ports = {kPort};
    plan_.cgroup = ScratchCgroup::path().empty() ? "/" : ScratchCgroup::path();
  }
  void start() {
    observation_.start(plan_, [this](const std::vector<observer::Dialler>& seen) { seen_ += seen.size(); });
  }
  // What a connection adds to what was seen.
  void expect_seen() {
    const std::size_t before = seen_;
    const Dialled dialled = dial("127.0.0.1", kPort);
    EXPECT_TRUE(support::run_until(io_, [&] { return seen_ == before + 1; }));
  }

  asio::io_context io_{1};
  observer::Plan plan_;
  std::size_t seen_ = 0;
  Observation observation_{io_};
};

TEST_F(ObservationTest, SeesWhoDialsAfterItsProgramsWereRemovedAndAttachedAgain) {
  start();
  EXPECT_EQ(observation_.shortcoming(), "");
  expect_seen();
  if (detach_all(id_of(plan_.cgroup)) == 0) {
    GTEST_SKIP() << "before Linux 5.9 no link can be detached";
  }
  observation_.keep_in_force();
  EXPECT_EQ(observation_.shortcoming(), "");
  expect_seen();
  expect_seen();
}

TEST_F(ObservationTest, HandsOverOnceWhatWasOpenBeforeAndWhatStaysOpen) {
  const UniqueFd listener = listen_on("127.0.0.1", kPort);
  const Dialled earlier = dial("127.0.0.1", kPort);
  ASSERT_EQ(earlier.error, 0);
  start();
  EXPECT_EQ(seen_, 1U);
  const Dialled later = dial("127.0.0.1", kPort);
  EXPECT_TRUE(support::run_until(io_, [&] { return seen_ == 2; }));
  if (detach_all(id_of(plan_.cgroup)) == 0) {
    GTEST_SKIP() << "before Linux 5.9 no link can be detached";
  }
  observation_.keep_in_force();
  EXPECT_EQ(seen_, 2U);
}

TEST_F(ObservationTest, TriesAgainWhatFailed) {
  if (ScratchCgroup::path().empty()) {
    GTEST_SKIP() << "there is no cgroup2";
  }
  plan_.cgroup = ScratchCgroup::path() + "/later";
  const auto now = std::chrono::steady_clock::now();
  start();
  EXPECT_NE(observation_.shortcoming(), "");
  const auto parent = loader::open_cgroup(ScratchCgroup::path());
  ASSERT_TRUE(parent);
  ASSERT_EQ(::mkdirat(parent->get(), "later", 0755), 0);
  // Before Linux 5.14 the observer learns of its namespace by a connection of its own.
  ASSERT_TRUE(move_to(*parent, "later/cgroup.procs"));
  observation_.keep_in_force(now + std::chrono::seconds(5));
  EXPECT_NE(observation_.shortcoming(), "") << "not each second";
  observation_.keep_in_force(now + std::chrono::seconds(15));
  EXPECT_EQ(observation_.shortcoming(), "");
  observation_.stop();
  ASSERT_TRUE(move_to(*parent, "cgroup.procs"));
  EXPECT_EQ(::unlinkat(parent->get(), "later", AT_REMOVEDIR), 0);
}

TEST_F(ObservationTest, LeavesNoProgramBehindWhenItStops) {
  start();
  observation_.stop();
  EXPECT_EQ(detach_all(id_of(plan_.cgroup)), 0);
  const std::size_t before = seen_;
  const Dialled dialled = dial("127.0.0.1", kPort);
  io_.restart();
  io_.poll();
  EXPECT_EQ(seen_, before);
}

TEST_F(ObservationTest, AddsWhatItSawToWhatASocketTells) {
  observation_.start(plan_);
  const Dialled dialled = dial("127.0.0.1", kPort);
  caller::Clues clues;
  socklen_t size = sizeof clues.cookie;
  ASSERT_EQ(::getsockopt(dialled.socket.get(), SOL_SOCKET, SO_COOKIE, &clues.cookie, &size), 0);
  observation_.add_to(clues);
  EXPECT_EQ(clues.uid, ::getuid());
  EXPECT_TRUE(clues.has_uid);
  EXPECT_NE(clues.dialled_at, 0);
  caller::Clues nobody;
  nobody.cookie = clues.cookie + 1'000'000;
  observation_.add_to(nobody);
  EXPECT_TRUE(nobody.are_none());
}

}  // namespace
}  // namespace msi2imds::kernel
