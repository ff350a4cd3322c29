// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <sstream>

#include "cli/callers_report.hpp"
#include "unit/usage/requests.hpp"

namespace msi2imds::cli {
namespace {

CallersReport report_of(usage::Table table, bool running = true) {
  CallersReport report;
  report.made = usage::kNow;
  report.quiet_days = 30;
  report.running = running;
  report.verdict = usage::judge(table, report.made, report.quiet_days);
  report.table = std::move(table);
  return report;
}

std::string text_of(usage::Table table, bool running = true) {
  return to_text(report_of(std::move(table), running), 100);
}

void expect_narrow_and_printable(const std::string& text, std::size_t columns = 100) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const bool is_sentence = line.find(": ") != std::string::npos;  // the terminal wraps those
    EXPECT_TRUE(is_sentence || line.size() <= columns) << line.size() << ": " << line;
    for (const char c : line) {
      ASSERT_TRUE(c >= 0x20 && c < 0x7f) << static_cast<int>(c) << " in " << line;
    }
  }
}

TEST(CallersTextTest, ShowsATableAndTheVerdict) {
  usage::Table table(usage::kNow - usage::kDay);
  const caller::Identity backup = usage::a_caller("backup.service", "/usr/bin/azcopy");
  usage::ask(table, backup, usage::kNow - 7200, "https://storage.azure.com/");
  usage::ask(table, backup, usage::kNow - 7200, "https://vault.azure.net", "refused");
  caller::Identity session = usage::a_caller("", "");
  session.cgroup = "/user.slice";
  session.comm = "curl";
  session.user.clear();
  session.unknown_because = "the process has ended";
  usage::ask(table, session, usage::kNow - 3 * usage::kDay, "", "observed");
  EXPECT_EQ(text_of(std::move(table)), R"(UNIT            PROGRAM          USERS  REQUESTS  LAST SEEN
backup.service  /usr/bin/azcopy  app           2  2 hours ago
    token 1, refused 1
    https://storage.azure.com/ 1, https://vault.azure.net 1
/user.slice     curl             1000          1  3 days ago
    observed 1
    not known: the process has ended

still in use: 2 callers, the last one backup.service (/usr/bin/azcopy) 2 hours ago
)");
}

TEST(CallersTextTest, WithoutCallersSaysWhatItRestsOn) {
  EXPECT_EQ(text_of(usage::Table(usage::kNow - 4 * usage::kDay), false),
            R"(not known yet: recorded for only 0 of 30 days
  no request was ever recorded
  not recorded from 2026-04-27 12:00 UTC to 2026-05-23 12:00 UTC
  not recorded from 2026-05-23 12:00 UTC to 2026-05-27 12:00 UTC
msi2imds is not running: this is what it has left in its state file
)");
}

TEST(CallersTextTest, HostileNamesStayOnTheirLine) {
  usage::Table table(usage::kNow);
  caller::Identity caller = usage::a_caller("", "");
  caller.comm = usage::kHostile;
  caller.cgroup = usage::kHostile;
  caller.user = usage::kHostile;
  caller.unknown_because = usage::kHostile;
  usage::ask(table, caller, usage::kNow, usage::kHostile);
  const std::string text = text_of(std::move(table));
  expect_narrow_and_printable(text);
  EXPECT_NE(text.find("a\\x0ab\\x1b"), std::string::npos) << text;
}

TEST(CallersTextTest, LongNamesFitIntoTheLine) {
  usage::Table table(usage::kNow - usage::kDay);
  for (int i = 0; i < 300; ++i) {
    caller::Identity caller =
        usage::a_caller(std::to_string(i) + std::string(300, 'u'), "/" + std::string(300, 'p'));
    for (uid_t uid = 100'000; uid < 100'020; ++uid) {
      caller.uid = uid;
      caller.user = "user" + std::to_string(uid);
      usage::ask(table, caller, usage::kNow, "https://" + std::to_string(uid) + std::string(300, 'r'));
    }
  }
  const CallersReport report = report_of(std::move(table));
  for (const std::size_t columns : {80U, 100U, 137U, 400U}) {
    expect_narrow_and_printable(to_text(report, columns), columns);
  }
  const std::string text = to_text(report, 100);
  EXPECT_NE(text.find("(other callers)"), std::string::npos);
  EXPECT_NE(text.find("(other resources)"), std::string::npos) << text.substr(0, 3000);
}

std::string text_of_container(const std::string& name, const std::string& image) {
  usage::Table table(usage::kNow - usage::kDay);
  caller::Identity caller = usage::a_caller("docker-0123.scope", "/app");
  caller.container = std::string(64, 'a');
  caller.container_name = name;
  caller.container_image = image;
  usage::ask(table, caller, usage::kNow, "https://x");
  return text_of(std::move(table));
}

TEST(CallersTextTest, NamesTheContainer) {
  EXPECT_NE(text_of_container("", "").find("    container aaaaaaaaaaaa\n"), std::string::npos);
  EXPECT_NE(text_of_container("web", "nginx:1.27").find("    container web, image nginx:1.27\n"),
            std::string::npos);
}

// Whoever cuts the table into columns by a program wants the names that he is to find again.
TEST(CallersTextTest, WithoutATerminalNamesAreWhole) {
  usage::Table table(usage::kNow - usage::kDay);
  const std::string unit = std::string(60, 'u') + ".service";
  const std::string program = "/opt/" + std::string(70, 'p');
  const std::string resource = "https://" + std::string(150, 'r') + "/";
  usage::ask(table, usage::a_caller(unit, program), usage::kNow, resource);
  const std::string text = to_text(report_of(std::move(table)), std::nullopt);
  EXPECT_NE(text.find(unit + "  " + program + "  "), std::string::npos) << text;
  EXPECT_NE(text.find(resource + " 1\n"), std::string::npos) << text;
}

// 80 columns have room for it: nothing is kept free for longer users or numbers than there are.
TEST(CallersTextTest, NamesHaveWhatTheOtherColumnsDoNotNeed) {
  usage::Table table(usage::kNow - usage::kDay);
  usage::ask(table, usage::a_caller("azure-backup-agent.service", "/usr/lib/backup/agent"), usage::kNow,
             "https://x");
  EXPECT_NE(to_text(report_of(std::move(table)), 80)
                .find("azure-backup-agent.service  /usr/lib/backup/agent  app           1  just now\n"),
            std::string::npos);
}

TEST(CallersTextTest, WhatOneNameDoesNotNeedIsTheOthers) {
  const std::string longest(42, 'n');
  for (const bool is_unit_long : {true, false}) {
    usage::Table table(usage::kNow - usage::kDay);
    usage::ask(table, usage::a_caller(is_unit_long ? longest : "u", is_unit_long ? "/p" : longest),
               usage::kNow, "https://x");
    EXPECT_NE(to_text(report_of(std::move(table)), 80).find(longest + "  "), std::string::npos)
        << is_unit_long;
  }
}

TEST(CallersTextTest, AWideTerminalShowsLongerNames) {
  usage::Table table(usage::kNow - usage::kDay);
  const std::string program = "/usr/local/lib/backup/bin/" + std::string(50, 'p');
  usage::ask(table, usage::a_caller("backup.service", program), usage::kNow, "https://x");
  const CallersReport report = report_of(std::move(table));
  const std::string cell = "  " + program + "  ";  // the verdict names it as well
  EXPECT_EQ(to_text(report, 100).find(cell), std::string::npos);
  EXPECT_NE(to_text(report, 200).find(cell), std::string::npos);
}

}  // namespace
}  // namespace msi2imds::cli
