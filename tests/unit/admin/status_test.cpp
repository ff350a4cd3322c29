// SPDX-License-Identifier: MIT
#include "admin/status.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace msi2imds::admin {
namespace {

Status full_status() {
  Status status;
  status.version = "0.1.0";
  status.backend = "sk_lookup";
  status.redirecting = true;
  status.redirect_failure = "a \"quoted\"\nfailure";
  status.covers_ipv6 = false;
  status.remarks = {"one", "another"};
  status.shortcomings = {"audit"};
  status.cgroups = {"/old.service"};
  status.legacy_ports = {50342, 65535};
  status.requests = {{50342, 9}, {65535, 1}};
  status.responder_pid = 4711;
  status.uptime_seconds = std::numeric_limits<std::int64_t>::max();
  status.connections = 3;
  status.accepted = std::numeric_limits<std::uint64_t>::max();
  status.policy_mode = "enforce";
  status.policy_default = "deny";
  status.policy_rules = 3;
  status.default_identity = "client_id a";
  status.identity_rules = 2;
  status.imds_endpoint = "http://169.254.169.254";
  status.imds_requests = 7;
  status.imds_failures = 2;
  status.imds_last_failure = "IMDS cannot be reached";
  status.direct_imds = {.state = "not_closed", .closed_by = "bpf", .failure = "no such cgroup"};
  return status;
}

TEST(StatusTest, SurvivesTheWayThroughJson) {
  const Status sent = full_status();
  const auto status = parse_status(to_json(sent));
  ASSERT_TRUE(status);
  EXPECT_EQ(status->version, sent.version);
  EXPECT_EQ(status->backend, sent.backend);
  EXPECT_EQ(status->redirecting, sent.redirecting);
  EXPECT_EQ(status->redirect_failure, sent.redirect_failure);
  EXPECT_EQ(status->covers_ipv6, sent.covers_ipv6);
  EXPECT_EQ(status->remarks, sent.remarks);
  EXPECT_EQ(status->shortcomings, sent.shortcomings);
  EXPECT_EQ(status->cgroups, sent.cgroups);
  EXPECT_EQ(status->requests, sent.requests);
  EXPECT_EQ(status->legacy_ports, sent.legacy_ports);
  EXPECT_EQ(status->responder_pid, sent.responder_pid);
  EXPECT_EQ(status->uptime_seconds, sent.uptime_seconds);
  EXPECT_EQ(status->connections, sent.connections);
  EXPECT_EQ(status->accepted, sent.accepted);
  EXPECT_EQ(status->policy_mode, sent.policy_mode);
  EXPECT_EQ(status->policy_default, sent.policy_default);
  EXPECT_EQ(status->policy_rules, sent.policy_rules);
  EXPECT_EQ(status->default_identity, sent.default_identity);
  EXPECT_EQ(status->identity_rules, sent.identity_rules);
  EXPECT_EQ(status->imds_endpoint, sent.imds_endpoint);
  EXPECT_EQ(status->imds_requests, sent.imds_requests);
  EXPECT_EQ(status->imds_failures, sent.imds_failures);
  EXPECT_EQ(status->imds_last_failure, sent.imds_last_failure);
  EXPECT_EQ(status->direct_imds, sent.direct_imds);
}

TEST(StatusTest, IsOneLine) {
  EXPECT_EQ(to_json(full_status()).find('\n'), std::string::npos);
}

TEST(StatusTest, DamagedJsonIsAnError) {
  const std::string good = to_json(full_status());
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_FALSE(parse_status(good.substr(0, size))) << size;
  }
}

TEST(StatusTest, AFieldOfAnotherTypeIsAnError) {
  for (const auto& [from, to] :
       {std::pair(R"("redirecting":true)", R"("redirecting":"true")"),
        std::pair("[50342,65535]", "[50342,65536]"), std::pair("[50342,65535]", "{}"),
        std::pair(R"("pid":4711)", R"("pid":99999999999)"),
        std::pair(R"("connections":3)", R"("connections":-3)"),
        std::pair(R"("version":)", R"("wersion":)")}) {
    std::string text = to_json(full_status());
    const std::size_t place = text.find(from);
    ASSERT_NE(place, std::string::npos) << from << " in " << text;
    text.replace(place, std::string_view(from).size(), to);
    EXPECT_FALSE(parse_status(text)) << text;
  }
}

// Around an upgrade the responder that answers may be older than who asks.
TEST(StatusTest, AnOlderVersionTellsOfNoShortcomings) {
  std::string text = to_json(full_status());
  const std::string_view told = R"("shortcomings":["audit"],)";
  ASSERT_NE(text.find(told), std::string::npos) << text;
  text.erase(text.find(told), told.size());
  const auto status = parse_status(text);
  ASSERT_TRUE(status);
  EXPECT_EQ(status->shortcomings, std::vector<std::string>());
}

TEST(StatusTest, AnOlderVersionTellsOfNoPolicy) {
  std::string text = to_json(full_status());
  const std::string_view told = R"("policy":{"mode":"enforce","default":"deny","rules":3},)";
  ASSERT_NE(text.find(told), std::string::npos) << text;
  text.erase(text.find(told), told.size());
  const auto status = parse_status(text);
  ASSERT_TRUE(status);
  EXPECT_EQ(status->policy_mode, "");
}

TEST(StatusTest, AnotherDocumentIsAnError) {
  for (const char* text : {"", "null", "[]", "{}", "\"status\"", R"({"responder":[],"imds":[]})"}) {
    EXPECT_FALSE(parse_status(text)) << text;
  }
}

}  // namespace
}  // namespace msi2imds::admin
