// SPDX-License-Identifier: MIT
#include "imds_emulator/spoil.hpp"

#include <gtest/gtest.h>

#include "imds_emulator/fault_parser.hpp"
#include "imds_emulator/token_endpoint.hpp"
#include "unit/imds_emulator/requests.hpp"

namespace msi2imds::emulator {
namespace {

constexpr std::chrono::sys_seconds kAnsweredAt{std::chrono::seconds(1'700'000'000)};

Reply spoiled(const std::string& fault, const Request& request = token_request()) {
  const auto faults = parse_faults(R"({"faults":[)" + fault + "]}", {});
  EXPECT_TRUE(faults) << faults.error().message();
  TokenEndpoint endpoint({}, {});
  Question question = parse_question(request);
  mistake(question, faults->at(0), endpoint.identities());
  Reply reply = endpoint.answer(question, kAnsweredAt);
  spoil(reply, faults->at(0), kAnsweredAt);
  return reply;
}

TEST(SpoilTest, AnswersTheStatusWithRetryAfter) {
  const Reply reply = spoiled(R"({"kind":"status","status":429,"retry_after":7})");
  EXPECT_EQ(reply.status, 429U);
  ASSERT_EQ(reply.headers.size(), 1U);
  EXPECT_EQ(reply.headers[0].name + ": " + reply.headers[0].value, "Retry-After: 7");
  EXPECT_FALSE(fields_of(reply).contains("access_token"));
}

TEST(SpoilTest, AnswersTheStatusAsAPage) {
  const Reply reply = spoiled(R"({"kind":"status","status":410,"html":true})");
  EXPECT_EQ(reply.content_type, "text/html; charset=utf-8");
  EXPECT_NE(reply.body.find("410 Gone"), std::string::npos);
}

TEST(SpoilTest, AnswersTheBodyThatWasGiven) {
  EXPECT_EQ(spoiled(R"({"kind":"status","status":500,"body":"oops"})").body, "oops");
}

TEST(SpoilTest, AnswersAPageInPlaceOfAToken) {
  const Reply reply = spoiled(R"({"kind":"html"})");
  EXPECT_EQ(reply.status, 200U);
  EXPECT_TRUE(reply.body.starts_with("<html>"));
}

TEST(SpoilTest, MakesNumbersIntegers) {
  const auto fields = fields_of(spoiled(R"({"kind":"integers"})"));
  EXPECT_EQ(fields.at("expires_in").as_int64(), 86400);
  EXPECT_EQ(fields.at("ext_expires_in").as_int64(), 86400);
  EXPECT_EQ(fields.at("expires_on").as_int64(), 1'700'086'400);
  EXPECT_EQ(fields.at("not_before").as_int64(), 1'699'999'700);
  EXPECT_TRUE(fields.at("token_type").is_string());
}

TEST(SpoilTest, LeavesAFieldOut) {
  const auto fields = fields_of(spoiled(R"({"kind":"missing_field","field":"expires_on"})"));
  EXPECT_FALSE(fields.contains("expires_on"));
  EXPECT_EQ(fields.size(), 7U);
}

TEST(SpoilTest, OverridesAFieldWithAnyValue) {
  const auto fields = fields_of(spoiled(R"({"kind":"override_field","field":"access_token","value":[1]})"));
  EXPECT_TRUE(fields.at("access_token").is_array());
}

TEST(SpoilTest, LetsTheTokenExpireInThePast) {
  const auto fields = fields_of(spoiled(R"({"kind":"expired"})"));
  EXPECT_EQ(fields.at("expires_on").as_string(), "1699996400");
}

TEST(SpoilTest, PadsAValidTokenToTheSizeAskedFor) {
  const Reply reply = spoiled(R"({"kind":"oversized","bytes":100000})");
  EXPECT_EQ(reply.body.size(), 100000U);
  EXPECT_TRUE(fields_of(reply).contains("access_token"));
}

TEST(SpoilTest, PadsToTwoMebibytesUnlessToldOtherwise) {
  EXPECT_EQ(spoiled(R"({"kind":"oversized"})").body.size(), 2U * 1024 * 1024);
}

TEST(SpoilTest, MakesJsonThatIsNone) {
  boost::json::error_code ec;
  const auto value = boost::json::parse(spoiled(R"({"kind":"garbage_json"})").body, ec);
  EXPECT_TRUE(ec) << value;
}

TEST(SpoilTest, CallsGoodJsonHtml) {
  const Reply reply = spoiled(R"({"kind":"wrong_content_type"})");
  EXPECT_EQ(reply.content_type, "text/html; charset=utf-8");
  EXPECT_TRUE(fields_of(reply).contains("access_token"));
}

TEST(SpoilTest, AnswersForAnotherResource) {
  EXPECT_EQ(fields_of(spoiled(R"({"kind":"wrong_resource"})")).at("resource").as_string(),
            "https://other.example/");
  EXPECT_EQ(fields_of(spoiled(R"({"kind":"wrong_resource","resource":"https://a.example"})"))
                .at("resource")
                .as_string(),
            "https://a.example");
}

TEST(SpoilTest, AnswersForAnotherIdentity) {
  const auto right = fields_of(spoiled(R"({"kind":"delay","ms":0})"));
  const auto wrong = fields_of(spoiled(R"({"kind":"wrong_client_id"})"));
  EXPECT_NE(wrong.at("client_id"), right.at("client_id"));
  EXPECT_NE(wrong.at("access_token"), right.at("access_token"));
  EXPECT_EQ(wrong.at("resource"), right.at("resource"));
}

TEST(SpoilTest, AnswersWithoutABodyWhereThereIsNone) {
  const Reply reply = spoiled(R"({"kind":"status","status":204})");
  EXPECT_EQ(reply.body, "");
  std::string head;
  append_head(head, reply, {}, true);
  EXPECT_EQ(head.find("Content-Length"), std::string::npos);
  EXPECT_EQ(spoiled(R"({"kind":"status","status":204,"body":"x"})").body, "x");
}

TEST(HeadTest, HasADate) {
  std::string head;
  append_head(head, Reply(), std::chrono::sys_seconds(std::chrono::seconds(784111777)), true);
  EXPECT_NE(head.find("\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"), std::string::npos) << head;
}

TEST(SpoilTest, LeavesARefusalAsItIs) {
  const Reply reply = spoiled(R"({"kind":"integers"})", token_request(""));
  EXPECT_EQ(reply.status, 400U);
}

}  // namespace
}  // namespace msi2imds::emulator
