// SPDX-License-Identifier: MIT
#include "legacy/target.hpp"

#include <gtest/gtest.h>

#include <string>

namespace msi2imds::legacy {
namespace {

class TokenPathTest : public testing::TestWithParam<std::string> {};

TEST_P(TokenPathTest, IsRecognised) {
  EXPECT_TRUE(is_token_path(GetParam()));
}

INSTANTIATE_TEST_SUITE_P(Paths, TokenPathTest,
                         testing::Values("/oauth2/token", "//oauth2/token", "/oauth2//token",
                                         "/oauth2/token/", "///oauth2///token//", "/%6fauth2/toke%6E",
                                         "/oauth2/%74oken/", "/metadata/identity/oauth2/token",
                                         "//metadata/identity//oauth2/token/"));

class OtherPathTest : public testing::TestWithParam<std::string> {};

TEST_P(OtherPathTest, IsNotTheTokenUrl) {
  EXPECT_FALSE(is_token_path(GetParam()));
}

INSTANTIATE_TEST_SUITE_P(Paths, OtherPathTest,
                         testing::Values("", "/", "*", "oauth2/token", "/oauth2", "/oauth2/tokens",
                                         "/oauth2/token/x", "/OAuth2/Token", "/x/../oauth2/token",
                                         "/oauth2%2Ftoken", "/oauth2/token%2", "/oauth2/token%00",
                                         "/metadata/instance", "/metadata/identity/info"));

TEST(TargetTest, SplitsTheOriginForm) {
  const Target target = split_target("//oauth2/token?a=b?c");

  EXPECT_EQ(target.authority, std::nullopt);
  EXPECT_EQ(target.path, "//oauth2/token");
  EXPECT_EQ(target.query, "a=b?c");
}

TEST(TargetTest, SplitsTheAbsoluteForm) {
  const Target target = split_target("HTTP://localhost:50342/oauth2/token?a=http://b/");

  EXPECT_EQ(target.authority, "localhost:50342");
  EXPECT_EQ(target.path, "/oauth2/token");
  EXPECT_EQ(target.query, "a=http://b/");
}

TEST(TargetTest, AQueryMayFollowTheAuthority) {
  const Target target = split_target("http://localhost?a=b");

  EXPECT_EQ(target.authority, "localhost");
  EXPECT_EQ(target.path, "");
  EXPECT_EQ(target.query, "a=b");
}

TEST(TargetTest, DropsAFragment) {
  EXPECT_EQ(split_target("/oauth2/token?a=b#c?d").query, "a=b");
  EXPECT_EQ(split_target("/oauth2/token#c?d").path, "/oauth2/token");
  EXPECT_EQ(split_target("http://localhost#@attacker.example/").authority, "localhost");
}

TEST(TargetTest, AMissingQueryIsEmpty) {
  EXPECT_EQ(split_target("/oauth2/token").query, "");
  EXPECT_EQ(split_target("/oauth2/token?").query, "");
}

}  // namespace
}  // namespace msi2imds::legacy
