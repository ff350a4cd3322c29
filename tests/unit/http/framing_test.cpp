// SPDX-License-Identifier: MIT
#include "http/framing.hpp"

#include <gtest/gtest.h>

namespace msi2imds::http {
namespace {

bool is_unfinished(std::string_view input) {
  const Head head = examine_head(input);
  return !head.complete && head.fault == nullptr;
}

bool is_faulty(std::string_view input) {
  return examine_head(input).fault != nullptr;
}

TEST(FramingTest, FindsTheEndOfAHead) {
  EXPECT_EQ(examine_head("GET / HTTP/1.1\r\nHost: x\r\n\r\n").complete, 27U);
  EXPECT_EQ(examine_head("GET / HTTP/1.1\r\n\r\n").complete, 18U);
}

TEST(FramingTest, LooksNotIntoWhatFollowsTheHead) {
  EXPECT_EQ(examine_head("GET / HTTP/1.1\r\n\r\na\nb\n c").complete, 18U);
}

TEST(FramingTest, WaitsForTheRestOfAHead) {
  const std::string_view head = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
  for (std::size_t size = 0; size < head.size(); ++size) {
    EXPECT_TRUE(is_unfinished(head.substr(0, size))) << size;
  }
}

TEST(FramingTest, RefusesABareLineFeedWhereverALineEnds) {
  EXPECT_TRUE(is_faulty("\n"));
  EXPECT_TRUE(is_faulty("GET / HTTP/1.1\n"));
  EXPECT_TRUE(is_faulty("GET / HTTP/1.1\r\nHost: x\n"));
  EXPECT_TRUE(is_faulty("GET / HTTP/1.1\r\nHost: x\r\n\n"));
}

TEST(FramingTest, RefusesAFoldedHeaderLine) {
  EXPECT_TRUE(is_faulty("GET / HTTP/1.1\r\nMetadata:\r\n true\r\n\r\n"));
  EXPECT_TRUE(is_faulty("GET / HTTP/1.1\r\nMetadata:\r\n\ttrue\r\n\r\n"));
  EXPECT_TRUE(is_faulty("GET / HTTP/1.1\r\n Host: x\r\n\r\n"));
}

}  // namespace
}  // namespace msi2imds::http
