// SPDX-License-Identifier: MIT
#include "base/text.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

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

TEST(TextTest, ANumberIsTheWholeText) {
  EXPECT_EQ(parse_number<int>("0"), 0);
  EXPECT_EQ(parse_number<int>("0042"), 42);
  EXPECT_EQ(parse_number<unsigned>("ffff", 16), 0xffffU);
  EXPECT_EQ(parse_number<unsigned>(std::string_view("80:81").substr(0, 2)), 80U);
  for (const char* const text : {"", " 1", "1 ", "1\n", "1x", "x1", "0x1", "1.5", "1-2", "-", "one"}) {
    EXPECT_EQ(parse_number<int>(text), std::nullopt) << text;
  }
  EXPECT_EQ(parse_number<int>(std::string_view("1\0", 2)), std::nullopt);
}

TEST(TextTest, ANumberHasAMinusAtMostAndNoPlus) {
  EXPECT_EQ(parse_number<int>("-7"), -7);
  EXPECT_EQ(parse_number<unsigned>("-7"), std::nullopt);
  EXPECT_EQ(parse_number<unsigned>("-0"), std::nullopt);
  EXPECT_EQ(parse_number<int>("--7"), std::nullopt);
  EXPECT_EQ(parse_number<int>("+7"), std::nullopt);
  EXPECT_EQ(parse_number<unsigned>("+7"), std::nullopt);
}

TEST(TextTest, ANumberThatIsTooLargeIsNone) {
  EXPECT_EQ(parse_number<std::uint16_t>("65535"), 65535);
  EXPECT_EQ(parse_number<std::uint16_t>("65536"), std::nullopt);
  EXPECT_EQ(parse_number<std::int64_t>("-9223372036854775808"), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(parse_number<std::int64_t>("-9223372036854775809"), std::nullopt);
  EXPECT_EQ(parse_number<std::uint64_t>("18446744073709551616"), std::nullopt);
}

}  // namespace
}  // namespace msi2imds
