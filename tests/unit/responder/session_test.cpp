// SPDX-License-Identifier: MIT
#include "responder/session.hpp"

#include "unit/responder/service_fixture.hpp"

namespace msi2imds::responder {
namespace {

class SessionTest : public ServiceFixture {
 protected:
  void TearDown() override {
    if (capturing_) {
      (void)testing::internal::GetCapturedStderr();
    }
    ServiceFixture::TearDown();
  }

  void capture_log() {
    testing::internal::CaptureStderr();
    capturing_ = true;
  }
  std::string captured_log() {
    capturing_ = false;
    return testing::internal::GetCapturedStderr();
  }

 private:
  bool capturing_ = false;
};

TEST_F(SessionTest, AsksTheSourceForWhatTheClientWants) {
  EXPECT_TRUE(connect()
                  .ask("POST /oauth2/token HTTP/1.1\r\nHost: localhost\r\nMetadata: true\r\n"
                       "Content-Length: 24\r\n\r\nresource=https%3A%2F%2Fa")
                  .starts_with("HTTP/1.1 200 "));
  ASSERT_EQ(tokens_.requests.size(), 1U);
  EXPECT_EQ(tokens_.requests[0].resource, "https://a");
}

TEST_F(SessionTest, TellsWhenATokenEndsAsTheSourceSays) {
  tokens_.reply.expires_on = 4'000'000'000;  // IMDS says something else
  const std::string answer = connect().ask(kRequest);
  EXPECT_NE(answer.find(R"("expires_on":"4000000000")"), std::string::npos) << answer;
}

TEST_F(SessionTest, AnswersOneRequestAfterTheOther) {
  auto client = connect();
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(client.ask(kRequest).starts_with("HTTP/1.1 200 "));
  }
  EXPECT_EQ(sessions_.accepted(), 1U);
}

TEST_F(SessionTest, AnswersPipelinedRequestsInOrder) {
  auto client = connect();
  client.send(std::string(kRequest) + "GET /else HTTP/1.1\r\nHost: localhost\r\nMetadata: true\r\n\r\n" +
              std::string(kRequest));
  EXPECT_TRUE(client.read_answer().starts_with("HTTP/1.1 200 "));
  EXPECT_TRUE(client.read_answer().starts_with("HTTP/1.1 401 "));
  EXPECT_TRUE(client.read_answer().starts_with("HTTP/1.1 200 "));
}

TEST_F(SessionTest, ClosesWhenTheClientAskedForIt) {
  auto client = connect();
  client.send("GET /oauth2/token?resource=r HTTP/1.0\r\nMetadata: true\r\n\r\n");
  EXPECT_TRUE(client.read_to_end().starts_with("HTTP/1.1 200 "));
}

TEST_F(SessionTest, ReportsAnUpstreamFailureInTheShapeOfTheExtension) {
  tokens_.reply = token::Failure{.error = Error::from_errno(ECONNREFUSED, "connect to IMDS"),
                                 .remedy = token::Remedy::retry_later,
                                 .retry_after = {}};
  const std::string answer = connect().ask(kRequest);
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 500 Internal Server Error\r\n")) << answer;
  EXPECT_NE(answer.find(R"({"error":"unknown","error_description":"Failed to retrieve token from)"),
            std::string::npos)
      << answer;
}

TEST_F(SessionTest, LogsAnUpstreamFailureWithTheClientsAddress) {
  tokens_.reply = token::Failure{.error = Error::from_errno(ECONNREFUSED, "connect to IMDS"),
                                 .remedy = token::Remedy::retry_later,
                                 .retry_after = {}};
  auto client = connect();
  capture_log();
  (void)client.ask(kRequest);
  EXPECT_NE(captured_log().find("cannot get a token for " + client.address().to_string() +
                                ", which asked for 'r': connect to IMDS: Connection refused\n"),
            std::string::npos);
}

TEST_F(SessionTest, PassesARefusalOn) {
  tokens_.reply = token::TokenResponse(
      token::Refusal{.status = 400, .body = R"({"error":"invalid_request","error_description":"no"})"});
  auto client = connect();
  const std::string answer = client.ask(kRequest);
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 400 Bad Request\r\n")) << answer;
  EXPECT_TRUE(answer.ends_with(R"({"error":"invalid_request","error_description":"no"})")) << answer;
  EXPECT_TRUE(client.ask(kRequest).starts_with("HTTP/1.1 400 ")) << "the connection goes on";
}

TEST_F(SessionTest, AsksNobodyForARequestThatTheGuardsRefuse) {
  const std::string answer =
      connect().ask("GET /oauth2/token?resource=r HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 400 ")) << answer;
  EXPECT_NE(answer.find("bad_request_102"), std::string::npos) << answer;
  EXPECT_TRUE(tokens_.requests.empty());
}

TEST_F(SessionTest, AsksForTheDefaultIdentityOfWhoNamesNone) {
  const token::IdentitySelector identity{.kind = token::SelectorKind::client_id, .value = "default"};
  settings_.identities = policy::IdentityChoice({}, identity);
  auto client = connect();
  (void)client.ask(kRequest);
  (void)client.ask(
      "GET /oauth2/token?resource=r&object_id=own HTTP/1.1\r\nHost: localhost\r\nMetadata: true\r\n\r\n");
  ASSERT_EQ(tokens_.requests.size(), 2U);
  EXPECT_EQ(tokens_.requests[0].identity, identity);
  EXPECT_EQ(tokens_.requests[1].identity.value, "own");
}

