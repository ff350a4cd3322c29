// SPDX-License-Identifier: MIT
#include "imds_emulator/token_factory.hpp"

#include <gtest/gtest.h>

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>

#include "imds_emulator/text.hpp"

namespace msi2imds::emulator {
namespace {

constexpr std::chrono::sys_seconds kIssuedAt{std::chrono::seconds(1'700'000'000)};
constexpr std::string_view kVault = "https://vault.azure.net";

std::string decode_base64url(std::string_view text) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string out;
  unsigned bits = 0;
  int pending = 0;
  for (const char c : text) {
    bits = (bits << 6U) | static_cast<unsigned>(kDigits.find(c));
    pending += 6;
    if (pending >= 8) {
      pending -= 8;
      out += static_cast<char>((bits >> static_cast<unsigned>(pending)) & 0xffU);
    }
  }
  return out;
}

boost::json::object claims_of(const std::string& token) {
  const auto first = token.find('.');
  const auto second = token.find('.', first + 1);
  return boost::json::parse(decode_base64url(token.substr(first + 1, second - first - 1))).as_object();
}

class TokenFactoryTest : public testing::Test {
 protected:
  std::string issue(TokenFactory& factory, const Identity& identity, bool bypass_cache = false,
                    std::chrono::sys_seconds now = kIssuedAt) {
    return factory.token_for(identity, kVault, bypass_cache, now).access_token;
  }

  Identities identities_{IdentityOptions()};
  const Identity& system_ = identities_.all()[0];
  const Identity& user_ = identities_.all()[1];
};

TEST_F(TokenFactoryTest, PutsTheIdentityAndTheResourceIntoTheClaims) {
  TokenFactory factory({.lifetime = std::chrono::seconds(1000)});
  const auto claims = claims_of(issue(factory, user_));
  EXPECT_EQ(claims.at("aud").as_string(), "https://vault.azure.net");
  EXPECT_EQ(claims.at("appid").as_string(), user_.client_id);
  EXPECT_EQ(claims.at("oid").as_string(), user_.object_id);
  EXPECT_EQ(claims.at("xms_mirid").as_string(), user_.msi_res_id);
  EXPECT_EQ(claims.at("tid").as_string(), std::string(kTenantId));
  EXPECT_EQ(claims.at("iss").as_string(), "https://sts.windows.net/" + std::string(kTenantId) + "/");
  EXPECT_EQ(claims.at("exp").as_int64(), 1'700'001'000);
  EXPECT_EQ(claims.at("nbf").as_int64(), 1'699'999'700);
  EXPECT_EQ(claims.at("iat").as_int64(), 1'699'999'700);
}

TEST_F(TokenFactoryTest, NamesTheVmInASystemAssignedToken) {
  TokenFactory factory({});
  EXPECT_EQ(claims_of(issue(factory, system_)).at("xms_mirid").as_string(), vm_resource_id());
}

TEST_F(TokenFactoryTest, StartsTheSignatureWithTheMarker) {
  TokenFactory factory({});
  const std::string token = issue(factory, system_);
  EXPECT_EQ(token.find(kTokenMarker), token.rfind('.') + 1);
}

TEST_F(TokenFactoryTest, GivesTheSameTokenUntilShortlyBeforeItExpires) {
  TokenFactory factory({});
  const std::string first = issue(factory, system_);
  EXPECT_EQ(issue(factory, system_, false, kIssuedAt + std::chrono::seconds(86400 - 301)), first);
  EXPECT_NE(issue(factory, system_, false, kIssuedAt + std::chrono::seconds(86400 - 300)), first);
}

TEST_F(TokenFactoryTest, KeepsTokensOfDifferentIdentitiesApart) {
  TokenFactory factory({});
  EXPECT_NE(claims_of(issue(factory, system_)).at("oid"), claims_of(issue(factory, user_)).at("oid"));
}

TEST_F(TokenFactoryTest, IssuesANewTokenWhenTheCacheIsBypassed) {
  TokenFactory factory({});
  const std::string first = issue(factory, system_);
  const std::string second = issue(factory, system_, true);
  EXPECT_NE(claims_of(first).at("uti"), claims_of(second).at("uti"));
  EXPECT_EQ(issue(factory, system_), second);
}

TEST_F(TokenFactoryTest, NeverRepeatsAFreshToken) {
  TokenFactory factory({.fresh = true});
  const std::string first = issue(factory, system_);
  EXPECT_NE(issue(factory, system_), first);
  EXPECT_EQ(factory.issued(), 2U);
}

TEST_F(TokenFactoryTest, PadsATokenToTheSizeAskedFor) {
  TokenFactory factory({.size = 6000});
  EXPECT_EQ(issue(factory, system_).size(), 6000U);
}

TEST(Base64UrlTest, EncodesEveryRemainderWithoutPadding) {
  EXPECT_EQ(base64url("f"), "Zg");
  EXPECT_EQ(base64url("fo"), "Zm8");
  EXPECT_EQ(base64url("foo"), "Zm9v");
  EXPECT_EQ(base64url("\xfb\xff"), "-_8");
}

}  // namespace
}  // namespace msi2imds::emulator
