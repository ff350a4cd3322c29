// SPDX-License-Identifier: MIT
#include "caller/seen_connections.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include "abi.h"

namespace msi2imds::caller {
namespace {

constexpr std::uint16_t kClientPort = 40000;

seen_connection note() {
  seen_connection seen{};
  seen.client[0] = htonl(INADDR_LOOPBACK);
  seen.server[0] = htonl(INADDR_LOOPBACK);
  seen.client_port = htons(kClientPort);
  seen.server_port = htons(50342);
  seen.first_sequence = 7;
  timespec now{};
  (void)::clock_gettime(CLOCK_BOOTTIME, &now);
  seen.who.since_boot =
      static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
  seen.maker = 1000;
  seen.maker_cgroup = 5;
  seen.who.pid = 70;
  seen.who.uid = 1000;
  seen.who.cgroup_id = 5;
  return seen;
}

Handshake handshake() {
  return {.client = SocketAddress::ipv4_loopback(kClientPort),
          .server = SocketAddress::ipv4_loopback(50342),
          .first_sequence = 7};
}

// The test is the kernel.
class SeenConnectionsTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(::ftruncate(array_.get(), SEEN_CONNECTIONS * sizeof(seen_connection)), 0);
    auto mapped = SeenConnections::map(array_);
    ASSERT_TRUE(mapped) << mapped.error().message();
    seen_.emplace(std::move(*mapped));
  }
  // As the kernel's program: each time as a version of its own.
  void write(seen_connection seen) {
    version_ += 2;
    seen.version += version_;
    const auto at = static_cast<off_t>(slot_of_client_port(kClientPort) * sizeof seen);
    ASSERT_EQ(::pwrite(array_.get(), &seen, sizeof seen, at), static_cast<ssize_t>(sizeof seen));
  }
  std::optional<Agreement> agreement_with(const seen_connection& seen) {
    write(seen);
    const auto found = seen_->take(handshake());
    return found ? std::optional(found->clues.agreement) : std::nullopt;
  }

  UniqueFd array_{::memfd_create("notes", MFD_CLOEXEC)};
  std::optional<SeenConnections> seen_;
  std::uint64_t version_ = 0;
};

TEST_F(SeenConnectionsTest, FindWhoDialled) {
  EXPECT_FALSE(seen_->take(handshake()));
  write(note());
  const auto found = seen_->take(handshake());
  ASSERT_TRUE(found);
  EXPECT_EQ(found->clues.pid, 70);
  EXPECT_EQ(found->clues.uid, 1000U);
  EXPECT_EQ(found->clues.maker, 1000U);
  EXPECT_EQ(found->clues.agreement, Agreement::agreed);
}

// Whoever has the port next may have the same first sequence number: a client can choose it.
TEST_F(SeenConnectionsTest, TakeANoteOnce) {
  write(note());
  EXPECT_TRUE(seen_->take(handshake()));
  EXPECT_FALSE(seen_->take(handshake()));
  write(note());
  seen_->drop(kClientPort);
  EXPECT_FALSE(seen_->take(handshake()));
  write(note());
  auto later = SeenConnections::map(array_);
  ASSERT_TRUE(later);
  EXPECT_FALSE(later->take(handshake())) << "what was there before may have been taken by another";
  EXPECT_TRUE(seen_->take(handshake()));
}

TEST_F(SeenConnectionsTest, TakeNoOldNote) {
  seen_connection seen = note();
  seen.who.since_boot -= 1'000'000'000;
  write(seen);
  EXPECT_FALSE(seen_->take(handshake()));
  write(note());
  EXPECT_TRUE(seen_->take(handshake()));
}

TEST_F(SeenConnectionsTest, TakeNoOtherConnectionsNote) {
  write(note());
  Handshake other = handshake();
  other.first_sequence = 8;
  EXPECT_FALSE(seen_->take(other));
  other = handshake();
  other.client = SocketAddress::ipv6_loopback(kClientPort);
  EXPECT_FALSE(seen_->take(other));
  other = handshake();
  other.server = SocketAddress::ipv4_loopback(50343);
  EXPECT_FALSE(seen_->take(other));
}

TEST_F(SeenConnectionsTest, TakeNothingThatIsBeingWritten) {
  seen_connection seen = note();
  seen.version = 1;
  EXPECT_FALSE(agreement_with(seen));
  seen.version = 2;
  EXPECT_TRUE(agreement_with(seen));
}

TEST_F(SeenConnectionsTest, LeaveToNobodyWhatWasBeingWritten) {
  seen_connection seen = note();
  seen.version = 1;
  EXPECT_FALSE(agreement_with(seen));
  write(note());  // the same, once it is done
  EXPECT_FALSE(seen_->take(handshake()));
}

TEST_F(SeenConnectionsTest, TellWhereMakerAndDiallerAreNotTheSame) {
  seen_connection seen = note();
  seen.maker = 0;
  EXPECT_EQ(agreement_with(seen), Agreement::another_user);
  seen = note();
  seen.maker_cgroup = 6;
  EXPECT_EQ(agreement_with(seen), Agreement::another_cgroup);
  seen.maker_cgroup = 0;  // the kernel did not tell
  EXPECT_EQ(agreement_with(seen), Agreement::another_cgroup);
}

TEST_F(SeenConnectionsTest, AreNotMappedFromWhatIsNone) {
  const UniqueFd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  EXPECT_FALSE(SeenConnections::map(null));
}

}  // namespace
}  // namespace msi2imds::caller
