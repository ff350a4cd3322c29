// SPDX-License-Identifier: MIT
// Who may connect to an address that is closed to users, by each way of closing it.
#include "redirect/barrier.hpp"

#include <bpf/bpf.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/run_to_end.hpp"
#include "kernel/bpf_file_system.hpp"
#include "kernel/bpf_objects.hpp"
#include "kernel/connection.hpp"
#include "kernel/namespace.hpp"
#include "kernel/rules.hpp"
#include "kernel/scratch_cgroup.hpp"
#include "loader/cgroup.hpp"
#include "loader/cgroup_attachment.hpp"

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

namespace msi2imds::kernel {
namespace {

constexpr std::uint16_t kClosedPort = 50344;
constexpr std::uint16_t kAgentPort = 50343;
constexpr std::uint16_t kOpenPort = 50342;
constexpr uid_t kAllowed = 20001;
constexpr uid_t kRefused = 20002;
constexpr int kCannotTry = 255;

SocketAddress at(const std::string& address, std::uint16_t port) {
  return *SocketAddress::parse(address, port);
}

// What `attempt` returns, an errno or 0, in a process of that user.
int as_user(uid_t uid, const std::function<int()>& attempt) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    const bool changed = ::setresgid(uid, uid, uid) == 0 && ::setresuid(uid, uid, uid) == 0;
    ::_exit(changed ? attempt() : kCannotTry);
  }
  int status = 0;
  EXPECT_EQ(::waitpid(pid, &status, 0), pid);
  EXPECT_TRUE(WIFEXITED(status));
  return WEXITSTATUS(status);
}

int dial_as(uid_t uid, const std::string& address, std::uint16_t port) {
  return as_user(uid, [&] { return dial(address, port).error; });
}

// By a socket of another protocol, or with the data in the SYN.
int dial_otherwise(int protocol, int flags) {
  const SocketAddress to = at(kNicAddress, kClosedPort);
  const UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, protocol));
  if (!socket) {
    return kCannotTry;
  }
  const bool done = flags == 0 ? ::connect(socket.get(), to.get(), to.size()) == 0
                               : ::sendto(socket.get(), "x", 1, flags, to.get(), to.size()) == 1;
  return done ? 0 : errno;
}

bool is_refusal(int failure) {
  return failure == EPERM || failure == ECONNREFUSED;
}

// Of ours, on this process's cgroup.
std::size_t attached_programs() {
  const auto directory = loader::open_cgroup(ScratchCgroup::path().empty() ? "/" : ScratchCgroup::path());
  return directory ? loader::programs_of_ours(directory->get()) : 0;
}

std::vector<std::string> all_ways() {
  std::vector<std::string> names;
  for (const auto& barrier : redirect::all_barriers("")) {
    names.emplace_back(barrier->name());
  }
  return names;
}

class BarrierTest : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    barrier_ = new_barrier();
    if (GetParam() == "bpf") {
      if (ScratchCgroup::path().empty()) {
        GTEST_SKIP() << "no cgroup2 is mounted here";
      }
      plan_.cgroups = {ScratchCgroup::path()};
      const auto raised = run_to_end(barrier_->raise(plan_));
      if (!raised) {
        GTEST_SKIP() << "this kernel cannot: " << raised.error().message();
      }
    } else {
      raise();
    }
  }

  void TearDown() override {
    barrier_.reset();
    EXPECT_TRUE(comes_true([this] { return all_rules() == rules_before_; })) << all_rules();
    EXPECT_TRUE(comes_true([] { return attached_programs() == 0; }));
  }

  std::unique_ptr<redirect::Barrier> new_barrier() {
    for (auto& barrier : redirect::all_barriers(files_.pins())) {
      if (barrier->name() == GetParam()) {
        return std::move(barrier);
      }
    }
    return nullptr;
  }

  void raise() {
    const auto raised = run_to_end(barrier_->raise(plan_));
    ASSERT_TRUE(raised) << raised.error().message();
  }

  [[nodiscard]] std::string why_not_in_force() {
    const auto checked = run_to_end(barrier_->check());
    return checked ? "" : checked.error().message();
  }

  BpfFileSystem files_;
  std::string rules_before_ = all_rules();
  redirect::BarrierPlan plan_{.closed = {at(kNicAddress, kClosedPort), at("127.0.0.1", kAgentPort)},
                              .open_to = {0, kAllowed}};
  UniqueFd closed_ = listen_on(kNicAddress, kClosedPort);
  UniqueFd agent_ = listen_on("127.0.0.1", kAgentPort);
  UniqueFd other_port_ = listen_on(kNicAddress, kOpenPort);
  UniqueFd other_address_ = listen_on("127.0.0.1", kClosedPort);
  std::unique_ptr<redirect::Barrier> barrier_;
};