TEST_F(SessionTest, LetsTheRulesSeeTheIdentityThatWasChosen) {
  settings_.identities =
      policy::IdentityChoice({}, {.kind = token::SelectorKind::client_id, .value = "default"});
  policy::Rule rule;
  rule.origin = "f:1";
  rule.conditions.identities = {"none"};
  settings_.policy = policy::Policy(policy::Mode::enforce, policy::Default::deny, {rule});
  EXPECT_TRUE(connect().ask(kRequest).starts_with("HTTP/1.1 403 "));
  rule.conditions.identities = {"DEF*"};
  settings_.policy = policy::Policy(policy::Mode::enforce, policy::Default::deny, {rule});
  EXPECT_TRUE(connect().ask(kRequest).starts_with("HTTP/1.1 200 "));
}

TEST_F(SessionTest, GivesNoTokenWhereARuleOfIdentitiesCannotBeDecided) {
  policy::IdentityRule rule;
  rule.origin = "f:1";
  rule.conditions.units = {"a.service"};
  rule.identity = {.kind = token::SelectorKind::client_id, .value = "special"};
  settings_.identities =
      policy::IdentityChoice({rule}, {.kind = token::SelectorKind::client_id, .value = "default"});
  auto client = connect();
  const std::string answer = client.ask(kRequest);
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 500 ")) << answer;
  EXPECT_TRUE(tokens_.requests.empty());
  EXPECT_TRUE(client
                  .ask("GET /oauth2/token?resource=r&object_id=own HTTP/1.1\r\nHost: localhost\r\n"
                       "Metadata: true\r\n\r\n")
                  .starts_with("HTTP/1.1 200 "))
      << "who names an identity needs no rule";
}

// Neither as who is unknown, whom a rule refuses for good, nor with a token.
TEST_F(SessionTest, AnswersWhoseCallerIsNotWaitedForAnyMoreAsWhenImdsFails) {
  policy::Rule rule;
  rule.origin = "f:1";
  rule.conditions.units = {"a.service"};
  settings_.policy = policy::Policy(policy::Mode::enforce, policy::Default::deny, {rule});
  int questions = 0;
  sessions_.callers().ask_with([&](const control::Message& /*question*/) {
    ++questions;
    return Result<void>();
  });
  auto client = connect();
  client.send(kRequest);
  EXPECT_TRUE(support::run_until(io_, [&] { return questions > 0; }));
  settle();
  sessions_.stop_waiting();
  const std::string answer = client.read_to_end();
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 500 ")) << answer;
  EXPECT_TRUE(tokens_.requests.empty());
}

TEST_F(SessionTest, AnswersBytesThatAreNoRequestAndCloses) {
  auto client = connect();
  client.send("nonsense\r\n\r\n");
  const std::string answer = client.read_to_end();
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 400 ")) << answer;
  EXPECT_NE(answer.find("\r\nConnection: close\r\n"), std::string::npos) << answer;
}

TEST_F(SessionTest, DeliversTheAnswerToAClientThatGoesOnSending) {
  auto client = connect();
  client.send("POST /oauth2/token HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n" +
              std::string(50000, 'x'));
  EXPECT_TRUE(client.read_answer().starts_with("HTTP/1.1 413 "));
}

TEST_F(SessionTest, LogsAnExceptionAndServesTheOthers) {
  tokens_.broken = true;
  auto unlucky = connect();
  capture_log();
  unlucky.send(kRequest);
  EXPECT_EQ(unlucky.read_to_end(), "");
  EXPECT_NE(captured_log().find("serve a connection: a bug in a token source"), std::string::npos);

  tokens_.broken = false;
  EXPECT_TRUE(connect().ask(kRequest).starts_with("HTTP/1.1 200 "));
}

TEST_F(SessionTest, IsForgottenOnceTheClientIsGone) {
  auto client = connect();
  (void)client.ask(kRequest);
  EXPECT_EQ(sessions_.count(), 1U);
  EXPECT_TRUE(sessions_.contains(client.address()));
  const SocketAddress address = client.address();
  client.close();
  EXPECT_TRUE(support::run_until(io_, [this] { return sessions_.count() == 0; }));
  EXPECT_FALSE(sessions_.contains(address));
  EXPECT_EQ(sessions_.accepted(), 1U);
}

TEST_F(SessionTest, SurvivesAClientThatLeavesBeforeItsAnswer) {
  tokens_.held = true;
  auto client = connect();
  client.send(kRequest);
  wait_for_requests(1);
  client.close();
  tokens_.let_go();
  EXPECT_TRUE(support::run_until(io_, [this] { return sessions_.count() == 0; }));
}

TEST_F(SessionTest, DrainsWithTheAnswerThatIsDueAndClosesWhatIsIdle) {
  auto idle = connect();
  (void)idle.ask(kRequest);
  tokens_.held = true;
  auto busy = connect();
  busy.send(kRequest);
  wait_for_requests(2);

  sessions_.close_when_idle();
  support::Started<void> emptying(io_, sessions_.wait_until_empty());
  EXPECT_EQ(idle.read_to_end(), "");
  EXPECT_FALSE(emptying.is_done());
  tokens_.let_go();
  const std::string answer = busy.read_to_end();
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 ")) << answer;
  EXPECT_NE(answer.find("\r\nConnection: close\r\n"), std::string::npos) << answer;
  EXPECT_TRUE(emptying.get());
}

}  // namespace
}  // namespace msi2imds::responder
