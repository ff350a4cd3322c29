// SPDX-License-Identifier: MIT
#include "base/unique_fd.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>

namespace msi2imds {
namespace {

int open_null() {
  return ::open("/dev/null", O_RDONLY | O_CLOEXEC);
}

bool is_open(int fd) {
  return ::fcntl(fd, F_GETFD) >= 0;
}

TEST(UniqueFdTest, ClosesItsDescriptor) {
  const int fd = open_null();
  {
    const UniqueFd owner(fd);
    EXPECT_TRUE(owner);
    EXPECT_TRUE(is_open(fd));
  }
  EXPECT_FALSE(is_open(fd));
}

TEST(UniqueFdTest, MovingHandsTheDescriptorOver) {
  const int fd = open_null();
  UniqueFd from(fd);
  const UniqueFd to(std::move(from));
  EXPECT_EQ(to.get(), fd);
  EXPECT_FALSE(from);  // NOLINT(bugprone-use-after-move): empty, by contract
  EXPECT_TRUE(is_open(fd));
}

TEST(UniqueFdTest, AssigningClosesWhatWasHeldBefore) {
  const int before = open_null();
  const int after = open_null();
  UniqueFd owner(before);
  owner = UniqueFd(after);
  EXPECT_FALSE(is_open(before));
  EXPECT_TRUE(is_open(after));
}

TEST(UniqueFdTest, ReleasingLeavesTheDescriptorOpen) {
  UniqueFd owner(open_null());
  const UniqueFd other(owner.release());
  EXPECT_FALSE(owner);
  EXPECT_TRUE(is_open(other.get()));
}

}  // namespace
}  // namespace msi2imds
