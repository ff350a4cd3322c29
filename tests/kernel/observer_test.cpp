// SPDX-License-Identifier: MIT
#include "observer/observer.hpp"

#include <grp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <ctime>
#include <optional>
#include <thread>
#include <vector>

#include "kernel/redirection_fixture.hpp"
#include "loader/cgroup.hpp"

namespace msi2imds::kernel {
namespace {

using observer::Dialler;
using observer::Observer;

std::uint64_t cookie_of(const UniqueFd& socket) {
  std::uint64_t cookie = 0;
  socklen_t size = sizeof cookie;
  EXPECT_EQ(::getsockopt(socket.get(), SOL_SOCKET, SO_COOKIE, &cookie, &size), 0);
  return cookie;
}

observer::Plan plan_of_observer() {
  observer::Plan plan;
  plan.legacy_ports = {kPort, kSecondPort};
  // Without a cgroup2 this is a virtual machine of the tests.
  plan.cgroup = ScratchCgroup::path().empty() ? "/" : ScratchCgroup::path();
  return plan;
}

// Runs `act` in a child that writes a socket's cookie, and returns that; the child has ended.
template <typename Act>
std::uint64_t cookie_from_child(Act act, pid_t& pid) {
  std::array<int, 2> pipe{};
  EXPECT_EQ(::pipe(pipe.data()), 0);
  pid = ::fork();
  if (pid == 0) {
    const std::uint64_t cookie = act();
    ::_exit(::write(pipe[1], &cookie, sizeof cookie) == sizeof cookie ? 0 : 1);
  }
  std::uint64_t cookie = 0;
  EXPECT_EQ(::read(pipe[0], &cookie, sizeof cookie), static_cast<ssize_t>(sizeof cookie));
  (void)::close(pipe[0]);
  (void)::close(pipe[1]);
  int status = 0;
  EXPECT_EQ(::waitpid(pid, &status, 0), pid);
  return cookie;
}

class ObserverTest : public testing::Test {
 protected:
  void attach(const observer::Plan& plan) {
    auto attached = Observer::attach(plan);
    ASSERT_TRUE(attached) << attached.error().message();
    observer_.emplace(std::move(*attached));
  }
  void SetUp() override {
    attach(plan_of_observer());
  }

