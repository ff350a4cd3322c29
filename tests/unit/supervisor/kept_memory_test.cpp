// SPDX-License-Identifier: MIT
#include "supervisor/kept_memory.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <utility>
#include <vector>

namespace msi2imds::supervisor {
namespace {

constexpr std::uint64_t kTokens = 256UL * 1024;
constexpr const char* kNowhere = "/nonexistent";

struct stat look_at(int file) {
  struct stat found {};
  EXPECT_EQ(::fstat(file, &found), 0);
  return found;
}

std::string content_of(int file) {
  std::string bytes(static_cast<std::size_t>(look_at(file).st_size), '\0');
  EXPECT_EQ(::pread(file, bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
  return bytes;
}

bool holds_something(int file) {
  return content_of(file).find_first_not_of('\0') != std::string::npos;
}

// What a service manager would hold: another name for the same memory.
UniqueFd twin_of(int file) {
  return UniqueFd(::fcntl(file, F_DUPFD_CLOEXEC, 0));
}

class KeptMemoryTest : public testing::Test {
 protected:
  // Memory with something in it.
  int written() {
    const Result<int> memory = memory_.prepare(kTokens, kNowhere);
    EXPECT_TRUE(memory);
    EXPECT_EQ(::pwrite(*memory, "secret", 6, 10'000), 6);
    return *memory;
  }

  std::vector<UniqueFd> nothing_;
  KeptMemory memory_{nothing_};
};

TEST_F(KeptMemoryTest, HasRoomForTheTokensAndIsForNobodyElse) {
  const Result<int> memory = memory_.prepare(kTokens, kNowhere);
  ASSERT_TRUE(memory) << memory.error().message();
  const struct stat found = look_at(*memory);
  EXPECT_GT(static_cast<std::uint64_t>(found.st_size), kTokens);
  EXPECT_EQ(found.st_size % 4096, 0);
  EXPECT_EQ(found.st_mode, S_IFREG | 0600U);
  EXPECT_EQ(found.st_nlink, 0U);
  EXPECT_EQ(::fcntl(*memory, F_GETFD), FD_CLOEXEC);
}

TEST_F(KeptMemoryTest, StaysFromOneResponderToTheNext) {
  const int first = written();
  EXPECT_EQ(*memory_.prepare(kTokens, kNowhere), first);
  EXPECT_TRUE(holds_something(first));
}

TEST_F(KeptMemoryTest, WithAnotherSizeItIsEmpty) {
  const int memory = written();
  EXPECT_EQ(*memory_.prepare(2 * kTokens, kNowhere), memory);
  EXPECT_GT(static_cast<std::uint64_t>(look_at(memory).st_size), 2 * kTokens);
  EXPECT_FALSE(holds_something(memory));
}

TEST_F(KeptMemoryTest, IsTakenFromAmongWhatWasInherited) {
  const UniqueFd twin = twin_of(written());
  std::vector<UniqueFd> inherited;
  inherited.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int first = inherited[0].get();
  inherited.push_back(twin_of(twin.get()));
  inherited.emplace_back(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int last = inherited[2].get();

  KeptMemory next(inherited);
  ASSERT_EQ(inherited.size(), 2U);
  EXPECT_EQ(inherited[0].get(), first);
  EXPECT_EQ(inherited[1].get(), last);
  EXPECT_TRUE(holds_something(*next.prepare(kTokens, kNowhere)));
}

TEST_F(KeptMemoryTest, AFileWithANameIsNoMemory) {
  std::vector<UniqueFd> inherited;
  inherited.emplace_back(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  const KeptMemory next(inherited);
  EXPECT_EQ(inherited.size(), 1U);
}

TEST_F(KeptMemoryTest, AWipeLeavesItEmpty) {
  const int memory = written();
  const off_t size = look_at(memory).st_size;
  memory_.wipe();
  EXPECT_FALSE(holds_something(memory));
  EXPECT_EQ(look_at(memory).st_size, size);
}

TEST_F(KeptMemoryTest, WhoStillHoldsWhatWasGivenUpFindsNothing) {
  const UniqueFd twin = twin_of(written());
  memory_.give_up();
  EXPECT_EQ(look_at(twin.get()).st_size, 0);
  const Result<int> anew = memory_.prepare(kTokens, kNowhere);
  ASSERT_TRUE(anew);
  EXPECT_NE(look_at(*anew).st_ino, look_at(twin.get()).st_ino);
}

TEST_F(KeptMemoryTest, WithoutAnyThereIsNothingToWipe) {
  memory_.wipe();
  memory_.give_up();
}

}  // namespace
}  // namespace msi2imds::supervisor
