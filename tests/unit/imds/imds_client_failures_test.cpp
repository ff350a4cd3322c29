// SPDX-License-Identifier: MIT
#include <cerrno>

#include "http/errors.hpp"
#include "imds/errors.hpp"
#include "imds/imds_client.hpp"
#include "unit/imds/scripted_imds.hpp"

namespace msi2imds::imds {
namespace {

using Then = Step::Then;

class ImdsClientFailuresTest : public ImdsClientFixture {};

TEST_F(ImdsClientFailuresTest, SaysThatTheConnectionIsRefused) {
  server_.stop_listening();
  const auto response = fetch();
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().error.code(), Errc::cannot_connect);
  EXPECT_EQ(response.error().error.message(), "connect to IMDS: Connection refused: IMDS cannot be reached");
  EXPECT_EQ(response.error().remedy, token::Remedy::retry_later);
}

TEST_F(ImdsClientFailuresTest, SaysWhyThereIsNoSocket) {
  connector_.failure = Error::from_errno(ENETUNREACH, "reach 169.254.169.254");
  const auto response = fetch();
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().error.code(), Errc::cannot_connect);
  EXPECT_NE(response.error().error.message().find("reach 169.254.169.254: Network is unreachable"),
            std::string::npos);
  EXPECT_EQ(response.error().remedy, token::Remedy::retry_soon);
}

TEST_F(ImdsClientFailuresTest, ConnectsAnewForEachRequestAfterAFailure) {
  server_.stop_listening();
  EXPECT_FALSE(fetch());
  EXPECT_FALSE(fetch());
  EXPECT_EQ(connector_.opened, 2);
}

TEST_F(ImdsClientFailuresTest, GivesUpOnAnAnswerThatDoesNotCome) {
  client_.configure({.host = "imds.test", .request_timeout = std::chrono::seconds(1)});
  EXPECT_EQ(failure_through({.bytes = "", .then = Then::hang}), Errc::timed_out);
}

TEST_F(ImdsClientFailuresTest, TakesBackARequestWhoseTimeIsUp) {
  client_.configure({.host = "imds.test", .request_timeout = std::chrono::seconds(1)});
  (void)fetch_through({.bytes = "", .then = Then::hang});
  EXPECT_EQ(server_.error_of_latest(), ECONNRESET);
  EXPECT_EQ(quota_->taken, 0U);
}

TEST_F(ImdsClientFailuresTest, UsesNoConnectionAgainWhoseAnswerDidNotCome) {
  client_.configure({.host = "imds.test", .request_timeout = std::chrono::seconds(1)});
  EXPECT_EQ(failure_through({.bytes = "HTTP/1.1 200 OK\r\n", .then = Then::hang}), Errc::timed_out);
  EXPECT_TRUE(fetch_through({.bytes = token_reply()}));
  EXPECT_EQ(server_.accepted(), 2U);
}

TEST_F(ImdsClientFailuresTest, SaysThatTheAnswerNeverBegan) {
  EXPECT_EQ(failure_through({.bytes = "", .then = Then::close}), Errc::connection_lost);
  EXPECT_EQ(server_.requests().size(), 1U);
}

TEST_F(ImdsClientFailuresTest, SaysThatTheHeadIsTruncated) {
  EXPECT_EQ(failure_through({.bytes = "HTTP/1.1 200 OK\r\nContent-Ty", .then = Then::close}),
            Errc::connection_lost);
}

TEST_F(ImdsClientFailuresTest, SaysThatTheBodyIsTruncated) {
  const std::string reply = token_reply();
  EXPECT_EQ(failure_through({.bytes = reply.substr(0, reply.size() - 1), .then = Then::close}),
            Errc::connection_lost);
}

TEST_F(ImdsClientFailuresTest, SaysThatTheLastChunkIsMissing) {
  EXPECT_EQ(failure_through({.bytes = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
                             .then = Then::close}),
            Errc::connection_lost);
}

TEST_F(ImdsClientFailuresTest, RefusesAnAnswerThatSaysItIsTooLarge) {
  EXPECT_EQ(failure_through({.bytes = "HTTP/1.1 200 OK\r\nContent-Length: 1048577\r\n\r\n"}),
            Errc::too_large);
}

TEST_F(ImdsClientFailuresTest, RefusesAnAnswerThatGrowsTooLarge) {
  EXPECT_EQ(failure_through({.bytes = "HTTP/1.1 200 OK\r\n\r\n" + std::string(kMaxReply + 1, 'x')}),
            Errc::too_large);
}

TEST_F(ImdsClientFailuresTest, RefusesAHeadThatIsTooLarge) {
  EXPECT_EQ(failure_through({.bytes = "HTTP/1.1 200 OK\r\nA: " + std::string(size_t{32} * 1024, 'x')}),
            Errc::too_large);
}

TEST_F(ImdsClientFailuresTest, RefusesWhatIsNotHttp) {
  EXPECT_EQ(failure_through({.bytes = "SSH-2.0-OpenSSH_9.2\r\n\r\n", .then = Then::close}),
            http::Errc::not_http);
}

TEST_F(ImdsClientFailuresTest, RefusesAnotherContentType) {
  EXPECT_EQ(
      failure_through({.bytes = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n"
                                "<html>"}),
      Errc::not_json);
}

TEST_F(ImdsClientFailuresTest, RefusesATokenThatMissesAField) {
  EXPECT_EQ(failure_through({.bytes = with_body(R"({"access_token":"secret.jwt"})")}), Errc::bad_token);
}

TEST_F(ImdsClientFailuresTest, ServesTheNextRequestAfterEachFailure) {
  for (const char* bytes : {"", "HTTP/1.1 200", "nonsense\r\n\r\n"}) {
    EXPECT_FALSE(fetch_through({.bytes = bytes, .then = Then::close}));
    EXPECT_TRUE(fetch_through({.bytes = token_reply("Connection: close\r\n"), .then = Then::close}));
  }
}

}  // namespace
}  // namespace msi2imds::imds
