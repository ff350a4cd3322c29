// SPDX-License-Identifier: MIT
#include "supervisor/container_scan.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>

#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "support_cpp/temporary_directory.hpp"

namespace msi2imds::supervisor {
namespace {

enum class FirstThread { stays, ends };

// A process in a network of its own, where such a one can be made.
class Stranger {
 public:
  explicit Stranger(FirstThread first_thread = FirstThread::stays) {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    pid_ = ::fork();
    if (pid_ == 0) {
      const bool is_made = ::unshare(CLONE_NEWNET) == 0 || ::unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0;
      const char told = is_made ? 'y' : 'n';
      if (first_thread == FirstThread::ends) {
        std::thread([] { wait_for_ever(); }).detach();
      }
      (void)!::write(ends[1], &told, 1);
      if (first_thread == FirstThread::ends) {
        ::syscall(SYS_exit, 0);
      }
      wait_for_ever();
    }
    (void)!::read(ends[0], &told_, 1);
    ::close(ends[0]);
    ::close(ends[1]);
  }
  Stranger(const Stranger&) = delete;
  Stranger& operator=(const Stranger&) = delete;
  ~Stranger() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  [[nodiscard]] pid_t pid() const {
    return pid_;
  }
  [[nodiscard]] bool has_own_network() const {
    return told_ == 'y';
  }
  // Whether it has come to that.
  [[nodiscard]] bool first_thread_has_ended() const {
    std::ifstream status("/proc/" + std::to_string(pid_) + "/status");
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with("State:")) {
        return line.find('Z') != std::string::npos;
      }
    }
    return false;
  }

 private:
  [[noreturn]] static void wait_for_ever() {
    while (true) {
      ::pause();
    }
  }

  pid_t pid_ = -1;
  char told_ = 'n';
};

class ContainerScanTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!stranger.has_own_network() || !network_of(stranger.pid())) {
      GTEST_SKIP() << "no network can be made here, or looked at";
    }
  }
  void put(const std::string& cgroup, const std::string& processes) const {
    std::filesystem::create_directories(root.path() / cgroup);
    std::ofstream(root.path() / cgroup / "cgroup.procs") << processes;
  }
  [[nodiscard]] std::vector<ContainerNetwork> find(bool is_known = false) const {
    const UniqueFd top(::open(root.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const std::vector<NetworkName> known(is_known ? 1 : 0, *network_of(stranger.pid()));
    return find_container_networks(top.get(), known);
  }

  const std::string id = std::string(64, 'a');
  support::TemporaryDirectory root;
  Stranger stranger;
  const std::string line = std::to_string(stranger.pid()) + "\n";
  const std::string own = std::to_string(::getpid()) + "\n";
};

TEST_F(ContainerScanTest, FindsTheNetworkOfItsFirstProcessThatIsNotOurs) {
  put("system.slice/docker-" + id + ".scope", own + line);
  const auto found = find();
  ASSERT_EQ(found.size(), 1);
  EXPECT_EQ(found.front().network, network_of(stranger.pid()));
  EXPECT_EQ(network_of(found.front().open_network), network_of(stranger.pid()));
  struct stat status {};
  EXPECT_EQ(::stat((root.path() / ("system.slice/docker-" + id + ".scope")).c_str(), &status), 0);
  EXPECT_EQ(found.front().cgroup, status.st_ino);
  EXPECT_FALSE(find(true).front().open_network) << "it is held already";
}

TEST_F(ContainerScanTest, LooksIntoTheCgroupsThatAContainerMakes) {
  put("kubepods/burstable/pod1/" + id + "/init/app", line);
  EXPECT_EQ(find().size(), 1);
}

TEST_F(ContainerScanTest, LeavesOutWhatIsNoContainerOfRoots) {
  put("system.slice/some.service", line);
  put("system.slice/some.service/docker-" + id + ".scope", line);
  put("user.slice/user-1000.slice/user@1000.service/app.slice/libpod-" + id + ".scope", line);
  put("docker-" + id + ".scope", own);
  EXPECT_TRUE(find().empty());
}

TEST_F(ContainerScanTest, FindsTheNetworkOfAProcessWhoseFirstThreadHasEnded) {
  const Stranger other(FirstThread::ends);
  while (!other.first_thread_has_ended()) {
    std::this_thread::yield();
  }
  put("docker-" + id + ".scope", std::to_string(other.pid()) + "\n");
  const auto found = find();
  ASSERT_EQ(found.size(), 1);
  EXPECT_EQ(network_of(found.front().open_network), found.front().network);
}

TEST_F(ContainerScanTest, LeavesOutProcessesThatAreGone) {
  put("docker-" + id + ".scope", "0\n4194303\n-1\nx\n");
  EXPECT_TRUE(find().empty());
}

TEST(OtherNetworkTest, WhatCannotBeEnteredIsSaid) {
  const UniqueFd no_network(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  EXPECT_FALSE(NetworkVisit(no_network).entered());
}

}  // namespace
}  // namespace msi2imds::supervisor
