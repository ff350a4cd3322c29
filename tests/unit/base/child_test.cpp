// SPDX-License-Identifier: MIT
#include "base/child.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "support_cpp/run.hpp"

namespace msi2imds {
namespace {

std::optional<int> wait_for(pid_t pid, std::chrono::milliseconds patience) {
  asio::io_context io;
  return support::run(io, wait_for_child(pid, patience));
}

TEST(ChildTest, TellsHowAChildEnded) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::_exit(7);
  }
  const auto status = wait_for(pid, support::kPatience);
  ASSERT_TRUE(status);
  EXPECT_EQ(describe_end(*status), "exit status 7");
}

TEST(ChildTest, WaitsForNoLongerThanItMay) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::pause();
    ::_exit(0);
  }
  EXPECT_FALSE(wait_for(pid, std::chrono::milliseconds(5)));
  ASSERT_EQ(::kill(pid, SIGKILL), 0);
  const auto status = wait_for(pid, support::kPatience);
  ASSERT_TRUE(status);
  EXPECT_EQ(describe_end(*status), "signal 9");
}

}  // namespace
}  // namespace msi2imds
