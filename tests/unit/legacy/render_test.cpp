// SPDX-License-Identifier: MIT
#include "legacy/render.hpp"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <boost/json/value_to.hpp>
#include <chrono>
#include <string>
#include <string_view>

namespace msi2imds::legacy {
namespace {

constexpr std::int64_t kNow = 1'700'000'000;

token::Token token() {
  return {.access_token = "header.payload.signature",
          .token_type = "Bearer",
          .resource = "https://management.azure.com/",
          .client_id = "11111111-2222-3333-4444-555555555555",
          .not_before = kNow - 300,
          .expires_on = kNow + 3600};
}

Times at(std::int64_t now) {
  return {.now = now, .expires_on = kNow + 3600};
}

std::string field(const http::Response& response, std::string_view name) {
  const boost::json::value body = boost::json::parse(response.body);
  return boost::json::value_to<std::string>(body.at(boost::json::string_view(name.data(), name.size())));
}

std::string header(const http::Response& response, std::string_view name) {
  for (const http::Header& header : response.headers) {
    if (header.name == name) {
      return header.value;
    }
  }
  return "";
}

void expect_error(const http::Response& response, unsigned status, std::string_view code) {
  EXPECT_EQ(response.status, status);
  EXPECT_EQ(field(response, "error"), code);
  EXPECT_FALSE(field(response, "error_description").empty());
  EXPECT_EQ(response.body.find_first_of("\r\n"), std::string::npos);
  EXPECT_TRUE(response.content_type.starts_with("application/json"));
}

TEST(RenderTokenTest, LooksForNothingToEscapeInAPlainToken) {
  token::Token plain = token();
  plain.is_plain = true;
  EXPECT_EQ(render(plain, at(kNow)).body, render(token(), at(kNow)).body);
}

TEST(RenderTokenTest, IsOneFlatLineOfStrings) {
  const http::Response response = render(token(), at(kNow));

  EXPECT_EQ(response.status, 200U);
  EXPECT_TRUE(response.content_type.starts_with("application/json"));
  EXPECT_FALSE(response.close);
  EXPECT_EQ(
      response.body,
      R"({"access_token":"header.payload.signature","refresh_token":"","expires_in":"3600",)"
      R"("expires_on":"1700003600","not_before":"1699999700","resource":"https://management.azure.com/",)"
      R"("token_type":"Bearer","client_id":"11111111-2222-3333-4444-555555555555"})");
}

TEST(RenderTokenTest, LeavesAnUnknownClientIdOut) {
  token::Token anonymous = token();
  anonymous.client_id.clear();

  EXPECT_EQ(render(anonymous, at(kNow)).body.find("client_id"), std::string::npos);
}

TEST(RenderTokenTest, ComputesTheRemainingTimeAtReplyTime) {
  EXPECT_EQ(field(render(token(), at(kNow + 600)), "expires_in"), "3000");
  EXPECT_EQ(field(render(token(), at(kNow + 600)), "expires_on"), "1700003600");
}

TEST(RenderTokenTest, TheRemainingTimeIsNeverNegative) {
  EXPECT_EQ(field(render(token(), at(kNow + 4000)), "expires_in"), "0");
}

TEST(RenderTokenTest, TellsItsTimesByThisMachinesClock) {
  const Times behind = {.now = kNow - 3600, .expires_on = kNow};
  EXPECT_EQ(field(render(token(), behind), "expires_in"), "3600");
  EXPECT_EQ(field(render(token(), behind), "expires_on"), "1700000000");
  EXPECT_EQ(field(render(token(), behind), "not_before"), "1699996100");
}

TEST(RenderTokenTest, AnUnknownBeginStaysUnknown) {
  token::Token endless = token();
  endless.not_before = 0;
  EXPECT_EQ(field(render(endless, {.now = kNow, .expires_on = kNow + 7200}), "not_before"), "0");
}

TEST(RenderTokenTest, EscapesWhatJsonRequires) {
  token::Token odd = token();
  odd.resource = "a\"b\\c\n\x01 caf\xC3\xA9";

  const http::Response response = render(odd, at(kNow));

  EXPECT_NE(response.body.find(R"("a\"b\\c\u000a\u0001 caf)"), std::string::npos);
  EXPECT_EQ(field(response, "resource"), odd.resource);
}

TEST(RenderTokenTest, UsesMemoryAgain) {
  std::string memory;
  memory.reserve(4096);
  const char* const place = memory.data();

  const http::Response response = render(token(), at(kNow), std::move(memory));

  EXPECT_EQ(response.body.data(), place);
  EXPECT_EQ(response.body, render(token(), at(kNow)).body);
}

TEST(RenderRefusalTest, PassesStatusAndJsonThrough) {
  const std::string body = R"({"error":"invalid_request","error_description":"Identity not found"})";

  for (const unsigned status : {400U, 401U, 403U, 405U}) {
    const http::Response response = render(token::Refusal{.status = status, .body = body});
    EXPECT_EQ(response.status, status);
    EXPECT_EQ(response.body, body);
  }
}

TEST(RenderRefusalTest, PassesAnotherShapeOfErrorThrough) {
  const std::string body =
      R"({"error":"Bad request. api-version was not specified","newest-versions":["2021-02-01"]})";

  EXPECT_EQ(render(token::Refusal{.status = 400, .body = body}).body, body);
}

TEST(RenderRefusalTest, PutsJsonOnOneLine) {
  const http::Response response = render(token::Refusal{
      .status = 400, .body = "{\n  \"error\": \"invalid_resource\",\r\n  \"more\": \"x\"\n}\n"});

  EXPECT_EQ(response.body, R"({"error":"invalid_resource","more":"x"})");
}

TEST(RenderRefusalTest, WrapsWhatIsNotAJsonError) {
  for (const char* body : {"<html>\r\n<b>Bad \"Request\"</b></html>", "", "[]", "\"error\"", "{}",
                           R"({"error":{}})", R"({"error":"cut of)", "\xff"}) {
    expect_error(render(token::Refusal{.status = 400, .body = body}), 400, "invalid_request");
    expect_error(render(token::Refusal{.status = 401, .body = body}), 401, "unauthorized_client");
    expect_error(render(token::Refusal{.status = 403, .body = body}), 403, "unauthorized_client");
    expect_error(render(token::Refusal{.status = 405, .body = body}), 405, "invalid_request");
  }
}

TEST(RenderRefusalTest, ShowsTheBeginningOfWhatItWraps) {
  const http::Response response =
      render(token::Refusal{.status = 400, .body = "<p>" + std::string(5000, 'x')});

  EXPECT_EQ(field(response, "error_description"), "IMDS answered 400: <p>" + std::string(197, 'x') + "...");
}

TEST(RenderRefusalTest, SaysWhatIsAllowedWith405) {
  EXPECT_EQ(header(render(token::Refusal{.status = 405, .body = R"({"error":"x"})"}), "Allow"), "GET, POST");
  EXPECT_EQ(header(render(token::Refusal{.status = 405, .body = ""}), "Allow"), "GET, POST");
}

TEST(RenderRefusalTest, MakesAnyOtherStatusAServerError) {
  for (const unsigned status : {200U, 302U, 404U, 410U, 429U, 503U}) {
    expect_error(render(token::Refusal{.status = status, .body = R"({"error":"x"})"}), 500, "unknown");
  }
}

TEST(RenderRejectionTest, ChoosesStatusAndErrorFromTheLegacyTable) {
  const auto rendered = [](Fault fault) { return render(Rejection{.fault = fault, .description = "why"}); };

  expect_error(rendered(Fault::method_not_allowed), 405, "invalid_request");
  expect_error(rendered(Fault::bad_host), 400, "invalid_request");
  expect_error(rendered(Fault::foreign_host), 401, "unauthorized_client");
  expect_error(rendered(Fault::forwarded), 401, "unauthorized_client");
  expect_error(rendered(Fault::unknown_source), 401, "unknown_source");
  expect_error(rendered(Fault::missing_metadata_header), 400, "bad_request_102");
  expect_error(rendered(Fault::missing_resource), 400, "invalid_request");
  expect_error(rendered(Fault::invalid_parameter), 400, "invalid_request");
}

TEST(RenderRejectionTest, SaysWhatIsAllowedWith405Only) {
  EXPECT_EQ(header(render(Rejection{.fault = Fault::method_not_allowed, .description = ""}), "Allow"),
            "GET, POST");
  EXPECT_TRUE(render(Rejection{.fault = Fault::missing_resource, .description = ""}).headers.empty());
}

TEST(RenderRejectionTest, EscapesTheDescription) {
  const http::Response response = render(Rejection{.fault = Fault::unknown_source, .description = "\"\\\n"});

  EXPECT_EQ(response.body, R"({"error":"unknown_source","error_description":"\"\\\u000a"})");
}

TEST(RenderRejectionTest, LeavesTheConnectionOpen) {
  EXPECT_FALSE(render(Rejection{.fault = Fault::invalid_parameter, .description = "why"}).close);
}

TEST(UpstreamFailureTest, IsTheLegacyServerError) {
  const http::Response response = upstream_failure("IMDS cannot be reached.");

  expect_error(response, 500, "unknown");
  EXPECT_EQ(field(response, "error_description"),
            "Failed to retrieve token from the Active directory. IMDS cannot be reached.");
  EXPECT_FALSE(response.close);
}

TEST(UnavailableTest, SaysWhenToTryAgain) {
  const http::Response response = unavailable(std::chrono::seconds(7));

  expect_error(response, 503, "temporarily_unavailable");
  EXPECT_EQ(header(response, "Retry-After"), "7");
}

TEST(ImdsLeftAloneTest, SaysForHowLongAndWhy) {
  const http::Response response = imds_left_alone(std::chrono::seconds(90));

  expect_error(response, 503, "temporarily_unavailable");
  EXPECT_EQ(header(response, "Retry-After"), "90");
  EXPECT_EQ(field(response, "error_description"),
            "IMDS asks to be left alone for 90 s, longer than this caller can wait: try again then");
}

TEST(BadMessageTest, EndsTheConnection) {
  const http::Response response = bad_message(413, "the body is larger than 65536 bytes");

  expect_error(response, 413, "invalid_request");
  EXPECT_EQ(field(response, "error_description"), "the body is larger than 65536 bytes");
  EXPECT_TRUE(response.close);
}

}  // namespace
}  // namespace msi2imds::legacy
