// SPDX-License-Identifier: MIT
#include "imds/imds_client.hpp"

#include <gmock/gmock.h>

#include <array>
#include <cstdio>

#include "imds/errors.hpp"
#include "unit/imds/scripted_imds.hpp"

namespace msi2imds::imds {
namespace {

using Then = Step::Then;
using token::Place;

class ImdsClientTest : public ImdsClientFixture {};

TEST_F(ImdsClientTest, AsksAsImdsWantsToBeAsked) {
  ASSERT_TRUE(fetch_through({.bytes = token_reply()}));
  ASSERT_EQ(server_.requests().size(), 1U);
  EXPECT_EQ(
      server_.requests()[0],
      "GET /metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fvault.azure.net "
      "HTTP/1.1\r\nHost: imds.test:80\r\nUser-Agent: msi2imds\r\nMetadata: true\r\n\r\n");
}

TEST_F(ImdsClientTest, ReturnsTheToken) {
  const auto response = fetch_through({.bytes = token_reply()});
  ASSERT_TRUE(response);
  EXPECT_EQ(std::get<0>(*response)->access_token, "secret.jwt");
}

TEST_F(ImdsClientTest, ReturnsARefusal) {
  const auto response =
      fetch_through({.bytes = with_body(R"({"error":"invalid_request"})", "", "400 Bad Request")});
  ASSERT_TRUE(response);
  EXPECT_EQ(std::get<token::Refusal>(*response).status, 400U);
}

TEST_F(ImdsClientTest, ReadsAChunkedReply) {
  const std::string whole = token_reply();
  const std::string body = whole.substr(whole.find("\r\n\r\n") + 4);
  std::array<char, 16> size{};
  (void)std::snprintf(size.data(), size.size(), "%zx", body.size());
  EXPECT_TRUE(fetch_through({.bytes = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                                      "Transfer-Encoding: chunked\r\n\r\n" +
                                      std::string(size.data()) + "\r\n" + body + "\r\n0\r\n\r\n"}));
}

TEST_F(ImdsClientTest, UsesAConnectionAgain) {
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(fetch_through({.bytes = token_reply()}));
  }
  EXPECT_EQ(server_.accepted(), 1U);
  EXPECT_EQ(connector_.opened, 1);
}

TEST_F(ImdsClientTest, UsesAConnectionAgainAfterARefusal) {
  EXPECT_TRUE(fetch_through({.bytes = with_body("{}", "", "400 Bad Request")}));
  EXPECT_TRUE(fetch_through({.bytes = token_reply()}));
  EXPECT_EQ(server_.accepted(), 1U);
}

TEST_F(ImdsClientTest, HonoursConnectionClose) {
  EXPECT_TRUE(fetch_through({.bytes = token_reply("Connection: close\r\n")}));
  EXPECT_TRUE(fetch_through({.bytes = token_reply()}));
  EXPECT_EQ(server_.accepted(), 2U);
}

TEST_F(ImdsClientTest, ReplacesAKeptConnectionThatWasClosedMeanwhile) {
  EXPECT_TRUE(fetch_through({.bytes = token_reply()}));
  server_.close_connections();
  EXPECT_TRUE(fetch_through({.bytes = token_reply()}));
  EXPECT_EQ(server_.accepted(), 2U);
  EXPECT_EQ(client_.health().failures, 0U);
}

TEST_F(ImdsClientTest, AsksAnewAtOnceWhenAKeptConnectionIsClosed) {
  EXPECT_TRUE(fetch_through({.bytes = token_reply()}));
  server_.add({.bytes = "", .then = Then::close});
  EXPECT_TRUE(fetch_through({.bytes = token_reply()}));
  EXPECT_EQ(server_.requests().size(), 3U);
  EXPECT_EQ(server_.accepted(), 2U);
  EXPECT_THAT(quota_->asked, testing::ElementsAre(Place::behind, Place::behind, Place::before));
  EXPECT_EQ(client_.health().requests, 3U);
  EXPECT_EQ(client_.health().failures, 0U);
}

TEST_F(ImdsClientTest, DropsAKeptConnectionThatIsOutOfStep) {
  EXPECT_TRUE(fetch_through({.bytes = token_reply() + "HTTP/1.1 200 OK\r\n\r\n"}));
  EXPECT_TRUE(fetch_through({.bytes = token_reply()}));
  EXPECT_EQ(server_.accepted(), 2U);
}

TEST_F(ImdsClientTest, AsksAnewAtOnceWhenAnAnswerOverAKeptConnectionBreaksOff) {
  EXPECT_TRUE(fetch_through({.bytes = token_reply()}));
  server_.add({.bytes = "HTTP/1.1 200 OK\r\n", .then = Then::close});
  EXPECT_TRUE(fetch_through({.bytes = token_reply()}));
  EXPECT_EQ(server_.requests().size(), 3U);
  EXPECT_EQ(server_.accepted(), 2U);
}

TEST_F(ImdsClientTest, AsksOnceOverANewConnection) {
  EXPECT_EQ(failure_through({.bytes = "", .then = Then::close}), Errc::connection_lost);
  EXPECT_EQ(server_.requests().size(), 1U);
  EXPECT_EQ(quota_->asked.size(), 1U);
}

TEST_F(ImdsClientTest, TakesNoMoreThanTheAnswerOfANewConnectionInstead) {
  EXPECT_TRUE(fetch_through({.bytes = token_reply()}));
  server_.add({.bytes = "", .then = Then::close});
  EXPECT_EQ(failure_through({.bytes = "", .then = Then::close}), Errc::connection_lost);
  EXPECT_EQ(server_.requests().size(), 3U);
}

TEST_F(ImdsClientTest, AsksNothingWithoutATurn) {
  quota_->is_anybody_waiting = false;
  const auto result = fetch();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().remedy, token::Remedy::come_back);
  EXPECT_EQ(server_.requests().size(), 0U);
}

