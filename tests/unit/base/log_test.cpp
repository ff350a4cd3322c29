// SPDX-License-Identifier: MIT
#include "base/log.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string>

namespace msi2imds::log {
namespace {

class LogTest : public testing::Test {
 protected:
  void SetUp() override {
    ::unsetenv("JOURNAL_STREAM");
  }
  void TearDown() override {
    ::unsetenv("JOURNAL_STREAM");
  }

  // What one message comes to on stderr.
  static std::string written(const Options& options, Level level, std::string_view message) {
    testing::internal::CaptureStderr();
    start(options, "msi2imds");
    write(level, message);
    return testing::internal::GetCapturedStderr();
  }
};

TEST_F(LogTest, CannotBeMadeToWriteASecondLine) {
  const std::string line = written({}, Level::warn, "get token for x\nerror msi2imds: forged\r");
  EXPECT_TRUE(line.ends_with(" warning msi2imds[" + std::to_string(::getpid()) +
                             "]: get token for x\\x0aerror msi2imds: forged\\x0d\n"))
      << line;
  EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1);
}

TEST_F(LogTest, TakesBracesAndPercentSignsAsTheyAre) {
  EXPECT_TRUE(written({}, Level::info, "{} {0:d} %v %s").ends_with(": {} {0:d} %v %s\n"));
}

TEST_F(LogTest, KeepsJsonValidWhateverTheMessageHolds) {
  const std::string line = written({.format = Format::json}, Level::error, "say \"no\"\n\xff");
  EXPECT_TRUE(line.starts_with(R"({"time":")")) << line;
  EXPECT_TRUE(line.ends_with(R"("message":"say \"no\"\u000a\u00ff"})"
                             "\n"))
      << line;
}

TEST_F(LogTest, WritesThePriorityForJournald) {
  ::setenv("JOURNAL_STREAM", "8:1", 1);
  EXPECT_EQ(written({}, Level::error, "stop"), "<3>msi2imds: stop\n");
  EXPECT_EQ(written({}, Level::warn, "stop"), "<4>msi2imds: stop\n");
  EXPECT_EQ(written({}, Level::info, "stop"), "<6>msi2imds: stop\n");
  EXPECT_EQ(written({.level = Level::debug}, Level::debug, "stop"), "<7>msi2imds: stop\n");
}

TEST_F(LogTest, LeavesOutWhatIsBelowTheLevel) {
  EXPECT_EQ(written({.level = Level::warn}, Level::info, "a detail"), "");
  EXPECT_FALSE(enabled(Level::info));
  EXPECT_TRUE(enabled(Level::warn));
}

TEST_F(LogTest, FormatsArguments) {
  testing::internal::CaptureStderr();
  start({}, "msi2imds");
  info("serve on port {}", 342);
  EXPECT_TRUE(testing::internal::GetCapturedStderr().ends_with(": serve on port 342\n"));
}

}  // namespace
}  // namespace msi2imds::log
