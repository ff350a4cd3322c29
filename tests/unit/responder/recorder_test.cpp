// SPDX-License-Identifier: MIT
#include "responder/recorder.hpp"

#include <chrono>

#include "base/clock.hpp"
#include "unit/responder/service_fixture.hpp"

namespace msi2imds::responder {
namespace {

// What is left of requests once they are answered, as the numbers tell it.
class RecorderTest : public ServiceFixture {
 protected:
  // Its connection ends after it was recorded.
  std::string ask(std::string_view parameters) {
    auto client = connect();
    client.send("GET /oauth2/token?" + std::string(parameters) + " HTTP/1.0\r\nMetadata: true\r\n\r\n");
    return client.read_to_end();
  }
  [[nodiscard]] metrics::Snapshot measured() {
    metrics::Snapshot now;
    sessions_.recorder().measure(now);
    return now;
  }
  void refuse_everybody(policy::Mode mode) {
    policy::Rule rule;
    rule.origin = "f:1";
    rule.conditions.resources = {"another"};
    settings_.policy = policy::Policy(mode, policy::Default::deny, {rule});
  }
};

TEST_F(RecorderTest, CountsWhatBecameOfEachRequest) {
  tokens_.reply.origin = token::Origin::imds;
  (void)ask("resource=r");
  tokens_.reply = token::TokenResponse(token::Refusal{.status = 400, .body = "{}"});
  tokens_.reply.origin = token::Origin::imds;
  (void)ask("resource=r");
  (void)ask("resource=r");
  (void)ask("nothing=asked");
  auto requests = measured().requests;
  EXPECT_EQ((requests[{"token", "imds"}]), 1U);
  EXPECT_EQ((requests[{"refused", "imds"}]), 2U);
  EXPECT_EQ((requests[{"bad_request", "none"}]), 1U);
  EXPECT_EQ((requests[{"denied", "none"}]), 0U);
}

TEST_F(RecorderTest, TellsWhenSomebodyLastAsked) {
  EXPECT_EQ(measured().last_request, 0);
  const auto before = static_cast<double>(unix_seconds(std::chrono::system_clock::now()));
  (void)ask("resource=r");
  const auto after = static_cast<double>(unix_seconds(std::chrono::system_clock::now()));
  EXPECT_GE(measured().last_request, before);
  EXPECT_LE(measured().last_request, after);
}

TEST_F(RecorderTest, KnowsWhatTheRulesRefused) {
  refuse_everybody(policy::Mode::enforce);
  EXPECT_TRUE(ask("resource=r").starts_with("HTTP/1.1 403 "));
  EXPECT_EQ((measured().requests[{"denied", "none"}]), 1U);
  EXPECT_EQ((measured().requests[{"token", "none"}]), 0U);
  EXPECT_EQ(measured().would_be_refused, 0U);
}

TEST_F(RecorderTest, KnowsWhatTheRulesWouldHaveRefused) {
  refuse_everybody(policy::Mode::audit);
  tokens_.reply.origin = token::Origin::cache;
  EXPECT_TRUE(ask("resource=r").starts_with("HTTP/1.1 200 "));
  EXPECT_EQ((measured().requests[{"token", "cache"}]), 1U);
  EXPECT_EQ(measured().would_be_refused, 1U);
}

TEST_F(RecorderTest, HasTheCallerInTheTable) {
  (void)ask("resource=r");
  (void)ask("resource=r");
  EXPECT_EQ(measured().callers, 1U);
}

}  // namespace
}  // namespace msi2imds::responder
