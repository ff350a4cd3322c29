// SPDX-License-Identifier: MIT
#include "supervisor/kept_memory.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "base/message.hpp"
#include "support_cpp/temporary_directory.hpp"

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
  UniqueFd prepared(std::uint64_t tokens = kTokens) {
    Result<UniqueFd> memory = memory_.prepare(tokens, kNowhere);
    EXPECT_TRUE(memory) << memory.error().message();
    return memory ? std::move(*memory) : UniqueFd();
  }
  // Memory with something in it.
  UniqueFd written() {
    UniqueFd memory = prepared();
    EXPECT_EQ(::pwrite(memory.get(), "secret", 6, 10'000), 6);
    return memory;
  }

  std::vector<UniqueFd> nothing_;
  ServiceManager manager_;
  KeptMemory memory_{manager_, nothing_};
};

TEST_F(KeptMemoryTest, HasRoomForTheTokensAndIsForNobodyElse) {
  const UniqueFd memory = prepared();
  const struct stat found = look_at(memory.get());
  EXPECT_GT(static_cast<std::uint64_t>(found.st_size), kTokens);
  EXPECT_EQ(found.st_size % 4096, 0);
  EXPECT_EQ(found.st_mode, S_IFREG | 0600U);
  EXPECT_EQ(found.st_nlink, 0U);
  EXPECT_EQ(::fcntl(memory.get(), F_GETFD), FD_CLOEXEC);
}

TEST_F(KeptMemoryTest, StaysFromOneResponderToTheNext) {
  const ino_t first = look_at(written().get()).st_ino;
  const UniqueFd next = prepared();
  EXPECT_EQ(look_at(next.get()).st_ino, first);
  EXPECT_TRUE(holds_something(next.get()));
}

TEST_F(KeptMemoryTest, ItGrowsAndKeepsWhatIsThere) {
  const UniqueFd memory = written();
  (void)prepared(2 * kTokens);
  EXPECT_GT(static_cast<std::uint64_t>(look_at(memory.get()).st_size), 2 * kTokens);
  EXPECT_TRUE(holds_something(memory.get()));
  (void)prepared(kTokens);
  EXPECT_TRUE(holds_something(memory.get()));
}

TEST_F(KeptMemoryTest, WhatNobodyHereHasMadeSoLargeIsCut) {
  const UniqueFd memory = written();
  ASSERT_EQ(::ftruncate(memory.get(), 1L << 40), 0);
  (void)prepared();
  EXPECT_LT(look_at(memory.get()).st_size, 2 * static_cast<off_t>(kTokens));
}

TEST_F(KeptMemoryTest, WhatAResponderDoesToItsDescriptorConcernsNoOther) {
  const UniqueFd first = written();
  ASSERT_EQ(::fcntl(first.get(), F_SETFL, O_APPEND), 0);
  (void)::fcntl(first.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK);
  const UniqueFd next = prepared();
  EXPECT_EQ(::fcntl(next.get(), F_GETFL) & O_APPEND, 0);
  EXPECT_EQ(::pwrite(next.get(), "more", 4, 20'000), 4) << "nobody can make it unchangeable";
  memory_.wipe();
  EXPECT_FALSE(holds_something(next.get()));
}

// systemd before 234.
TEST_F(KeptMemoryTest, IsHeldInWhatCanBeWatched) {
  const support::TemporaryDirectory directory;
  const std::string path = directory.file("notify");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(static_cast<char*>(address.sun_path), sizeof address.sun_path - 1);
  const UniqueFd manager(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::bind(manager.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
  const UniqueFd memory = written();
  ::unsetenv("NOTIFY_SOCKET");

  std::array<char, 256> text{};
  ReceivedMessage told = receive_message(manager.get(), text);
  ASSERT_TRUE(told.descriptor);
  const UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
  epoll_event event{};
  EXPECT_EQ(::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, told.descriptor.get(), &event), 0);
  EXPECT_EQ(::epoll_wait(epoll.get(), &event, 1, 0), 0) << "and nothing ever happens to it";

  for (int process = 0; process < 2; ++process) {  // it stays in there
    std::vector<UniqueFd> inherited;
    inherited.push_back(twin_of(told.descriptor.get()));
    KeptMemory next(manager_, inherited);
    EXPECT_TRUE(inherited.empty());
    EXPECT_EQ(look_at(next.prepare(kTokens, kNowhere)->get()).st_ino, look_at(memory.get()).st_ino);
  }
}

TEST_F(KeptMemoryTest, IsTakenFromAmongWhatWasInherited) {
  const UniqueFd twin = written();
  std::vector<UniqueFd> inherited;
  inherited.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int first = inherited[0].get();
  inherited.push_back(twin_of(twin.get()));
  inherited.emplace_back(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int last = inherited[2].get();

  KeptMemory next(manager_, inherited);
  ASSERT_EQ(inherited.size(), 2U);
  EXPECT_EQ(inherited[0].get(), first);
  EXPECT_EQ(inherited[1].get(), last);
  EXPECT_TRUE(holds_something(next.prepare(kTokens, kNowhere)->get()));
}

TEST_F(KeptMemoryTest, AFileWithANameIsNoMemory) {
  std::vector<UniqueFd> inherited;
  inherited.emplace_back(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  const KeptMemory next(manager_, inherited);
  EXPECT_EQ(inherited.size(), 1U);
}

TEST_F(KeptMemoryTest, OfSeveralOneIsTakenAndTheOthersAreWiped) {
  const UniqueFd first = written();
  KeptMemory other(manager_, nothing_);
  Result<UniqueFd> prepared_one = other.prepare(kTokens, kNowhere);
  ASSERT_TRUE(prepared_one);
  const UniqueFd second = *std::move(prepared_one);
  ASSERT_EQ(::pwrite(second.get(), "secret", 6, 10'000), 6);
  std::vector<UniqueFd> inherited;
  inherited.push_back(twin_of(first.get()));
  inherited.push_back(twin_of(second.get()));
  const KeptMemory next(manager_, inherited);
  EXPECT_TRUE(inherited.empty());
  EXPECT_TRUE(holds_something(first.get()));
  EXPECT_FALSE(holds_something(second.get()));
}

TEST_F(KeptMemoryTest, AWipeLeavesItEmptyAndTakesNoMemory) {
  const UniqueFd memory = written();
  const off_t size = look_at(memory.get()).st_size;
  memory_.wipe();
  EXPECT_FALSE(holds_something(memory.get()));
  EXPECT_EQ(look_at(memory.get()).st_size, size);
  EXPECT_EQ(look_at(memory.get()).st_blocks, 0);
}

TEST_F(KeptMemoryTest, WhoStillHoldsWhatWasGivenUpFindsNothing) {
  const UniqueFd twin = written();
  memory_.give_up();
  EXPECT_EQ(look_at(twin.get()).st_size, 0);
  EXPECT_NE(look_at(prepared().get()).st_ino, look_at(twin.get()).st_ino);
}

TEST_F(KeptMemoryTest, WithoutAnyThereIsNothingToWipe) {
  memory_.wipe();
  memory_.give_up();
}

}  // namespace
}  // namespace msi2imds::supervisor
