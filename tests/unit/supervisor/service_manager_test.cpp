// SPDX-License-Identifier: MIT
#include "supervisor/service_manager.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string>

#include "base/log.hpp"
#include "support_cpp/temporary_directory.hpp"

namespace msi2imds::supervisor {
namespace {

class ServiceManagerTest : public testing::Test {
 protected:
  void SetUp() override {
    forget();
  }
  void TearDown() override {
    forget();
  }

  static void forget() {
    for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_PID", "LISTEN_FDS"}) {
      ::unsetenv(name);
    }
  }

  // A socket that receives at this place; '@' begins an abstract name.
  static UniqueFd receive_at(const std::string& place) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    place.copy(static_cast<char*>(address.sun_path), sizeof address.sun_path - 1);
    if (place.front() == '@') {
      address.sun_path[0] = '\0';
    }
    UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + place.size());
    EXPECT_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), size), 0);
    ::setenv("NOTIFY_SOCKET", place.c_str(), 1);
    return fd;
  }
  static std::string received(const UniqueFd& socket) {
    std::array<char, 256> text{};
    const ssize_t size = ::recv(socket.get(), text.data(), text.size(), 0);
    return {text.data(), size < 0 ? 0 : static_cast<std::size_t>(size)};
  }

  ServiceManager manager_;

  // Ends the process: 0 if this many descriptors, from 3 on, were taken over and nothing is left to inherit.
  [[noreturn]] static void take(const std::string& pid, const std::string& count, std::size_t expected) {
    (void)::dup2(STDERR_FILENO, 3);
    (void)::dup2(STDERR_FILENO, 4);
    (void)::close(5);
    ::setenv("LISTEN_PID", pid.c_str(), 1);
    ::setenv("LISTEN_FDS", count.c_str(), 1);
    const std::vector<UniqueFd> taken = take_inherited_descriptors();
    bool right =
        taken.size() == expected && ::getenv("LISTEN_FDS") == nullptr && take_inherited_descriptors().empty();
    for (std::size_t i = 0; i < taken.size() && right; ++i) {
      right = taken[i].get() == static_cast<int>(i) + 3 && ::fcntl(taken[i].get(), F_GETFD) == FD_CLOEXEC;
    }
    ::_exit(right ? 0 : 1);
  }
};

using InheritedSocketsDeathTest = ServiceManagerTest;

TEST_F(ServiceManagerTest, NotifiesASocketWithAPath) {
  const support::TemporaryDirectory directory;
  const UniqueFd socket = receive_at(directory.file("notify"));
  manager_.notify("READY=1");
  EXPECT_EQ(received(socket), "READY=1");
}

TEST_F(ServiceManagerTest, NotifiesAnAbstractSocket) {
  const UniqueFd socket = receive_at("@msi2imds-test-" + std::to_string(::getpid()));
  manager_.notify("STOPPING=1");
  EXPECT_EQ(received(socket), "STOPPING=1");
}

