// SPDX-License-Identifier: MIT
#include "responder/recorder.hpp"

#include <chrono>
#include <string>

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
  // The value of a sample, -1 if it is not there.
  [[nodiscard]] double measured(const std::string& sample) {
    metrics::Snapshot now;
    sessions_.recorder().measure(now);
    const std::string text = "\n" + now.text();
    const std::size_t line = text.find("\n" + sample + " ");
    return line == std::string::npos ? -1 : std::stod(text.substr(line + sample.size() + 2));
  }
  [[nodiscard]] double requests(const std::string& outcome, const std::string& source) {
    return measured("msi2imds_requests_total{outcome=\"" + outcome + "\",source=\"" + source + "\"}");
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
  EXPECT_EQ(requests("token", "imds"), 1);
  EXPECT_EQ(requests("refused", "imds"), 2);
  EXPECT_EQ(requests("bad_request", "none"), 1);
  EXPECT_EQ(requests("denied", "none"), 0);
}

TEST_F(RecorderTest, TellsWhenSomebodyLastAsked) {
  EXPECT_EQ(measured("msi2imds_last_request_timestamp_seconds"), 0);
  const auto before = static_cast<double>(unix_seconds(std::chrono::system_clock::now()));
  (void)ask("resource=r");
  const auto after = static_cast<double>(unix_seconds(std::chrono::system_clock::now()));
  EXPECT_GE(measured("msi2imds_last_request_timestamp_seconds"), before);
  EXPECT_LE(measured("msi2imds_last_request_timestamp_seconds"), after);
}

// What the client calls itself is not kept, only which of a few it is.
TEST_F(RecorderTest, KeepsWhichLibraryARequestLooksLike) {
  auto client = connect();
  client.send(
      "GET /oauth2/token?resource=r HTTP/1.0\r\nMetadata: true\r\nUser-Agent: curl/7.88.1-of-mine\r\n\r\n");
  (void)client.read_to_end();
  const std::string table = sessions_.recorder().table().to_json();
  EXPECT_NE(table.find("\"libraries\":{\"curl\":1}"), std::string::npos) << table;
  EXPECT_EQ(table.find("of-mine"), std::string::npos) << table;
}

TEST_F(RecorderTest, KnowsWhatTheRulesRefused) {
  refuse_everybody(policy::Mode::enforce);
  EXPECT_TRUE(ask("resource=r").starts_with("HTTP/1.1 403 "));
  EXPECT_EQ(requests("denied", "none"), 1);
  EXPECT_EQ(requests("token", "imds"), 0);
  EXPECT_EQ(measured("msi2imds_policy_would_refuse_total"), 0);
}

TEST_F(RecorderTest, KnowsWhatTheRulesWouldHaveRefused) {
  refuse_everybody(policy::Mode::audit);
  tokens_.reply.origin = token::Origin::cache;
  EXPECT_TRUE(ask("resource=r").starts_with("HTTP/1.1 200 "));
  EXPECT_EQ(requests("token", "cache"), 1);
  EXPECT_EQ(measured("msi2imds_policy_would_refuse_total"), 1);
}

TEST_F(RecorderTest, NoOtherRequestsOfACallerHideItsTokenInTheAudit) {
  audit::Log& log = sessions_.recorder().audit_log();
  log.configure({.format = audit::Format::text, .max_rate = 1});
  testing::internal::CaptureStderr();
  for (int i = 0; i < 3; ++i) {
    (void)ask("nothing=asked");
  }
  tokens_.reply = token::TokenResponse(token::Refusal{.status = 400, .body = "{}"});
  for (int i = 0; i < 3; ++i) {
    (void)ask("resource=r");
  }
  tokens_.reply = token::TokenResponse(std::make_shared<const token::Token>());
  (void)ask("resource=r");
  settle();
  log::flush();
  const std::string lines = testing::internal::GetCapturedStderr();
  EXPECT_NE(lines.find("outcome=bad_request"), std::string::npos) << lines;
  EXPECT_NE(lines.find("outcome=refused"), std::string::npos) << lines;
  EXPECT_NE(lines.find("outcome=token"), std::string::npos) << lines;
  EXPECT_GT(log.counters().left_out, 0U);
}

TEST_F(RecorderTest, HasTheCallerInTheTable) {
  (void)ask("resource=r");
  (void)ask("resource=r");
  EXPECT_EQ(measured("msi2imds_callers"), 1);
}

}  // namespace
}  // namespace msi2imds::responder
