// SPDX-License-Identifier: MIT
#include "cli/callers_report.hpp"

#include <gtest/gtest.h>

#include "unit/usage/requests.hpp"

namespace msi2imds::cli {
namespace {

CallersReport hostile_report() {
  CallersReport report;
  report.host = "vm\"1</script>";
  report.made = usage::kNow;
  report.quiet_days = 30;
  caller::Identity caller;
  caller.comm = usage::kHostile;
  caller.cgroup = usage::kHostile;
  caller.command_line = usage::kHostile;
  usage::ask(report.table, caller, usage::kNow, usage::kHostile, "token", usage::kHostile);
  report.verdict = usage::judge(report.table, report.made, report.quiet_days);
  return report;
}

std::size_t count(std::string_view text, std::string_view part) {
  std::size_t found = 0;
  for (std::size_t place = text.find(part); place != std::string_view::npos;
       place = text.find(part, place + 1)) {
    ++found;
  }
  return found;
}

TEST(CallersReportTest, JsonIsOneLineOfAsciiThatATableCanBeReadFrom) {
  const CallersReport report = hostile_report();
  const std::string json = to_json(report);
  for (const char c : json) {
    ASSERT_TRUE(c >= 0x20 && c < 0x7f) << static_cast<int>(c);
  }
  EXPECT_TRUE(json.starts_with(R"({"host":"vm\"1\u003c/script\u003e","made":)")) << json;
  EXPECT_NE(json.find(R"("verdict":{"kind":"in_use","text":"still in use: 1 caller)"), std::string::npos);
  const auto table = usage::Table::parse(json);
  ASSERT_TRUE(table) << table.error().message();
  EXPECT_EQ(table->to_json(), report.table.to_json());
}

TEST(CallersReportTest, NamesAddNoMarkupToThePage) {
  CallersReport harmless = hostile_report();
  harmless.host = "vm";
  harmless.table = usage::Table();
  const std::string page = to_page(hostile_report()).value();
  const std::string plain = to_page(harmless).value();
  EXPECT_EQ(page.find("document.title='owned'</script>"), std::string::npos);
  for (const char* part : {"<", ">", "<script", "</script"}) {
    EXPECT_EQ(count(page, part), count(plain, part)) << part;
  }
}

TEST(CallersReportTest, ThePageHoldsNoAddressAndNoPlaceholder) {
  const std::string page = to_page(hostile_report()).value();
  for (const char* part :
       {"@REPORT@", "@STYLE", "@SCRIPT", "src=", "href=", "url(", "@import", "innerHTML", "fetch("}) {
    EXPECT_EQ(count(page, part), 0U) << part;
  }
  // The name of SVG's elements, which nobody loads.
  EXPECT_EQ(count(page, "http"), 1U + count(page, "http-equiv"));
  EXPECT_NE(page.find("default-src 'none'"), std::string::npos);
}

}  // namespace
}  // namespace msi2imds::cli
