// SPDX-License-Identifier: MIT
#include "resolver/cage.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>

#include "resolver/cgroup_paths.hpp"
#include "support_cpp/temporary_directory.hpp"

namespace msi2imds::resolver {
namespace {

constexpr int kNoFilters = 77;
constexpr int kNoCage = 99;

// Its exit status is the errno of `call`, made from inside.
[[noreturn]] void call_in_cage(const std::function<long()>& call) {
  const Result<bool> caged = enter_cage();
  if (!caged || !*caged) {
    ::_exit(caged ? kNoFilters : kNoCage);
  }
  ::_exit(call() < 0 ? errno : 0);
}

auto ends_with(int err) {
  return [err](int status) {
    return WIFEXITED(status) && (WEXITSTATUS(status) == err || WEXITSTATUS(status) == kNoFilters);
  };
}

class CageDeathTest : public testing::Test {
 protected:
  CageDeathTest() : file_(directory_.file("file")) {
    (void)::close(::open(file_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  }
  void expect(int err, const std::function<long()>& call, const char* what) {
    EXPECT_EXIT(call_in_cage(call), ends_with(err), "") << what;
  }
  void forbids(const std::function<long()>& call, const char* what) {
    expect(EPERM, call, what);
  }

  support::TemporaryDirectory directory_;
  std::string file_;
};

TEST_F(CageDeathTest, LetsItRead) {
  expect(
      0, [&] { return ::open(file_.c_str(), O_RDONLY | O_CLOEXEC); }, "open");
  expect(
      0, [] { return ::open("/proc/self/stat", O_RDONLY | O_CLOEXEC | O_NOCTTY); }, "stat of /proc");
  expect(
      0, [] { return ::open("/proc/self/fd", O_RDONLY | O_CLOEXEC | O_DIRECTORY | O_NONBLOCK); }, "fd");
  expect(
      0,
      [] {
        std::array<char, 100> target{};
        return ::readlink("/proc/self/exe", target.data(), target.size());
      },
      "readlink");
}

// Where nobody may open them by their ids: before Linux 5.5, or under a filter of the service manager's.
TEST_F(CageDeathTest, LetsItWalkTheCgroups) {
  const std::string below = directory_.file("a/b");
  std::filesystem::create_directories(below);
  struct stat found {};
  ASSERT_EQ(::stat(below.c_str(), &found), 0);
  const std::string root = std::filesystem::path(file_).parent_path().string();
  CgroupPaths paths(UniqueFd(::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)));
  expect(
      0, [&] { return paths.find(found.st_ino) == "/a/b" ? 0 : -1; }, "walk");
}

TEST_F(CageDeathTest, LetsItChangeNoFile) {
  for (const int flags :
       {O_WRONLY, O_RDWR, O_RDONLY | O_CREAT, O_RDONLY | O_TRUNC, O_WRONLY | O_APPEND, O_TMPFILE | O_RDWR}) {
    forbids([&] { return ::open(file_.c_str(), flags | O_CLOEXEC, 0600); }, std::to_string(flags).c_str());
  }
  forbids([&] { return ::unlink(file_.c_str()); }, "unlink");
  forbids([&] { return ::rename(file_.c_str(), "/tmp/x"); }, "rename");
  forbids([&] { return ::link(file_.c_str(), "/tmp/x"); }, "link");
  forbids([&] { return ::symlink("x", directory_.file("link").c_str()); }, "symlink");
  forbids([&] { return ::mkdir(directory_.file("made").c_str(), 0700); }, "mkdir");
  forbids([&] { return ::chmod(file_.c_str(), 0777); }, "chmod");
  forbids([&] { return ::chown(file_.c_str(), 1, 1); }, "chown");
  forbids([&] { return ::truncate(file_.c_str(), 0); }, "truncate");
  forbids([] { return ::write(STDERR_FILENO, "", 0); }, "write");
  forbids([] { return ::mount("none", "/mnt", "tmpfs", 0, nullptr); }, "mount");
}

TEST_F(CageDeathTest, GivesItNoNetwork) {
  for (const int family : {AF_INET, AF_INET6, AF_UNIX, AF_NETLINK}) {
    forbids([&] { return ::socket(family, SOCK_STREAM, 0); }, "socket");
  }
  const int low = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int socket = ::fcntl(low, F_DUPFD_CLOEXEC, 10);  // another number than the reader's own
  sockaddr nobody{};
  forbids([&] { return ::connect(socket, &nobody, sizeof nobody); }, "connect");
  forbids([&] { return ::listen(socket, 1); }, "listen");
  forbids([&] { return ::send(socket, "", 0, MSG_NOSIGNAL); }, "send through another socket");
  forbids([&] { return ::sendto(kReaderSocket, "", 0, MSG_NOSIGNAL, &nobody, sizeof nobody); },
          "send elsewhere");
  forbids([&] { return ::sendmsg(kReaderSocket, nullptr, 0); }, "send descriptors");
  forbids([&] { return ::recvmsg(kReaderSocket, nullptr, 0); }, "receive descriptors");
  (void)::close(socket);
  (void)::close(low);
}

TEST_F(CageDeathTest, LetsItTouchNoProcess) {
  forbids([] { return ::kill(::getppid(), SIGKILL); }, "kill");
  forbids([] { return ::syscall(SYS_tgkill, ::getppid(), ::getppid(), SIGKILL); }, "tgkill");
  forbids([] { return ::ptrace(PTRACE_SEIZE, ::getppid(), nullptr, nullptr); }, "ptrace");
  forbids([] { return ::process_vm_readv(::getppid(), nullptr, 0, nullptr, 0, 0); }, "process_vm_readv");
  forbids([] { return ::process_vm_writev(::getppid(), nullptr, 0, nullptr, 0, 0); }, "process_vm_writev");
  forbids([] { return ::fork(); }, "fork");
  forbids([] { return ::execl("/bin/true", "true", nullptr); }, "exec");
  forbids([] { return ::syscall(SYS_pidfd_open, ::getppid(), 0); }, "pidfd_open");
  forbids([] { return ::open("/proc/self/mem", O_RDWR | O_CLOEXEC); }, "memory for writing");
}

TEST_F(CageDeathTest, GivesItNoWayOut) {
  forbids([] { return ::setuid(0); }, "setuid");
  forbids([] { return ::unshare(0); }, "unshare");
  forbids([] { return ::chroot("/"); }, "chroot");
  forbids([] { return ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); }, "prctl");
  forbids([] { return ::syscall(SYS_capset, nullptr, nullptr); }, "capset");
  forbids([] { return ::syscall(SYS_bpf, 0, nullptr, 0); }, "bpf");
  forbids([] { return ::syscall(SYS_seccomp, 0, 0, nullptr); }, "seccomp");
  forbids([] { return ::syscall(SYS_io_uring_setup, 1, nullptr); }, "io_uring");
  forbids(
      [] {
        return ::mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED
                   ? -1
                   : 0;
      },
      "code");
}

// "CapEff:\t0000000000080004"
std::string status_line(const std::string& name) {
  const int file = ::open("/proc/self/status", O_RDONLY | O_CLOEXEC);
  std::array<char, 8192> text{};
  const ssize_t size = ::read(file, text.data(), text.size());
  const std::string status(text.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
  const std::size_t at = status.find("\n" + name + ":\t");
  return at == std::string::npos ? "" : status.substr(at + name.size() + 3, 16);
}

TEST_F(CageDeathTest, LeavesItTwoCapabilities) {
  constexpr unsigned long long kBoth = (1ULL << 19) | (1ULL << 2);
  expect(
      0,
      [&] {
        for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapAmb"}) {
          if ((std::strtoull(status_line(set).c_str(), nullptr, 16) & ~kBoth) != 0) {
            return -1;
          }
        }
        return status_line("NoNewPrivs").starts_with('1') ? 0 : -1;
      },
      "capabilities");
}

}  // namespace
}  // namespace msi2imds::resolver
