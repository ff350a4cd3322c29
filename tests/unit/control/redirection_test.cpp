// SPDX-License-Identifier: MIT
#include "control/redirection.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>

namespace msi2imds::control {
namespace {

RedirectionReport full_report() {
  return {.redirected = Redirected::ipv4_only,
          .responders_started = 7,
          .sockets_replaced = std::numeric_limits<std::uint64_t>::max(),
          .backend = "nftables",
          .failure = "cannot reach: somewhere",
          .direct_imds = "not_closed",
          .closed_by = "nftables",
          .not_closed_because = "no\troom",
          .extension = "Enabled",
          .remarks = {{.shortcoming = "", .text = "a remark"},
                      {.shortcoming = "audit", .text = "with a\ttab"},
                      {.shortcoming = "log", .text = ""}},
          .container_networks = {"web", "shop/sync-7d9f4/sync"}};
}

Message with_text(const std::string& text) {
  Message message;
  message.kind = Kind::redirection;
  message.set_text(text);
  return message;
}

TEST(RedirectionReportTest, ArrivesAsItWasSent) {
  EXPECT_EQ(parse_redirection(format(full_report())), full_report());
  EXPECT_EQ(parse_redirection(format({})), RedirectionReport{});
  for (const Redirected redirected :
       {Redirected::no, Redirected::yes, Redirected::ipv4_only, Redirected::observing}) {
    RedirectionReport report;
    report.redirected = redirected;
    EXPECT_EQ(parse_redirection(format(report)), report);
  }
}

TEST(RedirectionReportTest, ATextOfSeveralLinesIsOneLine) {
  RedirectionReport report = full_report();
  report.failure = "first\nsecond";
  report.remarks = {{.shortcoming = "", .text = "third\nfourth"}};
  const auto arrived = parse_redirection(format(report));
  ASSERT_TRUE(arrived);
  EXPECT_EQ(arrived->failure, "first second");
  EXPECT_EQ(arrived->direct_imds, report.direct_imds);
  ASSERT_EQ(arrived->remarks.size(), 1);
  EXPECT_EQ(arrived->remarks[0].text, "third fourth");
}

TEST(RedirectionReportTest, NamesOfContainersAreOneEachAndNotTooMany) {
  RedirectionReport report;
  report.container_networks = {"a\tb\nc", ""};
  EXPECT_EQ(parse_redirection(format(report))->container_networks, (std::vector<std::string>{"a b c", ""}));
  report.container_networks.assign(1000, std::string(200, 'x'));
  report.remarks = {{.shortcoming = "", .text = "a remark"}};
  const auto arrived = parse_redirection(format(report));
  ASSERT_TRUE(arrived);
  EXPECT_EQ(arrived->container_networks.back(), "...");
  EXPECT_EQ(arrived->remarks, report.remarks);
}

TEST(RedirectionReportTest, RemarksThatDoNotFitAreLeftOut) {
  RedirectionReport report = full_report();
  report.remarks.insert(report.remarks.begin(), {.shortcoming = "", .text = std::string(kMostBody, 'x')});
  EXPECT_EQ(parse_redirection(format(report)), full_report());
}

TEST(RedirectionReportTest, AnythingElseIsRefused) {
  ASSERT_TRUE(parse_redirection(with_text("0\n\n\n\n\n\n\n\n")));
  for (const char* const text : {"", "0", "0\n", "0\n\n\n\n\n\n\n", "0\n\n\n\n\n\n\n\nno tab\n",
                                 "0\n\n\n\n\n\n\n\nlog\tno end", "\n\n\n\n\n\n\n\n", "-1\n\n\n\n\n\n\n\n",
                                 "1x\n\n\n\n\n\n\n\n", "18446744073709551616\n\n\n\n\n\n\n\n"}) {
    EXPECT_FALSE(parse_redirection(with_text(text))) << text;
  }
  for (const std::int32_t value : {-1, 4}) {
    Message message = format({});
    message.value = value;
    EXPECT_FALSE(parse_redirection(message)) << value;
  }
  Message message = format({});
  message.kind = Kind::upstream;
  EXPECT_FALSE(parse_redirection(message));
}

}  // namespace
}  // namespace msi2imds::control
