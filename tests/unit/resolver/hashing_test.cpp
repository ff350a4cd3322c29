// SPDX-License-Identifier: MIT
#include "resolver/hashing.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <system_error>
#include <vector>

#include "resolver/resolver.hpp"
#include "resolver/unit.hpp"
#include "support_cpp/run.hpp"
#include "unit/resolver/fake_proc.hpp"

namespace msi2imds::resolver {
namespace {

constexpr const char* kOfAbc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
// A debug build takes seconds to hash itself.
constexpr std::chrono::seconds kForAWholeProgram{60};
constexpr const char* kOfNothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

std::string hash_of(const std::string& text, std::size_t piece) {
  Sha256 hash;
  for (std::size_t at = 0; at < text.size(); at += piece) {
    const std::string part = text.substr(at, piece);
    hash.add(std::span(reinterpret_cast<const std::uint8_t*>(part.data()), part.size()));
  }
  return hash.finish();
}

TEST(Sha256Test, IsThatOfTheStandard) {
  EXPECT_EQ(hash_of("", 1), kOfNothing);
  EXPECT_EQ(hash_of("abc", 3), kOfAbc);
  EXPECT_EQ(hash_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 7),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  for (const std::size_t piece : {1U, 63U, 64U, 65U, 1000U, 1'000'000U}) {
    EXPECT_EQ(hash_of(std::string(1'000'000, 'a'), piece),
              "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  }
}

class HashingTest : public testing::Test, protected Listener {
 protected:
  HashingTest() {
    proc_.write("backup", "abc");
    proc_.add(100, proc_.path("backup"), 1);
  }
  Question about(pid_t pid) {
    Question question;
    question.number = 1;
    question.clues.pid = pid;
    return question;
  }
  std::optional<std::string> hash(pid_t pid) {
    hashing_.ask(about(pid));
    while (hashing_.advance()) {
    }
    return hashes_.find(open_program(proc_.path(), pid).key);
  }

  FakeProc proc_;
  ProgramHashes hashes_;
  Progress progress_;
  std::vector<std::uint64_t> heard_;
  Hashing hashing_{proc_.path(), hashes_, *this, progress_, std::chrono::nanoseconds(0)};

 private:
  void hear_identity(std::uint64_t /*number*/, const Found& /*found*/, bool /*more*/) override {}
  void hear_unhashed(std::uint64_t /*number*/, const Found& /*found*/) override {}
  void hear_command_line(std::uint64_t /*number*/, const std::string& /*line*/) override {}
  void hear_hash(std::uint64_t number) override {
    heard_.push_back(number);
  }
};

TEST_F(HashingTest, KeepsTheHashOfTheFileThatAProcessRuns) {
  EXPECT_EQ(hash(100), kOfAbc);
  EXPECT_EQ(heard_, std::vector<std::uint64_t>{1});
}

TEST_F(HashingTest, KnowsAnotherContentForAnother) {
  EXPECT_EQ(hash(100), kOfAbc);
  proc_.write("backup", "");
  EXPECT_NE(hashes_.find(open_program(proc_.path(), 100).key), std::optional<std::string>(kOfAbc));
  EXPECT_EQ(hash(100), kOfNothing);
}

TEST_F(HashingTest, KeepsNoHashOfAFileThatChangesMeanwhile) {
  const FileKey before = open_program(proc_.path(), 100).key;
  hashing_.ask(about(100));
  (void)hashing_.advance();  // it is open
  (void)hashing_.advance();  // and read, but for its end
  proc_.write("backup", "abd");
  while (hashing_.advance()) {
  }
  EXPECT_EQ(hashes_.find(before), std::nullopt);
  EXPECT_EQ(heard_.size(), 1U);
}

TEST_F(HashingTest, KeepsNoHashOfWhatIsNoRegularFile) {
  std::filesystem::remove(proc_.path("backup"));
  ASSERT_EQ(::mkfifo(proc_.path("backup").c_str(), 0600), 0);
  EXPECT_EQ(hash(100), std::nullopt);
  EXPECT_FALSE(open_program(proc_.path(), 100).problem.empty());
  EXPECT_FALSE(open_program(proc_.path(), 4711).problem.empty());
}

TEST_F(HashingTest, ForgetsWhatWasNotAskedForLately) {
  FileKey file{.device = 1, .inode = 1, .size = 1, .modified = 1, .changed = 1};
  for (file.inode = 1; file.inode < 10'000; ++file.inode) {
    hashes_.keep(file, kOfAbc);
    EXPECT_EQ(hashes_.find(file), kOfAbc) << file.inode;
  }
}

// Another change could follow, at the same time as far as the file tells.
TEST_F(HashingTest, KeepsNoHashOfAFileThatHasJustChanged) {
  Hashing cautious(proc_.path(), hashes_, *this, progress_, std::chrono::hours(1));
  cautious.ask(about(100));
  while (cautious.advance()) {
  }
  EXPECT_EQ(hashes_.find(open_program(proc_.path(), 100).key), std::nullopt);
  EXPECT_EQ(heard_.size(), 1U);
}

std::ptrdiff_t open_descriptors() {
  const std::filesystem::directory_iterator open("/proc/self/fd");
  return std::distance(begin(open), end(open));
}

// Each is at another place in its file when it has its turn.
TEST_F(HashingTest, HasNoProgramOpenBetweenTwoPieces) {
  constexpr int kPrograms = 5;
  const std::string half(std::size_t{256} * 1024, 'a');
  for (int pid = 101; pid <= 100 + kPrograms; ++pid) {
    const std::string name = "program-" + std::to_string(pid);
    proc_.write(name, half + half + std::to_string(pid));
    proc_.add(pid, proc_.path(name), 1);
  }
  const auto before = open_descriptors();
  for (int pid = 101; pid <= 100 + kPrograms; ++pid) {
    Question question = about(pid);
    question.clues.has_uid = true;
    question.clues.uid = static_cast<std::uint32_t>(pid);
    hashing_.ask(question);
  }
  while (hashing_.advance()) {
    ASSERT_EQ(open_descriptors(), before);
  }
  EXPECT_EQ(heard_.size(), std::size_t{kPrograms});
  for (int pid = 101; pid <= 100 + kPrograms; ++pid) {
    EXPECT_EQ(hashes_.find(open_program(proc_.path(), pid).key),
              hash_of(half + half + std::to_string(pid), half.size()));
  }
}

TEST_F(HashingTest, KeepsNoHashWhereItsProcessRunsAnotherProgramMeanwhile) {
  proc_.write("other", "abd");
  const FileKey before = open_program(proc_.path(), 100).key;
  hashing_.ask(about(100));
  (void)hashing_.advance();
  (void)hashing_.advance();
  std::filesystem::remove(proc_.path("100/exe"));
  std::filesystem::create_symlink(proc_.path("other"), proc_.path("100/exe"));
  while (hashing_.advance()) {
  }
  EXPECT_EQ(hashes_.find(before), std::nullopt);
  EXPECT_EQ(heard_.size(), 1U);
}

// Or else each of his uids would have a turn of its own.
TEST_F(HashingTest, TakesTurnsBetweenUsersWithAllTheirUids) {
  proc_.write("other", std::string(std::size_t{1024} * 1024, 'a'));
  proc_.add(200, proc_.path("other"), 1);
  Hashing hashing(proc_.path(), hashes_, *this, progress_, std::chrono::nanoseconds(0),
                  Holders({{.owner = 1000, .first = 5000, .count = 100}}));
  for (std::uint32_t uid = 5000; uid < 5100; ++uid) {
    Question question = about(200);
    question.clues.has_uid = true;
    question.clues.uid = uid;
    question.number = uid;
    hashing.ask(question);
  }
  Question of_another = about(100);
  of_another.clues.has_uid = true;
  of_another.clues.uid = 34;
  hashing.ask(of_another);
  for (int steps = 0; steps < 6; ++steps) {  // three of each
    (void)hashing.advance();
  }
  EXPECT_EQ(heard_, std::vector<std::uint64_t>{of_another.number});
}

TEST_F(HashingTest, AnswersTogetherWithTheIdentity) {
  std::ifstream self("/proc/self/exe", std::ios::binary);
  const std::string own_hash = hash_of({std::istreambuf_iterator<char>(self), {}}, 1'000'000);
  asio::io_context io(1);
  Resolver resolver(io, {});
  caller::Clues clues;
  clues.pid = ::getpid();
  clues.has_uid = true;
  clues.uid = ::getuid();
  clues.gid = ::getgid();
  timespec now{};
  (void)::clock_gettime(CLOCK_BOOTTIME, &now);
  clues.dialled_at = now.tv_sec * 1'000'000'000 + now.tv_nsec;
  clues.wants_sha256 = true;
  clues.is_fresh = true;
  std::vector<caller::Clues> questions(3, clues);
  questions[1].wants_sha256 = false;
  for (int i = 0; i < 2; ++i) {
    const auto identities = support::run(io, resolver.resolve(questions), kForAWholeProgram);
    ASSERT_EQ(identities.size(), 3U);
    EXPECT_EQ(caller::parse_identity(*identities[0])->sha256, own_hash);
    EXPECT_EQ(caller::parse_identity(*identities[1])->sha256, "");
    EXPECT_EQ(caller::parse_identity(*identities[2])->sha256, own_hash);
  }
}

// A process that runs a program where it chooses, in a user namespace of its own.
class InUserNamespace {
 public:
  // `prepare` says what to run; empty: that cannot be done here.
  explicit InUserNamespace(const std::function<std::string()>& prepare) {
    std::array<int, 2> ready{};
    if (::pipe2(ready.data(), O_CLOEXEC) != 0) {
      return;
    }
    pid_ = ::fork();
    if (pid_ == 0) {
      const std::string uids = "0 " + std::to_string(::geteuid()) + " 1";
      const std::string gids = "0 " + std::to_string(::getegid()) + " 1";
      const bool has_entered = ::unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0;
      std::ofstream("/proc/self/setgroups") << "deny";
      std::ofstream("/proc/self/gid_map") << gids;
      std::ofstream("/proc/self/uid_map") << uids;
      if (const std::string program = has_entered ? prepare() : ""; !program.empty()) {
        ::execl(program.c_str(), "sleep", "600", nullptr);
      }
      (void)::write(ready[1], "x", 1);
      ::_exit(1);
    }
    (void)::close(ready[1]);
    char failed = 0;
    runs_ = ::read(ready[0], &failed, 1) == 0;  // it was closed by exec
    (void)::close(ready[0]);
  }
  InUserNamespace(const InUserNamespace&) = delete;
  InUserNamespace& operator=(const InUserNamespace&) = delete;
  ~InUserNamespace() {
    if (pid_ > 0) {
      (void)::kill(pid_, SIGKILL);
      (void)::waitpid(pid_, nullptr, 0);
    }
  }
  [[nodiscard]] bool runs() const {
    return runs_;
  }
  [[nodiscard]] pid_t pid() const {
    return pid_;
  }

 private:
  pid_t pid_ = -1;
  bool runs_ = false;
};

constexpr const char* kSleep = "/usr/bin/sleep";

std::string copy_of_sleep(const std::string& directory) {
  std::error_code failed;
  std::filesystem::copy_file(kSleep, directory + "/sleep", failed);
  return failed ? "" : directory + "/sleep";
}

// What lies below one that a user has mounted may be a file system that he serves.
TEST(ProgramFileTest, OnAnOverlayOfAUserHasNoHash) {
  const support::TemporaryDirectory directory;
  for (const char* name : {"lower", "upper", "work", "merged"}) {
    std::filesystem::create_directory(directory.file(name));
  }
  const InUserNamespace process([&directory] {
    const std::string options = "lowerdir=" + directory.file("lower") +
                                ",upperdir=" + directory.file("upper") + ",workdir=" + directory.file("work");
    const std::string merged = directory.file("merged");
    return ::mount("overlay", merged.c_str(), "overlay", 0, options.c_str()) == 0 ? copy_of_sleep(merged)
                                                                                  : "";
  });
  if (!process.runs()) {
    GTEST_SKIP() << "needs overlays in user namespaces";
  }
  EXPECT_EQ(open_program("/proc", process.pid()).problem,
            "its program is on an overlay that is none of the machine's mounts");

  // As if it were one of them.
  const std::string own = std::to_string(process.pid());
  const support::TemporaryDirectory proc;
  for (const std::string& name : {std::string("1"), own}) {
    std::filesystem::create_directory(proc.file(name));
  }
  std::filesystem::create_symlink("/proc/" + own + "/exe", proc.file(own + "/exe"));
  std::filesystem::create_symlink("/proc/" + own + "/mountinfo", proc.file("1/mountinfo"));
  EXPECT_EQ(open_program(proc.file(""), process.pid()).problem, "");
}

// Whoever writes to one through a mapping need not change its times.
TEST(ProgramFileTest, InMemoryHasNoHash) {
  const support::TemporaryDirectory directory;
  const InUserNamespace process([&directory] {
    const std::string there = directory.file("");
    return ::mount("tmpfs", there.c_str(), "tmpfs", 0, nullptr) == 0 ? copy_of_sleep(there) : "";
  });
  const InUserNamespace of_no_file([] {
    const int memory = ::memfd_create("sleep", 0);
    std::ifstream from(kSleep, std::ios::binary);
    const std::string program{std::istreambuf_iterator<char>(from), {}};
    (void)::write(memory, program.data(), program.size());
    const std::string path = "/proc/self/fd/" + std::to_string(memory);
    const int to_read = ::open(path.c_str(), O_RDONLY);
    (void)::close(memory);
    return "/proc/self/fd/" + std::to_string(to_read);
  });
  if (!process.runs() || !of_no_file.runs()) {
    GTEST_SKIP() << "needs user namespaces";
  }
  for (const pid_t pid : {process.pid(), of_no_file.pid()}) {
    EXPECT_EQ(open_program("/proc", pid).problem,
              "its program is in memory (tmpfs), where a change leaves no trace");
  }
}

TEST(ProgramFileTest, ThatWasDeletedOrBoundElsewhereHasAHash) {
  const support::TemporaryDirectory directory;
  std::filesystem::create_directory(directory.file("bound"));
  const InUserNamespace process([&directory] {
    const std::string bound = directory.file("bound");
    const std::string program = copy_of_sleep(directory.file(""));
    return ::mount(directory.file("").c_str(), bound.c_str(), nullptr, MS_BIND, nullptr) == 0 &&
                   !program.empty()
               ? bound + "/sleep"
               : "";
  });
  if (!process.runs()) {
    GTEST_SKIP() << "needs user namespaces";
  }
  const ProgramFile before = open_program("/proc", process.pid());
  if (before.problem.starts_with("its program is on a file system")) {
    GTEST_SKIP() << "needs a disk";
  }
  EXPECT_EQ(before.problem, "");
  std::filesystem::remove(directory.file("sleep"));
  EXPECT_EQ(open_program("/proc", process.pid()).problem, "");
}

TEST(ContainerIsVerifiedTest, WhereNobodyButRootCouldHaveNamedIt) {
  const std::string id(64, 'a');
  const std::string other(64, 'b');
  EXPECT_TRUE(container_is_verified("/system.slice/docker-" + id + ".scope"));
  EXPECT_TRUE(container_is_verified("/kubepods.slice/kubepods-pod1.slice/cri-containerd-" + id + ".scope"));
  EXPECT_TRUE(container_is_verified("/docker/" + id));
  EXPECT_TRUE(container_is_verified("/machine.slice/libpod-" + id + ".scope/container"));
  EXPECT_FALSE(
      container_is_verified("/user.slice/user-1000.slice/user@1000.service/docker-" + id + ".scope"));
  EXPECT_FALSE(container_is_verified("/system.slice/app.service/docker-" + id + ".scope"));
  EXPECT_FALSE(container_is_verified("/system.slice/docker-" + other + ".scope/docker-" + id + ".scope"));
  EXPECT_FALSE(container_is_verified("/system.slice"));
}

}  // namespace
}  // namespace msi2imds::resolver
