// SPDX-License-Identifier: MIT
#include "legacy/pairs.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace msi2imds::legacy {
namespace {

// All pairs, one name=[value] behind the other.
std::string read_all(std::string_view text) {
  std::string all;
  PairReader pairs(text);
  while (const auto pair = pairs.next()) {
    all.append(all.empty() ? "" : " ").append(pair->name).append("=[").append(pair->value).append("]");
  }
  return all;
}

TEST(PairReaderTest, SplitsAtAmpersands) {
  EXPECT_EQ(read_all("a=1&b=2&c=3"), "a=[1] b=[2] c=[3]");
}

TEST(PairReaderTest, SplitsANameFromItsValueAtTheFirstEqualsSign) {
  EXPECT_EQ(read_all("a=b=c&d=="), "a=[b=c] d=[=]");
}

TEST(PairReaderTest, ReadsNothingFromNothing) {
  EXPECT_EQ(read_all(""), "");
  EXPECT_EQ(read_all("&&&"), "");
  EXPECT_EQ(read_all("\""), "");
  EXPECT_EQ(read_all("no pair"), "");
}

TEST(PairReaderTest, KeepsARawAmpersandInAValue) {
  EXPECT_EQ(read_all("id=/groups/a&b/x&resource=r"), "id=[/groups/a&b/x] resource=[r]");
  EXPECT_EQ(read_all("id=/groups/a&b&c"), "id=[/groups/a&b&c]");
  EXPECT_EQ(read_all("id=/groups/a&&b&resource=r"), "id=[/groups/a&&b] resource=[r]");
}

TEST(PairReaderTest, DropsEmptySegmentsBetweenPairs) {
  EXPECT_EQ(read_all("&a=1&&b=2&&"), "a=[1] b=[2]");
}

TEST(PairReaderTest, DropsWhatComesBeforeTheFirstPair) {
  EXPECT_EQ(read_all("junk&a=1"), "a=[1]");
}

TEST(PairReaderTest, SplitsAtACommaBeforeAKnownName) {
  EXPECT_EQ(read_all("resource=r,client_id=c"), "resource=[r] client_id=[c]");
  EXPECT_EQ(read_all("resource=r, client_id=c"), "resource=[r] client_id=[c]");
  EXPECT_EQ(read_all("resource=r,+api-version=1"), "resource=[r] api-version=[1]");
  EXPECT_EQ(read_all("id=a&b,Resource=r"), "id=[a&b] Resource=[r]");
}

TEST(PairReaderTest, KeepsACommaBeforeAnythingElse) {
  EXPECT_EQ(read_all("resource=a,b"), "resource=[a,b]");
  EXPECT_EQ(read_all("resource=a,unknown=b"), "resource=[a,unknown=b]");
  EXPECT_EQ(read_all("resource=a,client_ids=b"), "resource=[a,client_ids=b]");
  EXPECT_EQ(read_all("resource=a,client_id"), "resource=[a,client_id]");
  EXPECT_EQ(read_all("resource=a,,resource=b,"), "resource=[a,] resource=[b,]");
  EXPECT_EQ(read_all("resource=a%2Cclient_id=b"), "resource=[a%2Cclient_id=b]");
}

TEST(PairReaderTest, StripsOnePairOfQuotesAroundEverything) {
  EXPECT_EQ(read_all("\"resource=r&client_id=c\""), "resource=[r] client_id=[c]");
  EXPECT_EQ(read_all("\"\"a=1\"\""), "\"a=[1\"]");
}

TEST(PairReaderTest, KeepsAQuoteOnOneSide) {
  EXPECT_EQ(read_all("a=\"1\""), "a=[\"1\"]");
}

TEST(PairReaderTest, DropsALineEndBehindABody) {
  EXPECT_EQ(read_all("resource=r\r\n"), "resource=[r]");
  EXPECT_EQ(read_all("\"resource=r\"\n"), "resource=[r]");
}

TEST(FindParameterTest, KnowsEverySpelling) {
  EXPECT_EQ(find_parameter("resource"), Parameter::resource);
  EXPECT_EQ(find_parameter("client_id"), Parameter::client_id);
  EXPECT_EQ(find_parameter("clientid"), Parameter::client_id);
  EXPECT_EQ(find_parameter("object_id"), Parameter::object_id);
  EXPECT_EQ(find_parameter("msi_res_id"), Parameter::resource_id);
  EXPECT_EQ(find_parameter("mi_res_id"), Parameter::resource_id);
  EXPECT_EQ(find_parameter("bypass_cache"), Parameter::bypass_cache);
}

TEST(FindParameterTest, IgnoresCase) {
  EXPECT_EQ(find_parameter("Client_ID"), Parameter::client_id);
}

TEST(FindParameterTest, KnowsNoise) {
  for (const std::string_view name : {"authority", "api-version", "grant_type", "refresh_token"}) {
    EXPECT_EQ(find_parameter(name), Parameter::noise) << name;
  }
}

TEST(FindParameterTest, DoesNotKnowOthers) {
  for (const std::string_view name : {"", "resources", "resourc", "principal_id"}) {
    EXPECT_EQ(find_parameter(name), std::nullopt) << name;
  }
}

TEST(DecodeFormTest, DecodesEscapesAndPluses) {
  EXPECT_EQ(decode_form("https%3A%2f%2Fa+b%2B%20"), "https://a b+ ");
}

TEST(DecodeFormTest, LeavesWhatIsNotEncodedAlone) {
  EXPECT_EQ(decode_form("https://a/b?c;d"), "https://a/b?c;d");
}

TEST(DecodeFormTest, LeavesABadEscapeAlone) {
  EXPECT_EQ(decode_form("100%"), "100%");
  EXPECT_EQ(decode_form("%4"), "%4");
  EXPECT_EQ(decode_form("%zz%4g%%41"), "%zz%4g%A");
}

TEST(DecodeFormTest, DecodesOnlyOnce) {
  EXPECT_EQ(decode_form("%2541"), "%41");
}

TEST(DecodeFormTest, DecodesANullByte) {
  EXPECT_EQ(decode_form("a%00b"), std::string("a\0b", 3));
}

}  // namespace
}  // namespace msi2imds::legacy
