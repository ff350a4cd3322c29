// SPDX-License-Identifier: MIT
#include "supervisor/observation.hpp"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <vector>

#include "abi.h"
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
  // For whoever accepts: the kernel notes nothing yet.
  void start_for_responder() {
    listener_ = listen_on("127.0.0.1", kPort);
    observation_.start(plan_);
    EXPECT_EQ(observation_.noted_connections(), -1);
  }
  bool many_call() {
    return observation_.note_if_many_call(100, now_);
  }
  // A second in which so many connect, and so many questions are asked.
  void pass_second(int connections, std::size_t questions) {
    for (int i = 0; i < connections; ++i) {
      connect();
    }
    now_ += std::chrono::seconds(1);
    (void)observation_.note_if_many_call(questions, now_);
    observation_.keep_in_force(now_);
  }
  void connect() {
    const Dialled dialled = dial("127.0.0.1", kPort);
    EXPECT_EQ(dialled.error, 0);
    EXPECT_TRUE(UniqueFd(::accept(listener_.get(), nullptr, nullptr)));
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
  Observation::Time now_ = std::chrono::steady_clock::now();
  Observation observation_{io_};
  UniqueFd listener_;  // none at first
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

TEST_F(ObservationTest, NotesConnectionsWhileManyCall) {
  start_for_responder();
  EXPECT_FALSE(observation_.note_if_many_call(99, now_));
  if (!observation_.note_if_many_call(1, now_)) {
    GTEST_SKIP() << "this kernel notes no connections (before 5.15)";
  }
  EXPECT_GE(observation_.noted_connections(), 0);
  pass_second(20, 0);
  for (int second = 0; second < 9; ++second) {
    pass_second(19, 0);
  }
  pass_second(20, 0);
  for (int second = 0; second < 9; ++second) {
    pass_second(0, 0);
  }
  const std::uint64_t told = observation_.attachments();
  EXPECT_GE(observation_.noted_connections(), 0);
  pass_second(0, 0);
  EXPECT_EQ(observation_.noted_connections(), -1);
  EXPECT_NE(observation_.attachments(), told) << "whoever uses the notes has to be told";
  EXPECT_TRUE(many_call());
  EXPECT_FALSE(many_call()) << "they are noted already";
}

TEST_F(ObservationTest, GoesOnNotingUntilNobodyUsesTheNotes) {
  start_for_responder();
  if (!many_call()) {
    GTEST_SKIP() << "this kernel notes no connections (before 5.15)";
  }
  const UniqueFd notes(::dup(observation_.noted_connections()));
  const auto changes_with_a_connection = [&] {
    const auto all = [&notes] {
      std::vector<seen_connection> slots(SEEN_CONNECTIONS);
      for (std::uint32_t i = 0; i < SEEN_CONNECTIONS; ++i) {
        EXPECT_EQ(::bpf_map_lookup_elem(notes.get(), &i, &slots[i]), 0);
      }
      return slots;
    };
    const auto before = all();
    connect();
    const auto after = all();
    return std::memcmp(before.data(), after.data(), before.size() * sizeof before.front()) != 0;
  };
  for (int second = 0; second < 10; ++second) {
    pass_second(0, 0);
  }
  ASSERT_EQ(observation_.noted_connections(), -1);
  observation_.stop_noting(observation_.attachments() - 1);
  EXPECT_TRUE(changes_with_a_connection()) << "who was told of an earlier change may use them";
  observation_.stop_noting(observation_.attachments());
  EXPECT_FALSE(changes_with_a_connection());
}

TEST_F(ObservationTest, NotesNothingForAMinuteWhereNotesSpareNoQuestions) {
  start_for_responder();
  if (!many_call()) {
    GTEST_SKIP() << "this kernel notes no connections (before 5.15)";
  }
  for (int second = 0; second < 10; ++second) {
    pass_second(20, 20);
  }
  EXPECT_EQ(observation_.noted_connections(), -1);
  now_ += std::chrono::seconds(59);
  EXPECT_FALSE(many_call());
  now_ += std::chrono::seconds(1);
  EXPECT_TRUE(many_call());
}

}  // namespace
}  // namespace msi2imds::kernel
