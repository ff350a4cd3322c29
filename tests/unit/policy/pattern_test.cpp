// SPDX-License-Identifier: MIT
#include "policy/pattern.hpp"

#include <gtest/gtest.h>

#include <string>

namespace msi2imds::policy {
namespace {

bool fits(std::string_view pattern, std::string_view text) {
  return matches(pattern, text, Case::matters);
}

TEST(PatternTest, IsAboutTheWholeText) {
  EXPECT_TRUE(fits("https://vault", "https://vault"));
  EXPECT_FALSE(fits("https://vault", "https://vault/"));
  EXPECT_FALSE(fits("vault", "https://vault"));
  EXPECT_TRUE(fits("", ""));
  EXPECT_FALSE(fits("", "a"));
}

TEST(PatternTest, LetsAStarStandForAnything) {
  EXPECT_TRUE(fits("*", ""));
  EXPECT_TRUE(fits("https://*.azure.net/*", "https://vault.azure.net/"));
  EXPECT_TRUE(fits("*b*b", "abbb"));
  EXPECT_FALSE(fits("a*b", "ac"));
  EXPECT_FALSE(fits("https://*.azure.net", "https://azure.net"));
}

TEST(PatternTest, LetsAQuestionMarkStandForOneCharacter) {
  EXPECT_TRUE(fits("a?c", "abc"));
  EXPECT_FALSE(fits("a?c", "ac"));
  EXPECT_FALSE(fits("?", ""));
}

TEST(PatternTest, MindsLettersOrNot) {
  EXPECT_FALSE(fits("ABC-*", "abc-1"));
  EXPECT_TRUE(matches("ABC-*", "abc-1", Case::is_ignored));
}

TEST(PatternTest, EndsSoonWithMaliciousTexts) {
  std::string pattern;
  for (int i = 0; i < 200; ++i) {
    pattern += "*a";
  }
  EXPECT_FALSE(fits(pattern + "b", std::string(5000, 'a')));
}

}  // namespace
}  // namespace msi2imds::policy
