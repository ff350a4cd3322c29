// SPDX-License-Identifier: MIT
#include "unit/http/connection_fixture.hpp"

namespace msi2imds::http {
namespace {

class ConnectionWriteTest : public ConnectionFixture {
 protected:
  std::string answer_to(std::string_view request, const Response& response) {
    EXPECT_TRUE(read(request));
    EXPECT_TRUE(write(response));
    return received();
  }
  static Response response_with(unsigned status, std::string body = {}) {
    Response response;
    response.status = status;
    response.body = std::move(body);
    return response;
  }
};

TEST_F(ConnectionWriteTest, WritesAnAnswerThatKeepsTheConnection) {
  EXPECT_EQ(answer_to("GET / HTTP/1.1\r\n\r\n", response_with(200, R"({"a":"b"})")),
            "HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: 9\r\n"
            "Cache-Control: no-store\r\n\r\n{\"a\":\"b\"}");
  EXPECT_FALSE(connection_->is_last());
}

TEST_F(ConnectionWriteTest, SaysToHttp10ThatTheConnectionGoesOn) {
  const std::string answer = answer_to("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", {});
  EXPECT_NE(answer.find("\r\nConnection: keep-alive\r\n"), std::string::npos) << answer;
}

TEST_F(ConnectionWriteTest, SaysThatTheConnectionEndsAsTheClientAsked) {
  const std::string answer = answer_to("GET / HTTP/1.1\r\nConnection: close\r\n\r\n", {});
  EXPECT_NE(answer.find("\r\nConnection: close\r\n"), std::string::npos) << answer;
  EXPECT_TRUE(connection_->is_last());
}

TEST_F(ConnectionWriteTest, EndsTheConnectionWhenTheAnswerSaysSo) {
  Response response = response_with(400);
  response.close = true;
  const std::string answer = answer_to("GET / HTTP/1.1\r\n\r\n", response);
  EXPECT_NE(answer.find("\r\nConnection: close\r\n"), std::string::npos) << answer;
  EXPECT_TRUE(connection_->is_last());
}

// A client reads no body there, and would take one for the next answer (RFC 9110, section 9.3.2).
TEST_F(ConnectionWriteTest, WritesNoBodyForHead) {
  const std::string answer = answer_to("HEAD / HTTP/1.1\r\n\r\n", response_with(405, "no"));
  EXPECT_NE(answer.find("\r\nContent-Length: 2\r\n"), std::string::npos) << answer;
  EXPECT_TRUE(answer.ends_with("\r\n\r\n")) << answer;
}

TEST_F(ConnectionWriteTest, AddsTheAnswersOwnHeaders) {
  Response response = response_with(405);
  response.headers = {{.name = "Allow", .value = "GET, POST"}};
  const std::string answer = answer_to("PUT / HTTP/1.1\r\n\r\n", response);
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 405 Method Not Allowed\r\n")) << answer;
  EXPECT_NE(answer.find("\r\nAllow: GET, POST\r\n"), std::string::npos) << answer;
}

// azure-cli keys on the reason.
TEST_F(ConnectionWriteTest, WritesTheStandardReason) {
  const std::string answer = answer_to("GET / HTTP/1.1\r\n\r\n", response_with(400));
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 400 Bad Request\r\n")) << answer;
}

TEST_F(ConnectionWriteTest, ClosesAfterTheAnswerToABadRequest) {
  EXPECT_EQ(status_of("nonsense\r\n\r\n"), 400U);
  ASSERT_TRUE(write(response_with(400)));
  EXPECT_NE(received().find("\r\nConnection: close\r\n"), std::string::npos);
}

TEST_F(ConnectionWriteTest, NoticesThatTheClientIsGone) {
  ASSERT_TRUE(read("GET / HTTP/1.1\r\n\r\n"));
  client_.reset();
  EXPECT_FALSE(write({}));
}

TEST_F(ConnectionWriteTest, GivesUpOnAClientThatDoesNotRead) {
  limits_.request_time = std::chrono::seconds(0);
  ASSERT_TRUE(read("GET / HTTP/1.1\r\n\r\n"));
  const Response response = response_with(200, std::string(size_t{8} * 1024 * 1024, 'x'));
  EXPECT_FALSE(write(response));
}

TEST_F(ConnectionWriteTest, FinishReadsOnUntilTheClientIsDone) {
  EXPECT_EQ(status_of("nonsense\r\n\r\n"), 400U);
  support::Started<void> finishing(io_, connection_->finish());
  send(std::string(10000, 'x'));
  EXPECT_FALSE(finishing.is_done());
  client_.reset();
  EXPECT_TRUE(finishing.get());
}

TEST_F(ConnectionWriteTest, FinishEndsWithAClientThatNeverStops) {
  limits_.header_bytes = 16;
  limits_.body_bytes = 16;
  EXPECT_EQ(status_of("nonsense\r\n\r\n"), 400U);
  send(std::string(100, 'x'));
  EXPECT_TRUE(support::run(io_, connection_->finish()));
}

}  // namespace
}  // namespace msi2imds::http