INSTANTIATE_TEST_SUITE_P(Ways, BarrierTest, testing::ValuesIn(all_ways()),
                         [](const auto& tested) { return tested.param; });

TEST_P(BarrierTest, RefusesOthersAtOnceAndLetsRootAndNamedUsersThrough) {
  EXPECT_EQ(why_not_in_force(), "");
  EXPECT_TRUE(is_refusal(dial_as(kRefused, kNicAddress, kClosedPort)));
  EXPECT_TRUE(is_refusal(dial_as(kRefused, "127.0.0.1", kAgentPort)));
  EXPECT_EQ(dial_as(kAllowed, kNicAddress, kClosedPort), 0);
  EXPECT_EQ(dial_as(kAllowed, "127.0.0.1", kAgentPort), 0);
  EXPECT_EQ(dial(kNicAddress, kClosedPort).error, 0);
}

TEST_P(BarrierTest, LeavesOtherAddressesAndPortsAlone) {
  EXPECT_EQ(dial_as(kRefused, kNicAddress, kOpenPort), 0);
  EXPECT_EQ(dial_as(kRefused, "127.0.0.1", kClosedPort), 0);
}

TEST_P(BarrierTest, RefusesTheAddressAsADualStackSocketWritesIt) {
  EXPECT_TRUE(is_refusal(dial_as(kRefused, "::ffff:" + kNicAddress, kClosedPort)));
  EXPECT_EQ(dial_as(kAllowed, "::ffff:" + kNicAddress, kClosedPort), 0);
}

TEST_P(BarrierTest, RefusesDataInTheFirstSegment) {
  EXPECT_TRUE(is_refusal(as_user(kRefused, [] { return dial_otherwise(0, MSG_FASTOPEN | MSG_NOSIGNAL); })));
}

TEST_P(BarrierTest, RefusesMultipathTcp) {
  const int failure = as_user(kRefused, [] { return dial_otherwise(IPPROTO_MPTCP, 0); });
  EXPECT_TRUE(is_refusal(failure) || failure == kCannotTry) << failure;
}

TEST_P(BarrierTest, LeavesWhatIsConnectedAlone) {
  run_to_end(barrier_->lower());
  const Dialled earlier = dial(kNicAddress, kClosedPort);
  const UniqueFd accepted = accept_from(closed_.get());
  plan_.open_to = {};
  raise();
  EXPECT_TRUE(is_alive(earlier.socket, accepted));
}

TEST_P(BarrierTest, AnotherPlanTakesThePlaceOfTheFirst) {
  plan_.open_to = {0, kRefused};
  plan_.closed.pop_back();
  raise();
  EXPECT_EQ(why_not_in_force(), "");
  EXPECT_EQ(dial_as(kRefused, kNicAddress, kClosedPort), 0);
  EXPECT_TRUE(is_refusal(dial_as(kAllowed, kNicAddress, kClosedPort)));
  EXPECT_EQ(dial_as(kAllowed, "127.0.0.1", kAgentPort), 0);
}

TEST_P(BarrierTest, LetsEverybodyThroughOnceItIsLowered) {
  const auto lowered = run_to_end(barrier_->lower());
  EXPECT_TRUE(lowered) << lowered.error().message();
  EXPECT_EQ(dial_as(kRefused, kNicAddress, kClosedPort), 0);
  EXPECT_EQ(all_rules(), rules_before_);
  raise();
  EXPECT_TRUE(is_refusal(dial_as(kRefused, kNicAddress, kClosedPort)));
}

TEST_P(BarrierTest, LetsEverybodyThroughWhenItsProcessIsKilled) {
  run_to_end(barrier_->lower());
  const pid_t pid = ::fork();
  if (pid == 0) {
    const auto raised = run_to_end(barrier_->raise(plan_));
    (void)::raise(raised ? SIGKILL : SIGTERM);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(pid, &status, 0), pid);
  ASSERT_EQ(WTERMSIG(status), SIGKILL);
  EXPECT_TRUE(comes_true([] { return dial_as(kRefused, kNicAddress, kClosedPort) == 0; }));
}

TEST_P(BarrierTest, NoticesThatItIsGoneAndIsRaisedAgain) {
  if (GetParam() == "bpf") {
    return;  // does not apply: nobody can take a link away
  }
  remove_all_rules();
  EXPECT_NE(why_not_in_force(), "");
  EXPECT_EQ(dial_as(kRefused, kNicAddress, kClosedPort), 0);
  raise();
  EXPECT_EQ(why_not_in_force(), "");
  EXPECT_TRUE(is_refusal(dial_as(kRefused, kNicAddress, kClosedPort)));
}

