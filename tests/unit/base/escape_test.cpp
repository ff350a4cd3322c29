// SPDX-License-Identifier: MIT
#include "base/escape.hpp"

#include <gtest/gtest.h>

namespace msi2imds::escape {
namespace {

TEST(EscapeTest, LeavesPrintableAsciiAlone) {
  EXPECT_EQ(control_characters("curl/8.0 (a~b) {}%s"), "curl/8.0 (a~b) {}%s");
  EXPECT_EQ(json("curl/8.0 (a~b) {}%s"), "curl/8.0 (a~b) {}%s");
}

TEST(EscapeTest, MakesControlCharactersVisible) {
  EXPECT_EQ(control_characters("a\nb\r\x1b[2J\x7f"), R"(a\x0ab\x0d\x1b[2J\x7f)");
}

TEST(EscapeTest, EscapesANulAndWhatFollowsIt) {
  EXPECT_EQ(control_characters(std::string_view("a\0b", 3)), R"(a\x00b)");
  EXPECT_EQ(json(std::string_view("a\0b", 3)), R"(a\u0000b)");
}

TEST(EscapeTest, EscapesEveryByteAbove127) {
  EXPECT_EQ(control_characters("\x80\xc3\xa4\xff"), R"(\x80\xc3\xa4\xff)");
  EXPECT_EQ(json("\x80\xc3\xa4\xff"), R"(\u0080\u00c3\u00a4\u00ff)");
}

TEST(EscapeTest, DoublesABackslashSoThatAnEscapeCannotBeForged) {
  EXPECT_EQ(control_characters(R"(\x0a)"), R"(\\x0a)");
}

TEST(EscapeTest, KeepsQuotesInText) {
  EXPECT_EQ(control_characters(R"("')"), R"("')");
}

TEST(EscapeTest, EscapesQuotesAndBackslashesInJson) {
  EXPECT_EQ(json(R"(a"b\c)"), R"(a\"b\\c)");
}

TEST(EscapeTest, EscapesControlCharactersInJson) {
  EXPECT_EQ(json("\n\t\x1f\x7f"), R"(\u000a\u0009\u001f\u007f)");
}

}  // namespace
}  // namespace msi2imds::escape
