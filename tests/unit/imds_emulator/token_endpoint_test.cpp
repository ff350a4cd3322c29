// SPDX-License-Identifier: MIT
#include "imds_emulator/token_endpoint.hpp"

#include <gtest/gtest.h>

#include <functional>

#include "unit/imds_emulator/requests.hpp"

namespace msi2imds::emulator {
namespace {

constexpr std::chrono::sys_seconds kAskedAt{std::chrono::seconds(1'700'000'000)};

Reply ask(const Request& request, const IdentityOptions& identities = {}) {
  TokenEndpoint endpoint(identities, {.lifetime = std::chrono::seconds(3600)});
  return endpoint.answer(parse_question(request), kAskedAt);
}

std::string text(const Reply& reply, std::string_view name) {
  return std::string(fields_of(reply).at({name.data(), name.size()}).as_string());
}

TEST(TokenEndpointTest, AnswersWithStringsOnly) {
  const Reply reply = ask(token_request());
  ASSERT_EQ(reply.status, 200U) << reply.body;
  EXPECT_EQ(reply.content_type, "application/json; charset=utf-8");
  EXPECT_EQ(fields_of(reply).size(), 8U);
  for (const auto& field : fields_of(reply)) {
    EXPECT_TRUE(field.value().is_string()) << field.key();
  }
  EXPECT_EQ(text(reply, "resource"), "https://vault.azure.net");
  EXPECT_EQ(text(reply, "expires_in"), "3600");
  EXPECT_EQ(text(reply, "ext_expires_in"), "3600");
  EXPECT_EQ(text(reply, "expires_on"), "1700003600");
  EXPECT_EQ(text(reply, "not_before"), "1699999700");
  EXPECT_EQ(text(reply, "token_type"), "Bearer");
}

TEST(TokenEndpointTest, CountsExpiresInDownForACachedToken) {
  TokenEndpoint endpoint({}, {.lifetime = std::chrono::seconds(3600)});
  const Question question = parse_question(token_request());
  const Reply first = endpoint.answer(question, kAskedAt);
  const Reply second = endpoint.answer(question, kAskedAt + std::chrono::seconds(10));
  EXPECT_EQ(text(second, "expires_in"), "3590");
  EXPECT_EQ(text(second, "expires_on"), text(first, "expires_on"));
  EXPECT_EQ(text(second, "access_token"), text(first, "access_token"));
}

TEST(TokenEndpointTest, AnswersForTheIdentityThatIsSelected) {
  const Identity user = Identities({}).all()[2];
  for (const std::string& selector : {"client_id=" + user.client_id, "object_id=" + user.object_id,
                                      "msi_res_id=" + user.msi_res_id, "mi_res_id=" + user.msi_res_id}) {
    const Reply reply = ask(token_request_for(selector));
    ASSERT_EQ(reply.status, 200U) << selector;
    EXPECT_EQ(text(reply, "client_id"), user.client_id) << selector;
  }
}

TEST(TokenEndpointTest, AcceptsAGuidAsResource) {
  EXPECT_EQ(ask(token_request("api-version=2018-02-01&resource=11111111-2222-3333-4444-555555555555")).status,
            200U);
}

TEST(TokenEndpointTest, IgnoresParametersThatItDoesNotKnow) {
  EXPECT_EQ(ask(token_request_for("bypass_cache=true&authority=x")).status, 200U);
}

TEST(TokenEndpointTest, SaysWhyNoIdentityIsTheDefault) {
  const Reply reply = ask(token_request(), {.user_assigned = 2, .system_assigned = false});
  EXPECT_EQ(reply.status, 400U);
  EXPECT_EQ(text(reply, "error"), "invalid_request");
  EXPECT_EQ(text(reply, "error_description"),
            "Multiple user assigned identities exist, please specify the clientId / resourceId of the "
            "identity in the "
            "token request");
}

struct Refusal {
  std::string name;
  std::function<void(Request&)> change;
  unsigned status;
  std::string error;
  std::string description;  // its start
};

void PrintTo(const Refusal& refusal, std::ostream* out) {
  *out << refusal.name;
}

std::function<void(Request&)> query(const std::string& text) {
  return [text](Request& request) { request.target = std::string(kTokenPath) + "?" + text; };
}

std::function<void(Request&)> also_query(const std::string& text) {
  return query(std::string(kGoodQuery) + "&" + text);
}

std::function<void(Request&)> also_header(const std::string& name, const std::string& value) {
  return [name, value](Request& request) { request.headers.push_back({.name = name, .value = value}); };
}

std::function<void(Request&)> without_header(std::size_t index) {
  return
      [index](Request& request) { request.headers.erase(request.headers.begin() + static_cast<int>(index)); };
}

const std::string kInvalid = "invalid_request";
const std::string kNoMetadata = "Required metadata header not specified";
const std::string kNoResource = "Required query variable 'resource' is missing";
const std::string kUndecodable = "decode a percent escape";
const std::string kUnescaped = "read a character that has to be percent-encoded";

const Refusal kRefusals[] = {
    {"Post", [](Request& r) { r.method = "POST"; }, 405, "method_not_allowed", ""},
    {"Head", [](Request& r) { r.method = "HEAD"; }, 405, "method_not_allowed", ""},
    {"NoMetadata", without_header(1), 400, kInvalid, kNoMetadata},
    {"MetadataFalse", [](Request& r) { r.headers[1].value = "false"; }, 400, kInvalid, kNoMetadata},
    {"MetadataTwice", also_header("Metadata", "true"), 400, kInvalid, kNoMetadata},
    {"ForwardedFor", also_header("x-forwarded-for", "10.0.0.1"), 400, kInvalid,
     "Requests with an X-Forwarded-For"},
    {"NoHost", without_header(0), 400, kInvalid, "Exactly one Host"},
    {"HostTwice", also_header("host", "x"), 400, kInvalid, "Exactly one Host"},
    {"Body", [](Request& r) { r.body = "resource=x"; }, 400, kInvalid, "A GET request has no body"},
    {"EmptyChunkedBody", [](Request& r) { r.chunked = true; }, 400, kInvalid, "A GET request has no body"},
    {"ResourceTwice", also_query("resource=https%3A%2F%2Fa"), 400, kInvalid, "Duplicate"},
    {"VersionTwice", also_query("api-version=2018-02-01"), 400, kInvalid, "Duplicate"},
    {"NoResource", query("api-version=2018-02-01"), 400, kInvalid, kNoResource},
    {"EmptyResource", query("api-version=2018-02-01&resource="), 400, kInvalid, kNoResource},
    {"TwoSelectors", also_query("client_id=x&object_id=y"), 400, kInvalid, "Only one of"},
    {"BothSpellings", also_query("msi_res_id=x&mi_res_id=y"), 400, kInvalid, "Only one of"},
    {"EmptySelector", also_query("client_id="), 400, kInvalid, "The query variable 'client_id' is empty"},
    {"UnknownIdentity", also_query("client_id=11111111-2222-3333-4444-555555555555"), 400, kInvalid,
     "Identity not found"},
    {"CutEscape", also_query("x=%2"), 400, kInvalid, kUndecodable},
    {"NoHexEscape", also_query("x=%zz"), 400, kInvalid, kUndecodable},
    {"RawBrace", also_query("x={}"), 400, kInvalid, kUnescaped},
    {"RawBytes", also_query("x=\xc3\xa4"), 400, kInvalid, kUnescaped},
    {"InvalidResource", query("api-version=2018-02-01&resource=https%3A%2F%2FInvalid.example"), 400,
     "invalid_resource", "AADSTS50001: "},
    {"NotAUri", query("api-version=2018-02-01&resource=management"), 400, "invalid_resource",
     "AADSTS50001: "},
    {"PlusIsASpace", query("api-version=2018-02-01&resource=https%3A%2F%2Fa+b"), 400, "invalid_resource",
     "AADSTS50001: "},
};

class TokenRefusalTest : public testing::TestWithParam<Refusal> {};

TEST_P(TokenRefusalTest, HasItsStatusErrorAndDescription) {
  Request request = token_request();
  GetParam().change(request);
  const Reply reply = ask(request);
  EXPECT_EQ(reply.status, GetParam().status);
  EXPECT_EQ(text(reply, "error"), GetParam().error);
  EXPECT_TRUE(text(reply, "error_description").starts_with(GetParam().description)) << reply.body;
  EXPECT_NE(reply.problem, "");
}

INSTANTIATE_TEST_SUITE_P(Table, TokenRefusalTest, testing::ValuesIn(kRefusals),
                         [](const auto& refusal) { return refusal.param.name; });

TEST(TokenEndpointTest, NamesItsVersionsWhenTheVersionIsMissingOrUnknown) {
  for (const char* version : {"", "api-version=1.0&", "api-version=2017-09-01&", "api-version=2018-2-1&"}) {
    const Reply reply = ask(token_request(version + std::string("resource=https%3A%2F%2Fa")));
    EXPECT_EQ(reply.status, 400U) << version;
    EXPECT_TRUE(
        text(reply, "error").starts_with("Bad request. api-version was not specified in the request"));
    EXPECT_TRUE(fields_of(reply).at("newest-versions").is_array());
  }
}

TEST(TokenEndpointTest, AllowsGetInARefusalOfAnotherMethod) {
  Request request = token_request();
  request.method = "PUT";
  const Reply reply = ask(request);
  ASSERT_EQ(reply.headers.size(), 1U);
  EXPECT_EQ(reply.headers[0].name + ": " + reply.headers[0].value, "Allow: GET");
}

TEST(QuestionTest, KeepsWhatItCanReadOfARefusedRequest) {
  Request request = token_request_for("client_id=11111111-2222-3333-4444-555555555555");
  request.headers.clear();
  const Question question = parse_question(request);
  EXPECT_TRUE(question.refusal);
  EXPECT_EQ(question.resource, "https://vault.azure.net");
  EXPECT_EQ(question.selector_kind, SelectorKind::client_id);
  EXPECT_EQ(question.selector, "11111111-2222-3333-4444-555555555555");
}

}  // namespace
}  // namespace msi2imds::emulator
