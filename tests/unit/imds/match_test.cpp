// SPDX-License-Identifier: MIT
#include "imds/match.hpp"

#include <gtest/gtest.h>

namespace msi2imds::imds {
namespace {

using token::SelectorKind;

Match::Identity match_identity(const std::string& got, const std::string& asked,
                               SelectorKind kind = SelectorKind::client_id) {
  token::Token token;
  token.client_id = got;
  token::TokenRequest request;
  request.identity = {.kind = kind, .value = asked};
  return match(token, request).identity;
}

bool is_same_resource(const std::string& got, const std::string& asked) {
  token::Token token;
  token.resource = got;
  token::TokenRequest request;
  request.resource = asked;
  return match(token, request).is_same_resource;
}

TEST(MatchTest, ComparesGuidsInAnySpelling) {
  const std::string guid = "0123abcd-2222-3333-4444-555555555555";
  for (const char* asked : {"0123abcd-2222-3333-4444-555555555555", "0123ABCD-2222-3333-4444-555555555555",
                            "{0123abcd-2222-3333-4444-555555555555}", "0123abcd222233334444555555555555"}) {
    EXPECT_EQ(match_identity(guid, asked), Match::Identity::same) << asked;
  }
  EXPECT_EQ(match_identity(guid, "0123abcd-2222-3333-4444-555555555556"), Match::Identity::other);
  EXPECT_EQ(match_identity(guid, "0123abcd"), Match::Identity::other);
}

TEST(MatchTest, TellsNoIdentityFromAnother) {
  EXPECT_EQ(match_identity("", "0123abcd"), Match::Identity::unsaid);
}

TEST(MatchTest, ComparesNoClientIdThatNobodyAskedFor) {
  for (const SelectorKind kind : {SelectorKind::none, SelectorKind::object_id, SelectorKind::resource_id}) {
    EXPECT_EQ(match_identity("0123abcd", "x", kind), Match::Identity::same);
  }
}

TEST(MatchTest, ComparesResourcesButForCaseAndOneSlash) {
  EXPECT_TRUE(is_same_resource("https://a.example", "https://a.example"));
  EXPECT_TRUE(is_same_resource("https://a.example/", "HTTPS://A.example"));
  EXPECT_TRUE(is_same_resource("https://a.example", "https://a.example/"));
  for (const char* other :
       {"https://a.example//", "https://b.example", "https://a.example/b", "a.example", ""}) {
    EXPECT_FALSE(is_same_resource("https://a.example", other)) << other;
  }
}

}  // namespace
}  // namespace msi2imds::imds
