// SPDX-License-Identifier: MIT
#include "usage/verdict.hpp"

#include <gtest/gtest.h>

#include "requests.hpp"

namespace msi2imds::usage {
namespace {

constexpr std::int64_t kQuietDays = 30;

// Recorded without a pause from so many days ago until now.
Table recorded_for(std::int64_t days) {
  Table table;
  for (std::int64_t day = days; day >= 0; --day) {
    table.mark_recording(kNow - day * kDay);
  }
  return table;
}

TEST(VerdictTest, QuietAndRecordedForLongEnoughCanBeRetired) {
  const Verdict verdict = judge(recorded_for(30), kNow, kQuietDays);
  EXPECT_EQ(verdict.kind, Verdict::Kind::can_be_retired);
  EXPECT_EQ(verdict.text, "can be retired: no request in the last 30 days, recorded without a gap");
  EXPECT_EQ(verdict.reasons, std::vector<std::string>{"no request was ever recorded"});
}

TEST(VerdictTest, AnOldRequestDoesNotCount) {
  Table table = recorded_for(60);
  ask(table, a_caller("old.service"), kNow - 31 * kDay);
  const Verdict verdict = judge(table, kNow, kQuietDays);
  EXPECT_EQ(verdict.kind, Verdict::Kind::can_be_retired);
  EXPECT_EQ(verdict.reasons,
            std::vector<std::string>{"the last request was 31 days ago, by old.service (/usr/bin/old)"});
  EXPECT_EQ(judge(table, kNow, 31).kind, Verdict::Kind::in_use);
}

TEST(VerdictTest, NamesWhoStillCalls) {
  Table table = recorded_for(60);
  ask(table, a_caller("long-ago.service"), kNow - 40 * kDay);
  ask(table, a_caller("a.service"), kNow - 2 * kHour, "https://x", "refused");
  ask(table, a_caller("b.service"), kNow - 3 * kDay, "https://x", "observed");
  ask(table, a_caller("b.service"), kNow - 3 * kDay);
  const Verdict verdict = judge(table, kNow, kQuietDays);
  EXPECT_EQ(verdict.kind, Verdict::Kind::in_use);
  EXPECT_EQ(verdict.text, "still in use: 2 callers, the last one a.service (/usr/bin/old) 2 hours ago");
  EXPECT_EQ(verdict.reasons,
            (std::vector<std::string>{"a.service (/usr/bin/old): 1 request, the last one 2 hours ago",
                                      "b.service (/usr/bin/old): 2 requests, the last one 3 days ago"}));
}

TEST(VerdictTest, ARequestCountsHoweverShortTheRecord) {
  Table table(kNow);
  ask(table, a_caller("a.service"));
  EXPECT_EQ(judge(table, kNow, kQuietDays).text,
            "still in use: 1 caller, the last one a.service (/usr/bin/old) just now");
}

TEST(VerdictTest, ARequestOfTheFutureCounts) {
  Table table = recorded_for(30);
  ask(table, a_caller("a.service"), kNow + 100 * kDay);
  EXPECT_EQ(judge(table, kNow, kQuietDays).kind, Verdict::Kind::in_use);
}

TEST(VerdictTest, CallersWithoutARowOfTheirOwnCount) {
  Table table = recorded_for(30);
  for (int i = 0; i < 300; ++i) {
    ask(table, a_caller(std::to_string(i)), kNow - 60);
  }
  const Verdict verdict = judge(table, kNow, kQuietDays);
  EXPECT_TRUE(verdict.text.starts_with("still in use: more than 255 callers")) << verdict.text;
  EXPECT_EQ(verdict.reasons.size(), 6U);
  EXPECT_EQ(verdict.reasons.back(), "and 251 more");
}

TEST(VerdictTest, ShortlyRecordedIsNotKnownYet) {
  const Verdict verdict = judge(recorded_for(4), kNow, kQuietDays);
  EXPECT_EQ(verdict.kind, Verdict::Kind::not_known);
  EXPECT_EQ(verdict.text, "not known yet: recorded for only 4 of 30 days");
  EXPECT_EQ(verdict.reasons.back(), "not recorded from 2026-04-27 12:00 UTC to 2026-05-23 12:00 UTC");
}

TEST(VerdictTest, NeverRecordedIsNotKnown) {
  const Verdict verdict = judge(Table(), kNow, kQuietDays);
  EXPECT_EQ(verdict.kind, Verdict::Kind::not_known);
  EXPECT_EQ(verdict.text, "not known yet: recorded for only 0 of 30 days");
}

TEST(VerdictTest, AGapIsNotQuiet) {
  Table table;
  for (std::int64_t day = 40; day >= 0; --day) {
    if (day < 10 || day > 13) {
      table.mark_recording(kNow - day * kDay);
    }
  }
  const Verdict verdict = judge(table, kNow, kQuietDays);
  EXPECT_EQ(verdict.kind, Verdict::Kind::not_known);
  EXPECT_EQ(verdict.text, "not known yet: recorded for only 25 of 30 days");
  EXPECT_EQ(verdict.reasons.back(), "not recorded from 2026-05-13 12:00 UTC to 2026-05-18 12:00 UTC");
  EXPECT_EQ(judge(table, kNow, 9).kind, Verdict::Kind::can_be_retired);
}

TEST(VerdictTest, ARecordThatEndedIsNotKnown) {
  Table table = recorded_for(40);
  EXPECT_EQ(judge(table, kNow + kDay, kQuietDays).kind, Verdict::Kind::can_be_retired);
  EXPECT_EQ(judge(table, kNow + kDay + 1, kQuietDays).kind, Verdict::Kind::not_known);
  EXPECT_EQ(judge(table, kNow + 100 * kDay, kQuietDays).text,
            "not known yet: recorded for only 0 of 30 days");
}

// The table of a caller that asked on each of these days before now, recorded from 92 days ago.
Table called(const std::vector<std::int64_t>& days_ago) {
  Table table = recorded_for(92);
  for (const std::int64_t days : days_ago) {
    ask(table, a_caller("backup.service"), kNow - days * kDay);
  }
  return table;
}

TEST(VerdictTest, AJobOfEachMonthIsWaitedFor) {
  const Table table = called({80, 49, 18});
  EXPECT_EQ(
      judge(table, kNow, kQuietDays).reasons,
      std::vector<std::string>{"backup.service (/usr/bin/old): 3 requests, the last one 18 days ago; runs "
                               "about every 31 days, next expected on 2026-06-09"});
  const Verdict verdict = judge(table, kNow, 17);
  EXPECT_EQ(verdict.kind, Verdict::Kind::not_known);
  EXPECT_EQ(verdict.text, "not known yet: 1 caller is expected again");
  EXPECT_EQ(verdict.reasons.back(),
            "backup.service (/usr/bin/old) runs about every 31 days, next expected on 2026-06-09");
}

TEST(VerdictTest, AJobThatRunsEvery45DaysIsWaitedForLongerThanQuietDays) {
  const Table table = called({85, 40});
  EXPECT_EQ(judge(table, kNow, kQuietDays).kind, Verdict::Kind::not_known);
  EXPECT_EQ(judge(table, kNow, 40).kind, Verdict::Kind::in_use);
}

TEST(VerdictTest, AJobThatDoesNotComeAgainIsWaitedForNoLongerThanItMayBeLate) {
  // 28 days, and 7 more.
  EXPECT_EQ(judge(called({91, 63, 35}), kNow, kQuietDays).kind, Verdict::Kind::not_known);
  EXPECT_EQ(judge(called({92, 64, 36}), kNow, kQuietDays).kind, Verdict::Kind::can_be_retired);
}

TEST(VerdictTest, OneRunAndADailyJobAreNoReasonToWait) {
  EXPECT_EQ(judge(called({40}), kNow, kQuietDays).kind, Verdict::Kind::can_be_retired);
  EXPECT_EQ(judge(called({34, 33, 32, 31}), kNow, kQuietDays).kind, Verdict::Kind::can_be_retired);
}

TEST(VerdictTest, AnIrregularPauseIsToldAsSuch) {
  EXPECT_EQ(judge(called({91, 89, 52, 32}), kNow, kQuietDays).reasons.back(),
            "backup.service (/usr/bin/old) has paused for up to 37 days, and may be back until 2026-06-10");
  EXPECT_NE(judge(called({91, 62, 61, 31}), kNow, kQuietDays).reasons.back().find("about every 30 days"),
            std::string::npos)
      << "a run that lasted until after midnight";
}

TEST(VerdictTest, APauseThatWasNotRecordedSaysNothing) {
  Table table(kNow - 92 * kDay);
  ask(table, a_caller("backup.service"), kNow - 92 * kDay);
  for (std::int64_t day = 50; day >= 0; --day) {
    table.mark_recording(kNow - day * kDay);
  }
  ask(table, a_caller("backup.service"), kNow - 32 * kDay);
  EXPECT_EQ(judge(table, kNow, kQuietDays).kind, Verdict::Kind::can_be_retired);
}

TEST(VerdictTest, TellsTimesInWords) {
  EXPECT_EQ(ago(kNow + 5, kNow), "just now");
  EXPECT_EQ(ago(kNow - 60, kNow), "1 minute ago");
  EXPECT_EQ(ago(kNow - 3599, kNow), "59 minutes ago");
  EXPECT_EQ(ago(kNow - 47 * kHour, kNow), "47 hours ago");
  EXPECT_EQ(ago(kNow - 2 * kDay, kNow), "2 days ago");
  EXPECT_EQ(date(kNow), "2026-05-27 12:00 UTC");
}

}  // namespace
}  // namespace msi2imds::usage
