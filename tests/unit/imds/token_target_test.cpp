// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include "imds/reply.hpp"

namespace msi2imds::imds {
namespace {

using token::SelectorKind;

const std::string kStart = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=";

token::TokenRequest request_for(std::string resource) {
  token::TokenRequest request;
  request.resource = std::move(resource);
  return request;
}

std::string target_with(SelectorKind kind, std::string value) {
  token::TokenRequest request = request_for("r");
  request.identity = {.kind = kind, .value = std::move(value)};
  return token_target(request);
}

TEST(TokenTargetTest, EncodesAllButUnreservedCharacters) {
  EXPECT_EQ(token_target(request_for("https://vault.azure.net")), kStart + "https%3A%2F%2Fvault.azure.net");
  EXPECT_EQ(token_target(request_for("aZ09-._~")), kStart + "aZ09-._~");
  EXPECT_EQ(token_target(request_for("a&b=c+d e%2f?#")), kStart + "a%26b%3Dc%2Bd%20e%252f%3F%23");
}

TEST(TokenTargetTest, EncodesWhatCouldEndTheRequestLine) {
  EXPECT_EQ(token_target(request_for("a\r\nMetadata: x")), kStart + "a%0D%0AMetadata%3A%20x");
  EXPECT_EQ(token_target(request_for(std::string("\0\x7f\xc3\xa4", 4))), kStart + "%00%7F%C3%A4");
}

TEST(TokenTargetTest, NamesTheIdentityAsImdsSpellsIt) {
  EXPECT_EQ(target_with(SelectorKind::client_id, "c"), kStart + "r&client_id=c");
  EXPECT_EQ(target_with(SelectorKind::object_id, "o"), kStart + "r&object_id=o");
  EXPECT_EQ(target_with(SelectorKind::resource_id, "/a&b"), kStart + "r&msi_res_id=%2Fa%26b");
}

TEST(TokenTargetTest, LeavesOutAnIdentityThatNobodyChose) {
  EXPECT_EQ(target_with(SelectorKind::none, "ignored"), kStart + "r");
}

TEST(TokenTargetTest, AsksToBypassTheCacheOnlyWhenTold) {
  token::TokenRequest request = request_for("r");
  request.bypass_cache = true;
  EXPECT_EQ(token_target(request), kStart + "r&bypass_cache=true");
}

}  // namespace
}  // namespace msi2imds::imds
