// SPDX-License-Identifier: MIT
#include "resolver/hashing.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "resolver/resolver.hpp"
#include "resolver/unit.hpp"
#include "support_cpp/run.hpp"
#include "unit/resolver/fake_proc.hpp"

namespace msi2imds::resolver {
namespace {

constexpr const char* kOfAbc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
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
    const auto identities = support::run(io, resolver.resolve(questions));
    ASSERT_EQ(identities.size(), 3U);
    EXPECT_EQ(caller::parse_identity(*identities[0])->sha256, own_hash);
    EXPECT_EQ(caller::parse_identity(*identities[1])->sha256, "");
    EXPECT_EQ(caller::parse_identity(*identities[2])->sha256, own_hash);
  }
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
