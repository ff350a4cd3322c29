// SPDX-License-Identifier: MIT
#include "usage/table.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <numeric>
#include <utility>

#include "requests.hpp"

namespace msi2imds::usage {
namespace {

std::uint64_t all_requests(const Table& table) {
  return std::accumulate(table.rows().begin(), table.rows().end(), std::uint64_t{0},
                         [](std::uint64_t sum, const Row& row) { return sum + row.requests; });
}

const Row* others_of(const Table& table) {
  for (const Row& row : table.rows()) {
    if (row.is_others) {
      return &row;
    }
  }
  return nullptr;
}

TEST(TableTest, LearnsACommandLineAfterTheRequest) {
  Table table(kNow);
  caller::Identity caller = a_caller("a.service");
  caller.command_line = "";
  ask(table, caller, kNow, "https://one", "token");
  caller.command_line = "/usr/bin/old --late";
  EXPECT_TRUE(table.take_command_line(caller));
  ASSERT_EQ(table.rows().size(), 1U);
  EXPECT_EQ(table.rows().front().command_line, "/usr/bin/old --late");
  EXPECT_EQ(table.rows().front().requests, 1U);
  EXPECT_FALSE(table.take_command_line(a_caller("b.service")));
  EXPECT_EQ(table.rows().size(), 1U);
}

TEST(TableTest, CountsACallerInOneRow) {
  Table table(kNow);
  ask(table, a_caller("a.service"), kNow, "https://one", "token", "client-id");
  caller::Identity again = a_caller("a.service");
  again.uid = 0;
  again.user = "root";
  again.pid = 5;
  again.command_line = "/usr/bin/old --twice";
  ask(table, again, kNow + 60, "https://two", "refused");
  ask(table, again, kNow + 61, "https://two", "an outcome of the future");

  ASSERT_EQ(table.rows().size(), 1U);
  const Row& row = table.rows().front();
  EXPECT_EQ(row.unit, "a.service");
  EXPECT_EQ(row.program, "/usr/bin/old");
  ASSERT_EQ(row.users.size(), 2U);
  EXPECT_EQ(row.users[0].name, "app");
  EXPECT_EQ(row.users[1].uid, 0U);
  EXPECT_EQ(row.pid, 5);
  EXPECT_EQ(row.command_line, "/usr/bin/old --twice");
  EXPECT_EQ(row.first_seen, kNow);
  EXPECT_EQ(row.last_seen, kNow + 61);
  EXPECT_EQ(row.requests, 3U);
  EXPECT_EQ(row.outcomes, (std::array<std::uint64_t, 6>{1, 1, 0, 0, 0, 0}));
  ASSERT_EQ(row.resources.named.size(), 2U);
  EXPECT_EQ(row.resources.named[1].name, "https://two");
  EXPECT_EQ(row.resources.named[1].requests, 2U);
  EXPECT_EQ(row.resources.named[1].last_seen, kNow + 61);
  ASSERT_EQ(row.identities.named.size(), 1U);
  EXPECT_EQ(row.identities.named[0].name, "client-id");
}

TEST(TableTest, AnotherProgramUnitOrContainerIsAnotherCaller) {
  Table table(kNow);
  caller::Identity caller = a_caller("a.service");
  ask(table, caller);
  caller.container = "0123456789ab";
  ask(table, caller);
  ask(table, a_caller("a.service", "/usr/bin/other"));
  ask(table, a_caller("b.service"));
  // A name that looks like another's path, or like a unit, is still another one.
  caller = a_caller("", "");
  caller.cgroup = "a.service";
  caller.comm = "/usr/bin/old";
  ask(table, caller);
  EXPECT_EQ(table.rows().size(), 5U);
}

const std::string kFirst(64, '1');
const std::string kSecond(64, '2');
const std::string kThird(64, '3');

caller::Identity caller_in_container(const std::string& id, const std::string& name,
                                     const std::string& image) {
  caller::Identity caller = a_caller("docker-" + id + ".scope", "/app");
  caller.container = id;
  caller.container_name = name;
  caller.container_image = image;
  return caller;
}

TEST(TableTest, ContainersOfAnImageAndNameAreOneCaller) {
  Table table(kNow);
  ask(table, caller_in_container(kFirst, "web", "nginx:1.27"));
  ask(table, caller_in_container(kSecond, "web", "nginx:1.27"));
  const auto read = Table::parse(table.to_json());
  ASSERT_TRUE(read);
  for (const Table* shown : {&std::as_const(table), &*read}) {
    ASSERT_EQ(shown->rows().size(), 1U);
    const Row& row = shown->rows()[0];
    EXPECT_EQ(row.unit, "docker-*.scope");
    EXPECT_EQ(row.container, kSecond) << "the last one";
    EXPECT_EQ(row.container_name, "web");
    EXPECT_EQ(row.container_image, "nginx:1.27");
    EXPECT_EQ(row.requests, 2U);
  }
  ask(table, caller_in_container(kThird, "db", "nginx:1.27"));
  ask(table, caller_in_container(kThird, "web", "nginx:1.28"));
  caller::Identity other = caller_in_container(kThird, "web", "nginx:1.27");
  other.program = "/other";
  ask(table, other);
  EXPECT_EQ(table.rows().size(), 4U);
  EXPECT_TRUE(table.take_command_line(other));
}

// Whatever a unit is called, the table is the same once it has been read again.
TEST(TableTest, NoPlaceNamesAnyContainerOfARow) {
  Table table(kNow);
  caller::Identity caller = caller_in_container(kFirst, "web", "nginx:1.27");
  caller.unit = "docker-" + kFirst + kSecond + ".scope";
  ask(table, caller);
  caller.container = kSecond;
  ask(table, caller);
  ASSERT_EQ(table.rows().size(), 1U);
  EXPECT_EQ(table.rows()[0].unit, "docker-**.scope");
  const auto read = Table::parse(table.to_json());
  ASSERT_TRUE(read);
  EXPECT_EQ(read->to_json(), table.to_json());
}

TEST(TableTest, ContainersWithoutAnImageAreCallersByTheirIds) {
  Table table(kNow);
  ask(table, caller_in_container(kFirst, "", ""));
  ask(table, caller_in_container(kSecond, "", ""));
  ask(table, caller_in_container(kSecond, "web", ""));
  ASSERT_EQ(table.rows().size(), 2U);
  EXPECT_EQ(table.rows()[1].unit, "docker-" + kSecond + ".scope");
  EXPECT_EQ(table.rows()[1].container_name, "web");
}

TEST(TableTest, RowsOfAnOlderVersionBecomeOneForEachImageAndName) {
  Table table(kNow);
  ask(table, a_caller("a.service"));
  for (const std::string& id : {kSecond, kFirst}) {
    ask(table, caller_in_container(id, "", ""));
  }
  std::string text = table.to_json();
  const std::string unnamed = R"("container_name":"","container_image":"")";
  for (const std::string& id : {kSecond, kFirst}) {
    const std::size_t place = text.find(unnamed, text.find(R"("container":")" + id));
    ASSERT_NE(place, std::string::npos);
    text.replace(place, unnamed.size(), R"("container_name":"web","container_image":"nginx")");
  }
  const auto read = Table::parse(text);
  ASSERT_TRUE(read) << read.error().message();
  ASSERT_EQ(read->rows().size(), 2U);
  EXPECT_EQ(read->rows()[1].unit, "docker-*.scope");
  EXPECT_EQ(read->rows()[1].container, kSecond);
  EXPECT_EQ(read->rows()[1].requests, 2U);
}

TEST(TableTest, ReadsWhatVersionsWithoutNamesOfContainersWrote) {
  Table table(kNow);
  ask(table, a_caller("a.service"));
  std::string text = table.to_json();
  const std::string names = R"(,"container_name":"","container_image":"")";
  ASSERT_NE(text.find(names), std::string::npos) << text;
  text.erase(text.find(names), names.size());
  EXPECT_TRUE(Table::parse(text));
}

TEST(TableTest, CgroupAndCommStandInForUnitAndProgram) {
  Table table(kNow);
  caller::Identity caller = a_caller("", "");
  caller.cgroup = "/user.slice/user-1000.slice/session-2.scope";
  caller.comm = "curl";
  ask(table, caller);
  caller.unknown_because = "the process has ended";
  ask(table, caller);
  ASSERT_EQ(table.rows().size(), 1U);
  EXPECT_EQ(table.rows()[0].cgroup, caller.cgroup);
  EXPECT_EQ(table.rows()[0].comm, "curl");
  EXPECT_EQ(table.rows()[0].unknown_because, "the process has ended");
}

TEST(TableTest, UnknownCallersAreOneForEachReasonAndUser) {
  Table table(kNow);
  caller::Identity nobody;
  nobody.unknown_because = "the client has closed its socket";
  ask(table, nobody);
  ask(table, nobody);
  nobody.unknown_because = "no such connection on this host";
  ask(table, nobody);
  nobody.uid = 33;
  nobody.user = "www-data";
  ask(table, nobody);
  ask(table, nobody);
  ASSERT_EQ(table.rows().size(), 3U);
  EXPECT_EQ(table.rows()[0].requests, 2U);
  EXPECT_EQ(table.rows()[2].requests, 2U);
  EXPECT_EQ(table.rows()[2].users[0].name, "www-data");
}

TEST(TableTest, KeepsTheFirstResourcesAndCountsTheRestTogether) {
  Table table(kNow);
  for (std::size_t i = 0; i < kMaxResources + 5; ++i) {
    ask(table, a_caller("a.service"), kNow, "https://" + std::to_string(i), "token",
        "id " + std::to_string(i));
  }
  const Row& row = table.rows().front();
  EXPECT_EQ(row.resources.named.size(), kMaxResources);
  EXPECT_EQ(row.resources.rest.requests, 5U);
  EXPECT_EQ(row.identities.named.size(), kMaxIdentities);
  EXPECT_EQ(row.identities.rest.requests, 13U);
}

TEST(TableTest, SaysWhenThereAreMoreUsersThanItNames) {
  Table table(kNow);
  caller::Identity caller = a_caller("a.service");
  for (uid_t uid = 0; uid < kMaxUsers + 1; ++uid) {
    EXPECT_FALSE(!table.rows().empty() && table.rows()[0].has_more_users);
    caller.uid = uid;
    ask(table, caller);
  }
  EXPECT_EQ(table.rows()[0].users.size(), kMaxUsers);
  EXPECT_TRUE(table.rows()[0].has_more_users);
}

TEST(TableTest, TheCallerSeenLongestAgoMakesRoom) {
  Table table(kNow);
  for (std::size_t i = 0; i < kMaxRows; ++i) {
    ask(table, a_caller(std::to_string(i)), kNow + static_cast<std::int64_t>(i));
  }
  EXPECT_EQ(others_of(table), nullptr);
  ask(table, a_caller("0"), kNow + 1000);  // no longer the oldest
  ask(table, a_caller("new"), kNow + 1001);

  EXPECT_EQ(table.rows().size(), kMaxRows);
  const Row* others = others_of(table);
  ASSERT_NE(others, nullptr);
  EXPECT_EQ(others->requests, 2U);  // of callers "1" and "2"
  EXPECT_EQ(others->first_seen, kNow + 1);
  EXPECT_EQ(others->last_seen, kNow + 2);
  ask(table, a_caller("0"), kNow + 1002);
  ask(table, a_caller("new"), kNow + 1002);
  EXPECT_EQ(others->requests, 2U);
  EXPECT_EQ(all_requests(table), kMaxRows + 4);
}

TEST(TableTest, ManyCallersStayInBounds) {
  Table table(kNow);
  for (int i = 0; i < 3000; ++i) {
    caller::Identity caller = a_caller(std::to_string(i));
    caller.uid = static_cast<uid_t>(i);
    ask(table, caller, kNow + std::int64_t{600} * i, "https://" + std::to_string(i));
  }
  EXPECT_EQ(table.rows().size(), kMaxRows);
  EXPECT_EQ(all_requests(table), 3000U);
  const Row* others = others_of(table);
  ASSERT_NE(others, nullptr);
  EXPECT_EQ(others->resources.named.size(), kMaxResources);
  EXPECT_EQ(others->users.size(), kMaxUsers);
}

TEST(TableTest, CountsByDaysOfUtc) {
  Table table(kNow);
  const std::int64_t midnight = 20'600 * kDay;
  ask(table, a_caller("a"), midnight - 1);
  ask(table, a_caller("a"), midnight);
  ask(table, a_caller("a"), midnight + kDay - 1);
  const auto& days = table.rows()[0].days;
  ASSERT_EQ(days.size(), 2U);
  EXPECT_EQ(days[0].day, 20'599);
  EXPECT_EQ(days[0].requests, 1U);
  EXPECT_EQ(days[1].day, 20'600);
  EXPECT_EQ(days[1].requests, 2U);
}

TEST(TableTest, ForgetsDaysOfLastSeason) {
  Table table(kNow);
  for (std::int64_t day = 0; day < 200; ++day) {
    ask(table, a_caller("a"), kNow + day * kDay);
  }
  const auto& days = table.rows()[0].days;
  ASSERT_EQ(days.size(), 92U);
  EXPECT_EQ(days.front().day, 20'600 + 108);
  EXPECT_EQ(table.rows()[0].requests, 200U);
}

TEST(TableTest, AClockThatIsSetBackBreaksNothing) {
  Table table(kNow);
  ask(table, a_caller("a"), kNow + 1000 * kDay);
  ask(table, a_caller("a"), kNow);
  ask(table, a_caller("a"), kNow + 2 * kDay);
  ask(table, a_caller("a"), -5);
  ask(table, a_caller("a"), std::numeric_limits<std::int64_t>::max());
  ask(table, a_caller("a"), std::numeric_limits<std::int64_t>::min());
  table.mark_recording(kNow + 3 * kDay);

  const Row& row = table.rows()[0];
  EXPECT_EQ(row.requests, 6U);
  EXPECT_EQ(row.first_seen, 0);
  EXPECT_EQ(row.last_seen, kNow + 3 * kDay) << "what is in the future happened by now";
  EXPECT_EQ(row.resources.named[0].last_seen, kNow + 3 * kDay);
  EXPECT_EQ(row.days.back().day, 20'603);
  EXPECT_TRUE(Table::parse(table.to_json()));
}

TEST(TableTest, PausesOfADayAreNoGap) {
  Table table(kNow);
  table.mark_recording(kNow + kDay);
  table.mark_recording(kNow + 2 * kDay);
  ASSERT_EQ(table.recorded().size(), 1U);
  table.mark_recording(kNow + 3 * kDay + 1);
  ASSERT_EQ(table.recorded().size(), 2U);
  EXPECT_EQ(table.recorded()[0].to, kNow + 2 * kDay);
  EXPECT_EQ(table.recorded()[1].from, kNow + 3 * kDay + 1);
}

TEST(TableTest, PeriodsEndAtAClockThatIsSetBack) {
  Table table(kNow);
  table.mark_recording(kNow + 10 * kDay);
  table.mark_recording(kNow + 20 * kDay);
  table.mark_recording(kNow + 15 * kDay);
  ASSERT_EQ(table.recorded().size(), 3U);
  EXPECT_EQ(table.recorded()[2].from, kNow + 15 * kDay);
  table.mark_recording(kNow - kDay);
  ASSERT_EQ(table.recorded().size(), 1U);
  EXPECT_EQ(table.recorded()[0].from, kNow - kDay);
  EXPECT_TRUE(Table::parse(table.to_json()));
}

TEST(TableTest, KeepsTheLatestPeriods) {
  Table table;
  for (std::int64_t i = 0; i < 100; ++i) {
    table.mark_recording(kNow + i * 2 * kDay);
  }
  EXPECT_EQ(table.recorded().size(), kMaxPeriods);
  EXPECT_EQ(table.recorded().back().to, kNow + 198 * kDay);
  EXPECT_TRUE(Table::parse(table.to_json()));
}

TEST(TableTest, GoesThroughJsonUnchanged) {
  Table table(kNow);
  caller::Identity caller = a_caller("a.service");
  ask(table, caller, kNow, "https://one", "token", "client-id");
  ask(table, caller, kNow + kDay, std::string(kHostile), "denied", kHostile);
  caller.comm = kHostile;
  caller.program.clear();
  caller.command_line = kHostile;
  caller.uid = std::numeric_limits<uid_t>::max();
  caller.user = kHostile;
  ask(table, caller, kNow + kDay);
  caller = {};
  caller.unknown_because = kHostile;
  ask(table, caller);
  table.mark_recording(kNow + 3 * kDay);

  const std::string json = table.to_json();
  auto again = Table::parse(json);
  ASSERT_TRUE(again) << again.error().message();
  EXPECT_EQ(again->to_json(), json);
  // The rows are found again.
  ask(*again, caller, kNow + 3 * kDay);
  EXPECT_EQ(again->rows().size(), table.rows().size());
}

// A file of an older version has no libraries, one of a newer version may have others.
TEST(TableTest, LibrariesOfOtherVersionsDoNoHarm) {
  Table table(kNow);
  const caller::Identity backup = a_caller("backup.service");
  table.record({.time = kNow,
                .caller = backup,
                .resource = "https://x",
                .identity = "",
                .outcome = "token",
                .library = token::Library::curl});
  const std::string json = table.to_json();
  const std::string_view here = R"("libraries":{"curl":1})";
  ASSERT_NE(json.find(here), std::string::npos) << json;
  for (const std::string_view there : {R"("another":7)", R"("libraries":{"curl":1,"later":5})"}) {
    std::string changed = json;
    changed.replace(json.find(here), here.size(), there);
    const Result<Table> read = Table::parse(changed);
    ASSERT_TRUE(read) << read.error().message();
    EXPECT_EQ(read->rows().front().requests, 1U);
    EXPECT_EQ(read->rows().front().libraries[static_cast<std::size_t>(token::Library::curl)],
              there == R"("another":7)" ? 0U : 1U);
  }
}

TEST(TableTest, JsonStaysInBoundsWhateverCallersAreCalled) {
  Table table(kNow);
  const std::string long_text(10'000, '\x01');  // six bytes each in JSON
  for (int i = 0; i < 600; ++i) {
    caller::Identity caller = a_caller("u" + std::to_string(i) + long_text, long_text);
    caller.container = caller.unknown_because = caller.user = caller.command_line = long_text;
    for (int use = 0; use < 20; ++use) {
      caller.uid = static_cast<uid_t>(use);
      const std::string name = std::to_string(use) + long_text;
      ask(table, caller, kNow + std::int64_t{1000} * i + use, name, "token", name);
    }
  }
  for (std::int64_t i = 0; i < 200; ++i) {
    table.mark_recording(kNow + (10 + i * 2) * kDay);
  }
  const std::string json = table.to_json();
  EXPECT_LE(json.size(), kMaxJson);
  EXPECT_GT(json.size(), kMaxJson * 3 / 4) << "not much is thrown away";
  const auto again = Table::parse(json);
  ASSERT_TRUE(again) << again.error().message();
  EXPECT_EQ(all_requests(*again), 12'000U);
  EXPECT_EQ(again->latest_first().front()->last_seen, kNow + 599'019);
}

}  // namespace
}  // namespace msi2imds::usage
