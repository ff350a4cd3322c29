// SPDX-License-Identifier: MIT
#include "usage/grants.hpp"

#include <gtest/gtest.h>

#include "requests.hpp"
#include "usage/clean_text.hpp"
#include "usage/errors.hpp"
#include "usage/table.hpp"

namespace msi2imds::usage {
namespace {

constexpr std::string_view kVault = "https://vault.azure.net";
const token::IdentitySelector kNobody;
const token::IdentitySelector kObject{.kind = token::SelectorKind::object_id, .value = "o"};

caller::Identity backup() {
  caller::Identity caller = a_caller("backup.service");
  caller.gids = {1000, 4};
  caller.program_is_verified = true;
  caller.cgroup = "/system.slice/backup.service";
  return caller;
}

Table parsed(const std::string& json) {
  auto table = Table::parse(json);
  EXPECT_TRUE(table) << table.error().message();
  return table ? std::move(*table) : Table();
}

std::string without_grants(const std::string& json) {
  const std::size_t from = json.find(R"("granted":)");
  return json.substr(0, from) + json.substr(json.find(R"("callers":)"));
}

void grant(Table& table, const caller::Identity& caller, std::string_view resource,
           const token::IdentitySelector& named = kNobody, std::int64_t time = kNow) {
  table.record({.time = time,
                .caller = caller,
                .resource = resource,
                .identity = named.value,
                .outcome = "token",
                .granted = &named});
}

TEST(GrantsTest, KeepWhatRulesGoByAndWhatExactlyWasAskedFor) {
  Grants grants;
  grants.add(backup(), kVault, kObject, kNow);
  grants.add(backup(), kVault, kObject, kNow + 5);
  grants.add(backup(), "https://b", kNobody, kNow + 1);
  const auto latest = grants.latest_first(kNow);
  ASSERT_EQ(latest.size(), 2U);
  EXPECT_EQ(latest[0]->resource, kVault);
  EXPECT_EQ(latest[0]->named, kObject);
  EXPECT_EQ(latest[0]->last_used, kNow + 5);
  caller::Identity known;
  known.uid = 1000;
  known.gids = {1000, 4};
  known.unit = "backup.service";
  known.cgroup = "/system.slice/backup.service";
  known.program = "/usr/bin/old";
  known.program_is_verified = true;
  EXPECT_EQ(latest[0]->caller, known) << "and nothing else";
  EXPECT_EQ(latest[1]->named, kNobody);
}

TEST(GrantsTest, WhatIsLearnedLaterOfACallerCounts) {
  Grants grants;
  grants.add(backup(), kVault, kNobody, kNow);
  caller::Identity later = backup();
  later.gids = {7};
  later.program_is_verified = false;
  grants.add(later, kVault, kNobody, kNow + 1);
  later.gids.assign(kMaxGroups + 1, 7);
  const auto latest = grants.latest_first(kNow);
  ASSERT_EQ(latest.size(), 1U);
  EXPECT_EQ(latest[0]->caller.gids, std::vector<gid_t>{7});
  EXPECT_FALSE(latest[0]->caller.program_is_verified);
  grants.add(later, kVault, kNobody, kNow + 1);
  EXPECT_TRUE(latest[0]->caller.gids.empty()) << "some of many groups would be a wrong answer";
}

TEST(GrantsTest, AreNotKeptInPart) {
  Grants grants;
  const std::string long_text(kMaxText + 1, 'x');
  grants.add(backup(), long_text, kNobody, kNow);
  grants.add(backup(), "\xff", kNobody, kNow);
  grants.add(backup(), kVault, {.kind = token::SelectorKind::client_id, .value = long_text}, kNow);
  EXPECT_TRUE(grants.latest_first(kNow).empty());
  caller::Identity caller = backup();
  caller.program = caller.unit = caller.cgroup = long_text;
  grants.add(caller, kVault, kNobody, kNow);
  grants.add(caller, kVault, kNobody, kNow);
  const auto latest = grants.latest_first(kNow);
  ASSERT_EQ(latest.size(), 1U);
  EXPECT_TRUE(latest[0]->caller.program.empty() && latest[0]->caller.unit.empty() &&
              latest[0]->caller.cgroup.empty());
  EXPECT_FALSE(latest[0]->caller.program_is_verified);
}

TEST(GrantsTest, EndAfterSevenDays) {
  Grants grants;
  grants.add(backup(), "https://old", kNobody, kNow - 7 * kDay - 1);
  grants.add(backup(), kVault, kNobody, kNow - 7 * kDay);
  ASSERT_EQ(grants.latest_first(kNow).size(), 1U);
  EXPECT_EQ(grants.latest_first(kNow)[0]->resource, kVault);
  grants.bring_to(kNow);
  EXPECT_EQ(grants.latest_first(0).size(), 1U) << "it is forgotten";
}

TEST(GrantsTest, AClockThatIsSetBackDoesNotKeepThemLonger) {
  Grants grants;
  grants.add(backup(), kVault, kNobody, kNow + 1000 * kDay);
  grants.bring_to(kNow);
  EXPECT_EQ(grants.latest_first(kNow).size(), 1U);
  EXPECT_TRUE(grants.latest_first(kNow + 8 * kDay).empty());
}

TEST(GrantsTest, ACallerWithEndlesslyManyTakesNoRoomFromOthers) {
  Grants grants;
  for (std::size_t i = 0; i < 100; ++i) {
    grants.add(a_caller(std::to_string(i)), kVault, kNobody, kNow);
  }
  for (std::size_t i = 0; i < 3 * kMaxGrants; ++i) {
    grants.add(backup(), std::to_string(i), kNobody, kNow + static_cast<std::int64_t>(i));
  }
  const auto latest = grants.latest_first(kNow);
  ASSERT_EQ(latest.size(), kMaxGrants);
  EXPECT_EQ(latest[0]->resource, std::to_string(3 * kMaxGrants - 1)) << "the latest is kept";
  EXPECT_EQ(latest[kMaxGrants - 100]->resource, kVault) << "and what all others got";
}

TEST(GrantsTest, OfManyCallersTheOldestMakesRoom) {
  Grants grants;
  for (std::size_t i = 0; i <= kMaxGrants; ++i) {
    grants.add(a_caller(std::to_string(i)), kVault, kNobody, kNow + static_cast<std::int64_t>(i));
  }
  const auto latest = grants.latest_first(kNow);
  ASSERT_EQ(latest.size(), kMaxGrants);
  EXPECT_EQ(latest.back()->caller.unit, "1");
}

TEST(GrantsTest, AreOnlyWhatBroughtATokenAndGoThroughTheStateFile) {
  Table table(kNow);
  ask(table, backup(), kNow, "https://refused", "refused");
  grant(table, backup(), kVault, kObject, kNow + 1);
  caller::Identity unknown;
  unknown.unknown_because = "the client has closed its socket";
  grant(table, unknown, "https://b \"quoted\"");
  const std::string json = table.to_json();
  Table again = parsed(json);
  const auto latest = again.grants().latest_first(kNow);
  ASSERT_EQ(latest.size(), 2U);
  EXPECT_EQ(latest[0]->named, kObject);
  EXPECT_EQ(latest[0]->caller, table.grants().latest_first(kNow)[0]->caller);
  EXPECT_EQ(latest[1]->caller, caller::Identity());
  EXPECT_EQ(again.to_json(), json);
  grant(again, backup(), kVault, kObject, kNow + 2);
  EXPECT_EQ(again.grants().latest_first(kNow).size(), 2U) << "it is found again";
}

TEST(GrantsTest, AFileOfAnEarlierVersionHasNone) {
  Table table(kNow);
  grant(table, backup(), kVault);
  const std::string earlier = without_grants(table.to_json());
  ASSERT_EQ(earlier.find("granted"), std::string::npos);
  EXPECT_TRUE(parsed(earlier).grants().latest_first(kNow).empty());
  EXPECT_EQ(parsed(earlier).rows().size(), 1U);
}

TEST(GrantsTest, StayInBoundsAndLeaveRoomForCallers) {
  Table table(kNow);
  for (int i = 0; i < 100; ++i) {
    ask(table, a_caller("unit-" + std::to_string(i)));
  }
  caller::Identity hostile = backup();
  hostile.program = hostile.unit = std::string(200, '\x01');
  for (std::size_t i = 0; i < kMaxGrants; ++i) {
    grant(table, hostile, std::to_string(i) + std::string(200, '\x01'), kObject,
          kNow + static_cast<std::int64_t>(i));
  }
  const std::string json = table.to_json();
  EXPECT_LE(table.grants().to_json().size(), kMaxGrantsJson);
  const auto again = Table::parse(json);
  ASSERT_TRUE(again) << again.error().message();
  EXPECT_EQ(again->rows().size(), 101U) << "no caller loses its row";
  const auto latest = again->grants().latest_first(kNow);
  ASSERT_GT(latest.size(), 50U);
  EXPECT_TRUE(latest[0]->resource.starts_with("999")) << "the latest ones are kept";
}

TEST(GrantsTest, SayWhatIsDamaged) {
  Table table(kNow);
  grant(table, backup(), kVault, kObject);
  const std::string good = table.to_json();
  struct Case {
    std::string from;
    std::string to;
    std::string complaint;
  };
  for (const auto& [from, to, complaint] : {
           Case{R"("granted":[)", R"("granted":[7,)", "granted[0] is not an object"},
           Case{R"("granted":[{)", R"("granted":[{"client_id":"c",)", "granted[0] names two identities"},
           Case{R"("object_id":"o")", R"("object_id":7)", "granted[0].object_id is not a text"},
           Case{R"("granted":[{"resource":)", R"("granted":[{"r":)", "granted[0] has no \"resource\""},
           Case{R"("uid":1000)", R"("uid":-1)", "granted[0].uid is not a number"},
           Case{R"("gids":[1000)", R"("gids":["root")", "granted[0].gids[0] is not a number"},
           Case{R"("unit":"backup.service")", R"("unit":null)", "granted[0].unit is not a text"},
           Case{R"("program_is_verified":true)", R"("program_is_verified":1)", "is neither true nor false"},
           Case{R"("last_used":)", R"("used":)", "granted[0] has no \"last_used\""},
       }) {
    std::string text = good;
    const std::size_t place = text.find(from);
    ASSERT_NE(place, std::string::npos) << from << " in " << text;
    text.replace(place, from.size(), to);
    const auto damaged = Table::parse(text);
    ASSERT_FALSE(damaged) << to;
    EXPECT_EQ(damaged.error().code(), Errc::damaged);
    EXPECT_NE(damaged.error().message().find(complaint), std::string::npos)
        << damaged.error().message() << "\n"
        << complaint;
  }
}

}  // namespace
}  // namespace msi2imds::usage