  std::optional<Observer> observer_;
};

TEST_F(ObserverTest, KnowsTheProcessBehindEachFormOfTheLoopbackAddress) {
  (void)::prctl(PR_SET_NAME, "a\nclient");
  for (const char* address : {"127.0.0.1", "127.0.0.5", "::1", "::ffff:127.0.0.1", "0.0.0.0", "::"}) {
    const Dialled dialled = dial(address, kPort);  // nobody listens: it is seen all the same
    const auto dialler = observer_->find(cookie_of(dialled.socket));
    ASSERT_TRUE(dialler) << address;
    EXPECT_EQ(dialler->clues.pid, ::getpid());
    EXPECT_EQ(dialler->clues.uid, ::getuid());
    EXPECT_EQ(dialler->clues.gid, ::getgid());
    EXPECT_STREQ(dialler->clues.comm.data(), "a\nclient");
    EXPECT_EQ(dialler->dialled.port(), kPort);
    EXPECT_EQ(dialler->clues.cookie, cookie_of(dialled.socket));
  }
  (void)::prctl(PR_SET_NAME, "kernel_tests");
}

TEST_F(ObserverTest, KnowsTheCgroupAndTheTime) {
  timespec before{};
  ASSERT_EQ(::clock_gettime(CLOCK_BOOTTIME, &before), 0);
  const Dialled dialled = dial("127.0.0.1", kPort);
  timespec after{};
  ASSERT_EQ(::clock_gettime(CLOCK_BOOTTIME, &after), 0);
  const auto dialler = observer_->find(cookie_of(dialled.socket));
  ASSERT_TRUE(dialler);
  const auto cgroup = loader::open_cgroup(ScratchCgroup::path());
  ASSERT_TRUE(cgroup);
  struct stat directory {};
  ASSERT_EQ(::fstat(cgroup->get(), &directory), 0);
  EXPECT_EQ(dialler->clues.cgroup_id, directory.st_ino);
  const auto to_time = [](const timespec& time) {
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
  };
  EXPECT_GE(dialler->clues.dialled_at, to_time(before).count());
  EXPECT_LE(dialler->clues.dialled_at, to_time(after).count());
}

// Where its kernel shows its tasks; else by the helpers alone.
TEST_F(ObserverTest, KnowsAsWhomAndWithWhichProgramAProcessDialled) {
  if (!observer_->shows_tasks()) {
    GTEST_SKIP() << "this kernel has no BTF";
  }
  pid_t pid = 0;
  const std::uint64_t cookie = cookie_from_child(
      []() -> std::uint64_t {
        const std::array<gid_t, 3> groups{70, 80, 90};
        const bool is_changed = ::setgroups(groups.size(), groups.data()) == 0 && ::setresgid(7, 8, 9) == 0 &&
                                ::setresuid(1, 2, 0) == 0;
        return is_changed ? cookie_of(dial("127.0.0.1", kPort).socket) : 0;
      },
      pid);
  const auto dialler = observer_->find(cookie);
  ASSERT_TRUE(dialler);
  const caller::Clues& clues = dialler->clues;
  EXPECT_EQ(clues.uid, 2U) << "as whom it acts, as its sockets tell";
  EXPECT_EQ(clues.gid, 8U);
  EXPECT_EQ(clues.group_count, 3U);
  EXPECT_EQ(std::vector(clues.groups.begin(), clues.groups.begin() + 3),
            (std::vector<std::uint32_t>{70, 80, 90}));
  EXPECT_LE(clues.started, clues.dialled_at);
  struct stat program {};
  ASSERT_EQ(::stat("/proc/self/exe", &program), 0);
  EXPECT_EQ(clues.program_inode, program.st_ino);
}

TEST_F(ObserverTest, WithoutTheKernelsStructuresKnowsTheRealUserAndGroup) {
  observer_.reset();
  observer::Plan plan = plan_of_observer();
  plan.by_helpers_alone = true;
  attach(plan);
  EXPECT_FALSE(observer_->shows_tasks());
  pid_t pid = 0;
  const std::uint64_t cookie = cookie_from_child(
      []() -> std::uint64_t {
        const bool is_changed = ::setresgid(7, 8, 9) == 0 && ::setresuid(1, 2, 0) == 0;
        return is_changed ? cookie_of(dial("127.0.0.1", kPort).socket) : 0;
      },
      pid);
  const auto dialler = observer_->find(cookie);
  ASSERT_TRUE(dialler);
  EXPECT_EQ(dialler->clues.uid, 1U);
  EXPECT_EQ(dialler->clues.gid, 7U);
  EXPECT_EQ(dialler->clues.pid, pid);
  EXPECT_EQ(dialler->clues.started, 0);
}

TEST_F(ObserverTest, NamesTheProcessOfAThread) {
  std::optional<Dialler> dialler;
  std::thread([&] { dialler = observer_->find(cookie_of(dial("127.0.0.1", kPort).socket)); }).join();
  ASSERT_TRUE(dialler);
  EXPECT_EQ(dialler->clues.pid, ::getpid());
}

TEST_F(ObserverTest, RemembersAProcessThatHasEnded) {
  pid_t pid = 0;
  const std::uint64_t cookie =
      cookie_from_child([] { return cookie_of(dial("127.0.0.1", kSecondPort).socket); }, pid);
  const auto dialler = observer_->find(cookie);
  ASSERT_TRUE(dialler);
  EXPECT_EQ(dialler->clues.pid, pid);
}

// Who dials our own port with a socket of somebody else's making is who dialled.
TEST_F(ObserverTest, NamesTheLastWhoConnectedASocket) {
  const Dialled dialled = dial("127.0.0.1", kPort);
  pid_t pid = 0;
  const std::uint64_t cookie = cookie_from_child(
      [&dialled] {
        const SocketAddress ours = SocketAddress::ipv4_loopback(342);
        (void)::connect(dialled.socket.get(), ours.get(), ours.size());
        return cookie_of(dialled.socket);
      },
      pid);
  const auto dialler = observer_->find(cookie);
  ASSERT_TRUE(dialler);
  EXPECT_EQ(dialler->clues.pid, pid);
  EXPECT_EQ(dialler->dialled.port(), kPort);
}

TEST_F(ObserverTest, IgnoresOtherPortsOtherAddressesAndUdp) {
  const UniqueFd listener = listen_on(kNicAddress, kPort);
  EXPECT_FALSE(observer_->find(cookie_of(dial(kNicAddress, kPort).socket)));
  EXPECT_FALSE(observer_->find(cookie_of(dial("127.0.0.1", kOtherPort).socket)));
  const UniqueFd udp(::socket(AF_INET, SOCK_DGRAM, 0));
  const SocketAddress address = SocketAddress::ipv4_loopback(kPort);
  ASSERT_EQ(::connect(udp.get(), address.get(), address.size()), 0);
  EXPECT_FALSE(observer_->find(cookie_of(udp)));
}

TEST_F(ObserverTest, IgnoresOtherNetworkNamespaces) {
  pid_t pid = 0;
  const std::uint64_t cookie = cookie_from_child(
      []() -> std::uint64_t {
        if (!enter_new_network_namespace()) {
          return 0;
        }
        return cookie_of(dial("127.0.0.1", kPort).socket);
      },
      pid);
  ASSERT_NE(cookie, 0U);
  EXPECT_FALSE(observer_->find(cookie));
}

TEST_F(ObserverTest, TellsEachConnectAsItHappens) {
  EXPECT_EQ(observer_->reports(), -1);
  observer_.reset();
  observer::Plan plan = plan_of_observer();
  plan.report = true;
  attach(plan);
  EXPECT_TRUE(observer_->take_reports().empty());
  const Dialled first = dial("127.0.0.1", kPort);
  const Dialled second = dial("::1", kSecondPort);
  pollfd waiting{.fd = observer_->reports(), .events = POLLIN, .revents = 0};
  EXPECT_EQ(::poll(&waiting, 1, 5000), 1);
  const std::vector<Dialler> reports = observer_->take_reports();
  ASSERT_EQ(reports.size(), 2U);
  EXPECT_EQ(reports[0].clues.cookie, cookie_of(first.socket));
  EXPECT_EQ(reports[1].dialled, *SocketAddress::parse("[::1]:50343"));
  EXPECT_TRUE(observer_->take_reports().empty());
  EXPECT_EQ(observer_->lost_reports(), 0U);
}

TEST_F(ObserverTest, CountsWhatNobodyTakes) {
  observer_.reset();
  observer::Plan plan = plan_of_observer();
  plan.report = true;
  attach(plan);
  constexpr std::size_t kMany = 5000;
  for (std::size_t i = 0; i < kMany; ++i) {
    (void)dial("127.0.0.1", kPort);
  }
  std::size_t taken = 0;
  for (std::size_t part = observer_->take_reports().size(); part > 0;
       part = observer_->take_reports().size()) {
    taken += part;
  }
  EXPECT_GT(observer_->lost_reports(), 0U);
  EXPECT_EQ(taken + observer_->lost_reports(), kMany);
}

TEST_F(ObserverTest, GoesWithItsObjectAndNoticesThatItIsGone) {
  EXPECT_TRUE(observer_->check());
  const auto attached = [] {
    const auto cgroup = loader::open_cgroup(ScratchCgroup::path());
    return loader::programs_of_ours(cgroup->get());
  };
  EXPECT_EQ(attached(), 2U);
  observer_.reset();
  EXPECT_EQ(attached(), 0U);
}

// The observer beside each backend.
class ObservedRedirection : public RedirectionFixture {
 protected:
  void observe() {
    auto attached = Observer::attach(plan_of_observer());
    ASSERT_TRUE(attached) << attached.error().message();
    observer_.emplace(std::move(*attached));
  }
  void expect_client_known() {
    const Dialled dialled = dial("127.0.0.1", kPort);
    ASSERT_EQ(dialled.error, 0);
    ASSERT_TRUE(listeners_->accept());
    const auto dialler = observer_->find(cookie_of(dialled.socket));
    ASSERT_TRUE(dialler);
    EXPECT_EQ(dialler->clues.pid, ::getpid());
    if (observer_is_first_) {
      EXPECT_EQ(dialler->dialled.port(), kPort);
    }
  }

  std::optional<Observer> observer_;
  bool observer_is_first_ = true;
};

TEST_P(ObservedRedirection, KnowsClientsWhenItWasThereBefore) {
  observe();
  install();
  expect_client_known();
}

TEST_P(ObservedRedirection, KnowsClientsWhenItCameLater) {
  observer_is_first_ = GetParam() != "cgroup_connect";
  install();
  observe();
  expect_client_known();
}

INSTANTIATE_TEST_SUITE_P(Backends, ObservedRedirection, testing::ValuesIn(all_backends()), backend_of);

}  // namespace
}  // namespace msi2imds::kernel