TEST_P(BarrierTest, WhatIsLeftIsFoundAndRemoved) {
  ASSERT_TRUE(barrier_->hand_over());
  EXPECT_TRUE(is_refusal(dial_as(kRefused, kNicAddress, kClosedPort)));
  barrier_ = new_barrier();
  const auto found = run_to_end(barrier_->find_leftovers());
  ASSERT_TRUE(found) << found.error().message();
  EXPECT_EQ(found->size(), GetParam() == "bpf" ? 2U : 1U);
  EXPECT_TRUE(run_to_end(barrier_->remove_leftovers()));
  EXPECT_EQ(dial_as(kRefused, kNicAddress, kClosedPort), 0);
  EXPECT_TRUE(run_to_end(barrier_->find_leftovers())->empty());
}

TEST_P(BarrierTest, TheNextOneTakesOverWhatWasLeft) {
  ASSERT_TRUE(barrier_->hand_over());
  barrier_ = new_barrier();
  plan_.open_to = {0, kRefused};
  raise();
  EXPECT_EQ(dial_as(kRefused, kNicAddress, kClosedPort), 0);
  EXPECT_TRUE(is_refusal(dial_as(kAllowed, kNicAddress, kClosedPort)));
  EXPECT_TRUE(files_.names().empty());
}

// One of two links would keep users away who have nobody left to ask.
TEST_P(BarrierTest, LeavesNothingWhereItCannotLeaveAll) {
  if (GetParam() != "bpf") {
    return;  // does not apply: rules stay by themselves
  }
  struct stat own {};
  ASSERT_EQ(::stat("/proc/self/ns/net", &own), 0);
  const std::string second = files_.pins() + "/barrier_" + std::to_string(own.st_ino) + "_1";
  ASSERT_EQ(::mkdir(files_.pins().c_str(), 0700), 0);
  const UniqueFd foreign(bpf_map_create(BPF_MAP_TYPE_ARRAY, "foreign", 4, 4, 1, nullptr));
  ASSERT_EQ(bpf_obj_pin(foreign.get(), second.c_str()), 0);
  EXPECT_FALSE(barrier_->hand_over());
  EXPECT_TRUE(run_to_end(barrier_->lower()));
  EXPECT_EQ(dial_as(kRefused, kNicAddress, kClosedPort), 0);
  EXPECT_EQ(files_.names().size(), 1U) << "the foreign one";
}

// However late that is lowered, which takes away its own rules alone.
TEST_P(BarrierTest, OutlastsTheOneBefore) {
  if (GetParam() == "bpf") {
    return;  // does not apply: links are nobody else's
  }
  const std::unique_ptr<redirect::Barrier> earlier = std::move(barrier_);
  barrier_ = new_barrier();
  raise();
  EXPECT_TRUE(run_to_end(earlier->lower()));
  EXPECT_EQ(why_not_in_force(), "");
  EXPECT_TRUE(is_refusal(dial_as(kRefused, kNicAddress, kClosedPort)));
}

TEST_P(BarrierTest, ClosesAnAddressOfIpv6) {
  const UniqueFd listener = listen_on("::1", kClosedPort);
  plan_.closed = {at("::1", kClosedPort)};
  raise();
  EXPECT_TRUE(is_refusal(dial_as(kRefused, "::1", kClosedPort)));
  EXPECT_EQ(dial_as(kAllowed, "::1", kClosedPort), 0);
  EXPECT_EQ(dial_as(kRefused, kNicAddress, kClosedPort), 0) << "that was IMDS before";
}

TEST_P(BarrierTest, LeavesOtherNetworkNamespacesAlone) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    const bool entered = static_cast<bool>(enter_new_network_namespace());
    const UniqueFd listener = listen_on(kNicAddress, kClosedPort);
    ::_exit(entered && dial_as(kRefused, kNicAddress, kClosedPort) == 0 ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(pid, &status, 0), pid);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST_P(BarrierTest, LeavesOtherCgroupsAlone) {
  if (GetParam() == "bpf") {
    return;  // tested end to end
  }
  plan_.cgroups = {"/a"};
  const auto raised = run_to_end(barrier_->raise(plan_));
  ASSERT_FALSE(raised) << "rules know no cgroups";
  EXPECT_NE(raised.error().message().find("redirect.cgroups"), std::string::npos);
}

}  // namespace
}  // namespace msi2imds::kernel
