// SPDX-License-Identifier: MIT
#include "base/json.hpp"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

namespace msi2imds {
namespace {

TEST(JsonTest, LeavesPrintableAsciiAlone) {
  EXPECT_EQ(json_string("curl/8.0 (a~b) {}%s'"), R"("curl/8.0 (a~b) {}%s'")");
  EXPECT_EQ(json_string(""), R"("")");
}

TEST(JsonTest, EscapesQuotesAndBackslashes) {
  EXPECT_EQ(json_string(R"(a"b\c)"), R"("a\"b\\c")");
}

TEST(JsonTest, EscapesControlCharacters) {
  EXPECT_EQ(json_string("\n\t\x1f\x7f"), R"("\u000a\u0009\u001f\u007f")");
  EXPECT_EQ(json_string(std::string_view("a\0b", 3)), R"("a\u0000b")");
}

TEST(JsonTest, MayStandInHtml) {
  EXPECT_EQ(json_string("</script>&"), R"("\u003c/script\u003e\u0026")");
}

TEST(JsonTest, WritesCharactersByTheirNumbers) {
  EXPECT_EQ(json_string("\xc3\xa4\xe2\x80\xa8\xf0\x9f\x98\x80"), R"("\u00e4\u2028\ud83d\ude00")");
}

// Overlong forms, surrogates, what is above U+10FFFF, and what is cut.
TEST(JsonTest, IsValidWhateverComesIn) {
  EXPECT_EQ(json_string("\x80\xff"), R"("\u0080\u00ff")");
  EXPECT_EQ(json_string("\xc0\x80"), R"("\u00c0\u0080")");
  EXPECT_EQ(json_string("\xed\xa0\x80"), R"("\u00ed\u00a0\u0080")");
  EXPECT_EQ(json_string("\xf4\x90\x80\x80"), R"("\u00f4\u0090\u0080\u0080")");
  EXPECT_EQ(json_string("a\xe2\x80"), R"("a\u00e2\u0080")");
}

TEST(JsonTest, IsReadBackAsItWas) {
  const std::string text = "a\"\\<>&\n\x7f\xc3\xa4\xf0\x9f\x98\x80";
  EXPECT_EQ(boost::json::parse(json_string(text)).as_string(), text);
}

}  // namespace
}  // namespace msi2imds
