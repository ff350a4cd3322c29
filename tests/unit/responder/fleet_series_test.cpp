// SPDX-License-Identifier: MIT
#include "responder/fleet_series.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>

#include "admin/extension_state.hpp"

namespace msi2imds::responder {
namespace {

constexpr std::int64_t kTimeNow = 1'800'000'000;

class FleetSeriesTest : public testing::Test {
 protected:
  void call(const std::string& unit, const std::string& program, std::int64_t time,
            const std::string& container = "") {
    caller::Identity caller;
    caller.unit = unit;
    caller.program = program;
    caller.container = container;
    caller.command_line = program + " --secret=hunter2";
    table_.record({.time = time,
                   .caller = caller,
                   .resource = "https://vault.azure.net",
                   .identity = "01234567-89ab-cdef-0123-456789abcdef",
                   .outcome = "token"});
  }
  [[nodiscard]] std::string callers() const {
    metrics::Snapshot now;
    measure_callers(table_, now);
    return now.text();
  }
  [[nodiscard]] static std::string stage(bool redirecting, bool observing, std::string_view extension) {
    admin::Status status;
    status.redirecting = redirecting;
    status.observing = observing;
    metrics::Snapshot now;
    measure_stage(status, extension, now);
    return now.text();
  }

  usage::Table table_;
};

std::string sample(const std::string& unit, const std::string& program, std::int64_t time) {
  return fmt::format("msi2imds_caller_last_request_timestamp_seconds{{unit=\"{}\",program=\"{}\"}} {}\n",
                     unit, program, time);
}

std::size_t count(const std::string& text, const std::string& wanted) {
  std::size_t found = 0;
  for (std::size_t at = text.find(wanted); at != std::string::npos; at = text.find(wanted, at + 1)) {
    ++found;
  }
  return found;
}

TEST_F(FleetSeriesTest, TellsWhenEachCallerLastAsked) {
  call("a.service", "/usr/bin/a", kTimeNow - 60);
  call("b.service", "/usr/bin/b", kTimeNow);
  const std::string text = callers();
  EXPECT_NE(text.find(sample("b.service", "/usr/bin/b", kTimeNow) +
                      sample("a.service", "/usr/bin/a", kTimeNow - 60) + sample("(others)", "", 0)),
            std::string::npos)
      << text;
}

TEST_F(FleetSeriesTest, CallersBeyondTheLatestHaveOneSeriesTogether) {
  for (int i = 0; i < 100; ++i) {
    call(fmt::format("{}.service", i), "/usr/bin/a", kTimeNow - i);
  }
  const std::string text = callers();
  EXPECT_EQ(count(text, "\nmsi2imds_caller_last_request_timestamp_seconds{"), kMostCallerSeries + 1) << text;
  EXPECT_NE(text.find(sample("9.service", "/usr/bin/a", kTimeNow - 9)), std::string::npos) << text;
  EXPECT_NE(text.find(sample("(others)", "", kTimeNow - 10)), std::string::npos) << text;
}

TEST_F(FleetSeriesTest, CallersThatTheTableHadNoRoomForAreOthers) {
  for (int i = 0; i < 300; ++i) {
    call(fmt::format("{}.service", i), "/usr/bin/a", kTimeNow + i);
  }
  EXPECT_EQ(count(callers(), "(others)"), 1);
}

TEST_F(FleetSeriesTest, ContainersOfOneProgramHaveOneSeries) {
  call("docker-a.scope", "/bin/app", kTimeNow - 5, "a");
  call("docker-b.scope", "/bin/app", kTimeNow, "b");
  const std::string text = callers();
  EXPECT_NE(text.find(sample("(container)", "/bin/app", kTimeNow)), std::string::npos) << text;
  EXPECT_EQ(count(text, "/bin/app"), 1) << text;
}

TEST_F(FleetSeriesTest, NobodyTakesTheNameOfAnotherSeries) {
  call("", "", kTimeNow);
  call("", "(unknown)", kTimeNow - 1);
  call("", "(others)", kTimeNow - 2);
  const std::string text = callers();
  EXPECT_EQ(count(text, sample("", "(unknown)", kTimeNow)), 1) << text;
  EXPECT_EQ(count(text, "program=\"(unknown)\""), 1) << text;
  EXPECT_EQ(count(text, "unit=\"(others)\""), 1) << text;
}

TEST_F(FleetSeriesTest, NoLabelTellsWhatWasAskedForOrACommandLine) {
  call("a.service", "/usr/bin/a", kTimeNow);
  const std::string text = callers();
  for (const char* hidden : {"hunter2", "vault", "01234567"}) {
    EXPECT_EQ(text.find(hidden), std::string::npos) << text;
  }
}

TEST_F(FleetSeriesTest, TellsTheVerdict) {
  const auto verdict = [this] {
    metrics::Snapshot now;
    measure_verdict(table_, kTimeNow, 35, now);
    return now.text();
  };
  EXPECT_NE(verdict().find("{kind=\"not_known\"} 1\n"), std::string::npos) << verdict();
  call("a.service", "/usr/bin/a", kTimeNow - 60);
  EXPECT_NE(verdict().find("{kind=\"in_use\"} 1\n"), std::string::npos) << verdict();
  EXPECT_NE(verdict().find("{kind=\"can_be_retired\"} 0\n"), std::string::npos) << verdict();
  EXPECT_NE(verdict().find("{kind=\"not_known\"} 0\n"), std::string::npos) << verdict();
}

TEST_F(FleetSeriesTest, TellsTheStage) {
  EXPECT_NE(stage(false, true, "Enabled").find("{stage=\"observe\"} 1\n"), std::string::npos);
  EXPECT_NE(stage(true, false, "Enabled").find("{stage=\"cut_over\"} 1\n"), std::string::npos);
  EXPECT_NE(stage(true, false, "unknown").find("{stage=\"cut_over\"} 1\n"), std::string::npos);
  EXPECT_NE(stage(true, false, "NotInstalled").find("{stage=\"retired\"} 1\n"), std::string::npos);
  EXPECT_NE(stage(true, false, "none").find("{stage=\"retired\"} 1\n"), std::string::npos);
  EXPECT_NE(stage(false, false, "none").find("{stage=\"none\"} 1\n"), std::string::npos);
}

TEST_F(FleetSeriesTest, EachStateOfTheExtensionHasASeries) {
  for (const std::string_view state : admin::kExtensionStates) {
    const std::string text = stage(true, false, state);
    EXPECT_NE(text.find(fmt::format("msi2imds_extension_state{{state=\"{}\"}} 1\n", state)),
              std::string::npos);
    EXPECT_EQ(count(text, "\nmsi2imds_extension_state{"), admin::kExtensionStates.size());
    EXPECT_EQ(count(text, "} 1\n"), 2);  // one state, one stage
  }
}

}  // namespace
}  // namespace msi2imds::responder
