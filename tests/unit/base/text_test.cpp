// SPDX-License-Identifier: MIT
#include "base/text.hpp"

#include <gtest/gtest.h>

namespace msi2imds {
namespace {

TEST(TextTest, OnlyAsciiLettersHaveACase) {
  EXPECT_EQ(to_lower("AZ[@az\xc3\x84"), "az[@az\xc3\x84");
  EXPECT_TRUE(equal_ignoring_case("Metadata", "mETADATA"));
  EXPECT_FALSE(equal_ignoring_case("Metadata", "Metadat"));
  EXPECT_FALSE(equal_ignoring_case("[", "{"));
}

TEST(TextTest, APrefixIsNoLongerThanTheText) {
  EXPECT_TRUE(starts_ignoring_case("BEARER x", "bearer"));
  EXPECT_TRUE(starts_ignoring_case("x", ""));
  EXPECT_FALSE(starts_ignoring_case("Bear", "bearer"));
}

TEST(TextTest, TrimsBothEnds) {
  EXPECT_EQ(trim(" \t a b\r\n"), "a b");
  EXPECT_EQ(trim("ab"), "ab");
  EXPECT_EQ(trim(" \n "), "");
  EXPECT_EQ(trim(""), "");
  EXPECT_EQ(trim("\n a \n", " \t"), "\n a \n");
}

TEST(TextTest, ReadsAndWritesHexadecimalDigits) {
  EXPECT_EQ(hex_digit('0'), 0U);
  EXPECT_EQ(hex_digit('a'), 10U);
  EXPECT_EQ(hex_digit('F'), 15U);
  EXPECT_EQ(hex_digit('g'), std::nullopt);
  EXPECT_EQ(hex_digit('/'), std::nullopt);
  std::string out = "x";
  append_hex(out, 0x1fa, 2);
  append_hex(out, 0x1fa, 4);
  EXPECT_EQ(out, "xfa01fa");
}

}  // namespace
}  // namespace msi2imds
