// SPDX-License-Identifier: MIT
#include "responder/cage.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <functional>

#include "base/message.hpp"
#include "base/secret.hpp"
#include "support_cpp/sanitizer.hpp"
#include "support_cpp/sockets.hpp"
#include "support_cpp/temporary_directory.hpp"

namespace msi2imds::responder {
namespace {

#ifndef MSG_FASTOPEN
#define MSG_FASTOPEN 0x20000000
#endif

// A cage is for good, so that each call is made in a process of its own, whose exit status is the errno.
[[noreturn]] void call_from_inside(const std::function<long()>& call) {
  const Result<Cage> cage = enter_cage(std::nullopt);
  if (!cage || !cage->has_call_filter) {
    std::_Exit(99);
  }
  std::_Exit(call() < 0 ? errno : 0);
}

class CageDeathTest : public testing::Test {
 protected:
  void SetUp() override {
    if (support::kSanitizersNeedPipes) {
      GTEST_SKIP() << "a confined process cannot make the pipes that the address sanitizer needs";
    }
  }
  static void expect_refused(const char* what, const std::function<long()>& call) {
    EXPECT_EXIT(call_from_inside(call), testing::ExitedWithCode(EPERM), "") << what;
  }
  static void expect_allowed(const char* what, const std::function<long()>& call) {
    EXPECT_EXIT(call_from_inside(call), testing::ExitedWithCode(0), "") << what;
  }

  UniqueFd listener_ = support::listen_on_loopback();
  SocketAddress address_ = support::address_of(listener_);
  UniqueFd fresh_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};  // as a listener that was shut down
  support::TemporaryDirectory directory_;
  UniqueFd audit_{::open(directory_.file("audit").c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600)};
};

TEST_F(CageDeathTest, DialsNobody) {
  expect_refused("fast open", [this] {
    return ::sendto(fresh_.get(), "x", 1, MSG_FASTOPEN, address_.get(), address_.size());
  });
  expect_refused("a flag alone", [this] { return ::sendto(fresh_.get(), "x", 1, MSG_FASTOPEN, nullptr, 0); });
  expect_refused("an address alone",
                 [this] { return ::sendto(fresh_.get(), "x", 1, 0, address_.get(), address_.size()); });
  expect_refused("connect", [this] { return ::connect(fresh_.get(), address_.get(), address_.size()); });
  expect_refused("a message", [this] {
    msghdr message{};
    message.msg_name = const_cast<sockaddr*>(address_.get());
    message.msg_namelen = address_.size();
    return ::sendmsg(fresh_.get(), &message, MSG_FASTOPEN);
  });
  expect_refused("a later send", [this] {
    const int on = 1;
    return ::setsockopt(fresh_.get(), IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &on, sizeof on);
  });
  expect_refused("another socket", [] { return ::socket(AF_UNIX, SOCK_STREAM, 0); });
}

TEST_F(CageDeathTest, LeavesListenersAsTheyAre) {
  for (const int how : {SHUT_RD, SHUT_RDWR}) {
    expect_refused("shutdown", [this, how] { return ::shutdown(listener_.get(), how); });
  }
  expect_allowed("shutdown for writing", [this] { return ::shutdown(listener_.get(), SHUT_WR); });
  expect_refused("listen", [this] { return ::listen(listener_.get(), 0); });
  expect_refused("dissolve", [this] {
    const sockaddr nobody{};
    return ::connect(listener_.get(), &nobody, sizeof nobody);
  });
  const UniqueFd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(::connect(client.get(), address_.get(), address_.size()), 0);
}

TEST_F(CageDeathTest, AppendsAndNothingElse) {
  expect_refused("F_SETFL", [this] { return ::fcntl(audit_.get(), F_SETFL, O_NONBLOCK); });
  expect_refused("truncation", [this] { return ::ftruncate(audit_.get(), 0); });
  expect_refused("seeking", [this] { return ::lseek(audit_.get(), 0, SEEK_SET); });
  expect_refused("a mapping", [this] {
    return ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, audit_.get(), 0) == MAP_FAILED ? -1 : 0;
  });
  const iovec part{.iov_base = const_cast<char*>("x"), .iov_len = 1};
  constexpr int kNoAppend = 0x20;
  expect_refused("RWF_NOAPPEND", [&] { return ::pwritev2(audit_.get(), &part, 1, 0, kNoAppend); });
  ASSERT_EQ(::write(audit_.get(), "a line\n", 7), 7);
  expect_allowed("a write anywhere", [this] { return ::pwrite(audit_.get(), "forged\n", 7, 0); });
  std::array<char, 32> text{};
  const UniqueFd reader(::open(directory_.file("audit").c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(::read(reader.get(), text.data(), text.size()), 14);
  EXPECT_STREQ(text.data(), "a line\nforged\n");
}

TEST_F(CageDeathTest, PassesNoDescriptorOn) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()), 0);
  const UniqueFd ours(ends[0]);
  const UniqueFd theirs(ends[1]);
  expect_refused("a descriptor", [&] { return send_message(ours.get(), "x", audit_.get()) ? 0L : -1L; });
  expect_allowed("bytes", [&] { return send_message(ours.get(), "x", -1) ? 0L : -1L; });
}

TEST_F(CageDeathTest, HasNoPathAndNoPrivilege) {
  expect_refused("opening", [] { return ::open("/etc/passwd", O_RDONLY | O_CLOEXEC); });
  expect_refused("another process", [] { return ::kill(::getppid(), 0); });
  expect_refused("code", [] {
    return ::mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1
                                                                                                          : 0;
  });
  expect_refused("another limit", [] {
    const rlimit limit{.rlim_cur = 3, .rlim_max = 3};
    return ::setrlimit(RLIMIT_NOFILE, &limit);
  });
  expect_refused("typing for a terminal", [] { return ::ioctl(STDERR_FILENO, TIOCSTI, "x"); });
  expect_refused("becoming visible", [] { return ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); });
}

TEST_F(CageDeathTest, KeepsWhatServingTakes) {
  expect_allowed("allocating", [] {
    const std::string large(std::size_t{64} * 1024 * 1024, 'x');
    const SecretString secret("token");
    return large.back() == 'x' && !secret.empty() ? 0L : -1L;
  });
  const UniqueFd memory(static_cast<int>(::syscall(SYS_memfd_create, "tokens", 0U)));
  expect_allowed("the memory for tokens", [&] {
    const bool is_written = ::pwrite(memory.get(), "token", 5, 8192) == 5;
    void* mapped = ::mmap(nullptr, 4096, PROT_READ, MAP_SHARED, memory.get(), 0);
    const Result<void> wiped = wipe_file(memory.get(), 0, 16384);
    return is_written && mapped != MAP_FAILED && wiped ? 0L : -1L;
  });
  expect_allowed("reading a limit", [] {
    rlimit limit{};
    return ::getrlimit(RLIMIT_NOFILE, &limit);
  });
  expect_allowed("being reset", [this] {
    const linger now{.l_onoff = 1, .l_linger = 0};
    return ::setsockopt(fresh_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  });
}

TEST_F(CageDeathTest, TellsWhatHoldsIt) {
  const auto look = [] {
    const Result<Cage> cage = enter_cage(std::nullopt);
    const bool is_right =
        cage && cage->has_call_filter && !cage->has_empty_root && cage->own_namespaces.empty();
    std::_Exit(is_right ? 0 : 1);
  };
  EXPECT_EXIT(look(), testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace msi2imds::responder