TEST_F(ImdsClientTest, HoldsATurnUntilTheAnswerIsThere) {
  server_.add({.bytes = "", .then = Then::hang});
  support::Started<token::FetchResult> asking(io_, fetching());
  ASSERT_TRUE(support::run_until(io_, [this] { return server_.requests().size() == 1; }));
  EXPECT_EQ(quota_->taken, 1U);
  server_.send(token_reply());
  EXPECT_TRUE(asking.get());
  EXPECT_EQ(quota_->taken, 0U);
}

TEST_F(ImdsClientTest, ForgetsIdleConnectionsWithANewConfiguration) {
  EXPECT_TRUE(fetch_through({.bytes = token_reply()}));
  client_.configure({.host = "other.test"});
  EXPECT_TRUE(fetch_through({.bytes = token_reply()}));
  EXPECT_EQ(server_.accepted(), 2U);
  EXPECT_NE(server_.requests()[1].find("\r\nHost: other.test\r\n"), std::string::npos);
}

TEST_F(ImdsClientTest, KeepsNoConnectionThatWasOpenedBeforeANewConfiguration) {
  server_.on_request = [this] { client_.configure({.host = "other.test"}); };
  EXPECT_TRUE(fetch_through({.bytes = token_reply()}));
  server_.on_request = nullptr;
  EXPECT_TRUE(fetch_through({.bytes = token_reply()}));
  EXPECT_EQ(server_.accepted(), 2U);
}

TEST_F(ImdsClientTest, AsksOnSeveralConnectionsAtATime) {
  server_.add({.bytes = "", .then = Then::hang});
  const support::Started<token::FetchResult> first(io_, fetching({}));
  ASSERT_TRUE(support::run_until(io_, [this] { return server_.requests().size() == 1; }));
  EXPECT_TRUE(fetch_through({.bytes = token_reply()}));
  EXPECT_EQ(server_.accepted(), 2U);
  EXPECT_FALSE(first.is_done());
}

TEST_F(ImdsClientTest, CountsRequestsAndFailures) {
  EXPECT_TRUE(fetch_through({.bytes = token_reply()}));
  EXPECT_FALSE(fetch_through({.bytes = with_body("{}", "", "500 Internal Server Error")}));
  EXPECT_EQ(client_.health().requests, 2U);
  EXPECT_EQ(client_.health().failures, 1U);
  EXPECT_TRUE(client_.health().last_failed);
  EXPECT_NE(client_.health().last_failure.find("500"), std::string::npos);

  EXPECT_TRUE(fetch_through({.bytes = token_reply()}));
  EXPECT_FALSE(client_.health().last_failed);
  EXPECT_EQ(client_.health().by_status.at(500), 1U);
  EXPECT_EQ(client_.health().durations.count(), client_.health().requests);
  EXPECT_EQ(client_.health().failures, 1U);
}

}  // namespace
}  // namespace msi2imds::imds
