// SPDX-License-Identifier: MIT
#include "base/escape.hpp"

#include <gtest/gtest.h>

namespace msi2imds::escape {
namespace {

TEST(EscapeTest, LeavesPrintableAsciiAlone) {
  EXPECT_EQ(control_characters("curl/8.0 (a~b) {}%s"), "curl/8.0 (a~b) {}%s");
}

TEST(EscapeTest, MakesControlCharactersVisible) {
  EXPECT_EQ(control_characters("a\nb\r\x1b[2J\x7f"), R"(a\x0ab\x0d\x1b[2J\x7f)");
}

TEST(EscapeTest, EscapesANulAndWhatFollowsIt) {
  EXPECT_EQ(control_characters(std::string_view("a\0b", 3)), R"(a\x00b)");
}

TEST(EscapeTest, EscapesEveryByteAbove127) {
  EXPECT_EQ(control_characters("\x80\xc3\xa4\xff"), R"(\x80\xc3\xa4\xff)");
}

TEST(EscapeTest, DoublesABackslashSoThatAnEscapeCannotBeForged) {
  EXPECT_EQ(control_characters(R"(\x0a)"), R"(\\x0a)");
}

TEST(EscapeTest, KeepsQuotesInText) {
  EXPECT_EQ(control_characters(R"("')"), R"("')");
}

}  // namespace
}  // namespace msi2imds::escape