TEST_F(ServiceManagerTest, HasADescriptorHeldUnderAName) {
  const support::TemporaryDirectory directory;
  const UniqueFd socket = receive_at(directory.file("notify"));
  const UniqueFd held(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  manager_.store_descriptor("some-name", held.get());

  std::array<char, 256> text{};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  iovec room{.iov_base = text.data(), .iov_len = text.size()};
  msghdr message{};
  message.msg_iov = &room;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t size = ::recvmsg(socket.get(), &message, MSG_CMSG_CLOEXEC);
  ASSERT_GT(size, 0);
  EXPECT_EQ(std::string(text.data(), static_cast<std::size_t>(size)), "FDSTORE=1\nFDNAME=some-name");
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  ASSERT_NE(header, nullptr);
  ASSERT_EQ(header->cmsg_type, SCM_RIGHTS);
  int descriptor = -1;
  std::memcpy(&descriptor, CMSG_DATA(header), sizeof descriptor);
  const UniqueFd received_one(descriptor);
  struct stat sent {};
  struct stat came {};
  ASSERT_EQ(::fstat(held.get(), &sent), 0);
  ASSERT_EQ(::fstat(received_one.get(), &came), 0);
  EXPECT_EQ(sent.st_ino, came.st_ino);

  manager_.remove_stored_descriptor("some-name");
  EXPECT_EQ(received(socket), "FDSTOREREMOVE=1\nFDNAME=some-name");
}

TEST_F(ServiceManagerTest, KeepsWhatASlowServiceManagerDoesNotTakeYet) {
  const support::TemporaryDirectory directory;
  const UniqueFd socket = receive_at(directory.file("notify"));
  int sent = 0;
  const UniqueFd other(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_un place{};
  socklen_t size = sizeof place;
  ASSERT_EQ(::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&place), &size), 0);
  while (::sendto(other.get(), "x", 1, 0, reinterpret_cast<const sockaddr*>(&place), size) == 1) {
    ++sent;  // until its queue is full
  }
  testing::internal::CaptureStderr();
  log::start({}, "test");
  manager_.notify("READY=1");
  manager_.notify("STOPPING=1");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  for (int i = 0; i < sent; ++i) {
    ASSERT_EQ(received(socket), "x");
  }
  EXPECT_EQ(received(socket), "");
  manager_.deliver();
  EXPECT_EQ(received(socket), "READY=1");
  EXPECT_EQ(received(socket), "STOPPING=1");
  EXPECT_EQ(received(socket), "");
}

TEST_F(ServiceManagerTest, SaysNothingWithoutAServiceManager) {
  testing::internal::CaptureStderr();
  log::start({}, "test");
  manager_.notify("READY=1");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST_F(ServiceManagerTest, WarnsWhenNobodyReceives) {
  const support::TemporaryDirectory directory;
  ::setenv("NOTIFY_SOCKET", directory.file("notify").c_str(), 1);
  testing::internal::CaptureStderr();
  log::start({}, "test");
  manager_.notify("READY=1");
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_NE(log.find("No such file or directory"), std::string::npos) << log;
}

TEST_F(ServiceManagerTest, ReportsTwiceAsOftenAsTheWatchdogWants) {
  ::setenv("WATCHDOG_USEC", "30000000", 1);
  EXPECT_EQ(watchdog_interval(), std::chrono::seconds(15));
}

TEST_F(ServiceManagerTest, HasNoWatchdogUnlessAskedProperly) {
  EXPECT_EQ(watchdog_interval(), std::nullopt);
  for (const char* text : {"", "0", "-1", "x", "30s", "99999999999999999999"}) {
    ::setenv("WATCHDOG_USEC", text, 1);
    EXPECT_EQ(watchdog_interval(), std::nullopt) << text;
  }
}

TEST_F(ServiceManagerTest, HeedsAWatchdogOnlyIfItIsMeantForThisProcess) {
  ::setenv("WATCHDOG_USEC", "2000000", 1);
  ::setenv("WATCHDOG_PID", std::to_string(::getpid()).c_str(), 1);
  EXPECT_EQ(watchdog_interval(), std::chrono::seconds(1));
  ::setenv("WATCHDOG_PID", std::to_string(::getppid()).c_str(), 1);
  EXPECT_EQ(watchdog_interval(), std::nullopt);
}

TEST_F(InheritedSocketsDeathTest, AreTakenOverOnce) {
  EXPECT_EXIT(take(std::to_string(::getpid()), "2", 2), testing::ExitedWithCode(0), "");
}

TEST_F(InheritedSocketsDeathTest, OfAnotherProcessAreLeftAlone) {
  EXPECT_EXIT(take(std::to_string(::getppid()), "2", 0), testing::ExitedWithCode(0), "");
}

TEST_F(InheritedSocketsDeathTest, AreNoneWhenTheNumberIsDamaged) {
  for (const char* count : {"", "x", "2x", "-1", "99999999999"}) {
    EXPECT_EXIT(take(std::to_string(::getpid()), count, 0), testing::ExitedWithCode(0), "") << count;
  }
}

// Owning a number that is not open would close whatever gets that number later.
TEST_F(InheritedSocketsDeathTest, AreOnlyThoseThatAreThere) {
  EXPECT_EXIT(take(std::to_string(::getpid()), "3", 2), testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace msi2imds::supervisor
