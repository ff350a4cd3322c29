// SPDX-License-Identifier: MIT
#include "imds/reply.hpp"

#include <gtest/gtest.h>

#include "imds/errors.hpp"
#include "unit/imds/code_of.hpp"

namespace msi2imds::imds {
namespace {

const std::string kJson = "application/json; charset=utf-8";

// A good token, but for one field; an empty value leaves the field out. Values are JSON, with their quotes.
std::string token_with(const std::string& name, const std::string& value) {
  std::string body = "{";
  for (const auto& [field, usual] :
       {std::pair("access_token", R"("secret.jwt")"), std::pair("client_id", R"("c-1")"),
        std::pair("expires_in", R"("86399")"), std::pair("expires_on", R"("1700086400")"),
        std::pair("ext_expires_in", R"("86399")"), std::pair("not_before", R"("1700000000")"),
        std::pair("resource", R"("https://vault.azure.net")"), std::pair("token_type", R"("Bearer")")}) {
    const std::string& chosen = field == name ? value : usual;
    if (!chosen.empty()) {
      body += std::string(body.size() > 1 ? "," : "") + '"' + field + "\":" + chosen;
    }
  }
  return body + "}";
}

token::FetchResult interpret_200(const std::string& body, const std::string& type = kJson) {
  return interpret({.status = 200, .content_type = type, .body = body});
}

std::shared_ptr<const token::Token> token_of(const token::FetchResult& response) {
  const bool is_token = response && std::holds_alternative<std::shared_ptr<const token::Token>>(*response);
  return is_token ? std::get<std::shared_ptr<const token::Token>>(*response) : nullptr;
}

TEST(InterpretTest, ReadsAToken) {
  const auto token = token_of(interpret_200(token_with("", "")));
  ASSERT_NE(token, nullptr);
  EXPECT_EQ(token->access_token, "secret.jwt");
  EXPECT_EQ(token->token_type, "Bearer");
  EXPECT_EQ(token->resource, "https://vault.azure.net");
  EXPECT_EQ(token->client_id, "c-1");
  EXPECT_EQ(token->not_before, 1700000000);
  EXPECT_EQ(token->expires_on, 1700086400);
  EXPECT_EQ(token->expires_in, 86399);
}

TEST(InterpretTest, TellsWhetherATokenIsPlain) {
  EXPECT_TRUE(token_of(interpret_200(token_with("", "")))->is_plain);
  for (const char* text : {R"("a<b")", R"("a\"b")", R"("a\\b")", R"("\u00e4")"}) {
    EXPECT_FALSE(token_of(interpret_200(token_with("access_token", text)))->is_plain) << text;
  }
}

TEST(InterpretTest, TakesJsonInAnyCaseAndWithAnyCharset) {
  for (const char* type : {"application/json", "Application/JSON;charset=UTF-8", "application/json ; x=y"}) {
    EXPECT_NE(token_of(interpret_200(token_with("", ""), type)), nullptr) << type;
  }
}

TEST(InterpretTest, RefusesAnotherContentType) {
  for (const char* type : {"", "text/html", "text/json", "application/jso", "application/jsonp"}) {
    EXPECT_EQ(code_of(interpret_200(token_with("", ""), type)), Errc::not_json) << type;
  }
}

TEST(InterpretTest, RefusesABodyThatIsNoWholeObject) {
  const std::string good = token_with("", "");
  for (const std::string& body :
       {std::string(), std::string("<html>"), std::string("[]"), std::string("\"x\""), std::string("null"),
        good.substr(0, good.size() - 1), good + "x"}) {
    EXPECT_EQ(code_of(interpret_200(body)), Errc::not_json) << body;
  }
}

TEST(InterpretTest, RefusesAnObjectThatIsNestedWithoutEnd) {
  std::string body = R"({"a":)";
  body.append(100000, '[');
  EXPECT_EQ(code_of(interpret_200(body)), Errc::not_json);
}

TEST(InterpretTest, RefusesATokenThatMissesAField) {
  for (const char* field : {"access_token", "token_type", "resource", "expires_on"}) {
    const auto response = interpret_200(token_with(field, ""));
    EXPECT_EQ(code_of(response), Errc::bad_token) << field;
    EXPECT_NE(response.error().error.message().find(field), std::string::npos)
        << response.error().error.message();
  }
}

TEST(InterpretTest, RefusesAnEmptyField) {
  for (const char* field :
       {"access_token", "token_type", "resource", "expires_on", "expires_in", "not_before"}) {
    EXPECT_EQ(code_of(interpret_200(token_with(field, R"("")"))), Errc::bad_token) << field;
  }
}

TEST(InterpretTest, RefusesAFieldOfAnotherType) {
  for (const char* field :
       {"access_token", "token_type", "resource", "expires_on", "expires_in", "not_before"}) {
    for (const char* value : {"1700086400", "null", "true", "{}", "[\"x\"]"}) {
      EXPECT_EQ(code_of(interpret_200(token_with(field, value))), Errc::bad_token) << field << value;
    }
  }
}

TEST(InterpretTest, RefusesATimeThatIsNone) {
  for (const char* time : {"x", "-1", "+1", " 1", "1 ", "1.0", "1e9", "0x10", "99999999999999999999",
                           "253402300800", "2023-11-14T22:13:20Z"}) {
    const std::string value = '"' + std::string(time) + '"';
    EXPECT_EQ(code_of(interpret_200(token_with("expires_on", value))), Errc::bad_token) << time;
    EXPECT_EQ(code_of(interpret_200(token_with("not_before", value))), Errc::bad_token) << time;
    EXPECT_EQ(code_of(interpret_200(token_with("expires_in", value))), Errc::bad_token) << time;
  }
}

TEST(InterpretTest, DoesWithoutWhatClientsCanMiss) {
  const auto without_start = token_of(interpret_200(token_with("not_before", "")));
  ASSERT_NE(without_start, nullptr);
  EXPECT_EQ(without_start->not_before, 0);
  const auto without_client = token_of(interpret_200(token_with("client_id", "")));
  ASSERT_NE(without_client, nullptr);
  EXPECT_EQ(without_client->client_id, "");
  const auto without_rest = token_of(interpret_200(token_with("expires_in", "")));
  ASSERT_NE(without_rest, nullptr);
  EXPECT_EQ(without_rest->expires_in, std::nullopt);
}

TEST(InterpretTest, PutsNoPartOfABodyIntoAnError) {
  for (const std::string& body :
       {token_with("expires_on", R"("secret.jwt")"), token_with("token_type", ""), token_with("", "") + "x",
        token_with("access_token", R"(["secret.jwt"])"), std::string("secret.jwt")}) {
    const auto response = interpret_200(body);
    ASSERT_FALSE(response) << body;
    EXPECT_EQ(response.error().error.message().find("secret"), std::string::npos)
        << response.error().error.message();
  }
  const auto unavailable = interpret({.status = 500, .content_type = "secret", .body = "secret"});
  EXPECT_EQ(unavailable.error().error.message().find("secret"), std::string::npos);
}

TEST(InterpretTest, PassesFinalRefusalsOnAsTheyAre) {
  for (const unsigned status : {400U, 401U, 403U, 405U}) {
    const auto response =
        interpret({.status = status, .content_type = "text/html", .body = R"({"error":"invalid_request"})"});
    ASSERT_TRUE(response) << status;
    const auto* refusal = std::get_if<token::Refusal>(&*response);
    ASSERT_NE(refusal, nullptr);
    EXPECT_EQ(refusal->status, status);
    EXPECT_EQ(refusal->body, R"({"error":"invalid_request"})");
  }
}

TEST(InterpretTest, TellsTransientFailuresFromUnknownOnes) {
  for (const unsigned status : {404U, 408U, 410U, 429U, 500U, 502U, 503U, 504U, 599U}) {
    EXPECT_EQ(code_of(interpret({.status = status, .content_type = kJson, .body = token_with("", "")})),
              Errc::unavailable)
        << status;
  }
  for (const unsigned status : {201U, 204U, 206U, 301U, 302U, 304U, 402U, 418U}) {
    EXPECT_EQ(code_of(interpret({.status = status, .content_type = kJson, .body = token_with("", "")})),
              Errc::unexpected_status)
        << status;
  }
}

TEST(InterpretTest, HasThePatienceOfAnUpdateWithWhatMayWorkLater) {
  for (const unsigned status : {404U, 408U, 410U, 429U, 500U}) {
    EXPECT_EQ(interpret({.status = status, .content_type = {}, .body = {}}).error().remedy,
              token::Remedy::retry_later)
        << status;
  }
}

TEST(InterpretTest, NamesTheStatus) {
  EXPECT_EQ(interpret({.status = 429, .content_type = {}, .body = {}}).error().error.message(),
            "ask IMDS, which answered 429: IMDS is not available at the moment");
}

}  // namespace
}  // namespace msi2imds::imds
