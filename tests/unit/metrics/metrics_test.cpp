// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <string>

#include "metrics/snapshot.hpp"

namespace msi2imds::metrics {
namespace {

TEST(HistogramTest, CountsEachTimeOnce) {
  Histogram histogram;
  histogram.observe(std::chrono::microseconds(100));
  histogram.observe(std::chrono::microseconds(101));
  histogram.observe(std::chrono::hours(1));
  EXPECT_EQ(histogram.count(), 3U);
  EXPECT_EQ(histogram.buckets().front(), 1U) << "a bound belongs to its step";
  EXPECT_EQ(histogram.buckets()[1], 1U);
  EXPECT_EQ(histogram.buckets().back(), 1U);
  EXPECT_NEAR(histogram.sum(), 3600.000201, 1e-9);
}

TEST(FamiliesTest, WritesThemInTheirOrder) {
  Families families;
  Family& first = families.counter("a_total", "Help.");
  Family& second = families.gauge("b", "Other help.");
  second = 0.5;
  first.add(5, {{"x", "1"}, {"y", "2"}});
  EXPECT_EQ(families.text(),
            "# HELP a_total Help.\n# TYPE a_total counter\na_total{x=\"1\",y=\"2\"} 5\n"
            "# HELP b Other help.\n# TYPE b gauge\nb 0.5\n");
}

TEST(FamilyTest, ShowsNothingWithoutASample) {
  EXPECT_EQ(Family("a_total", "Help.", "counter").text(), "");
}

TEST(FamilyTest, TheLastValueCounts) {
  Family family("a", "Help.", "gauge");
  family = 1;
  family = std::uint64_t{2};
  EXPECT_EQ(family.text(), "# HELP a Help.\n# TYPE a gauge\na 2\n");
  family = Histogram();
  family = Histogram();
  EXPECT_EQ(family.text().find("a_count 0\n"), family.text().rfind("a_count 0\n"));
}

TEST(FamilyTest, WritesHistogramsThatAddUp) {
  Histogram histogram;
  histogram.observe(std::chrono::milliseconds(1));
  histogram.observe(std::chrono::hours(1));
  Family family("h", "Help.", "histogram");
  family.add(histogram, {{"x", "1"}});
  const std::string out = family.text();
  EXPECT_NE(out.find("h_bucket{x=\"1\",le=\"0.0005\"} 0\n"), std::string::npos) << out;
  EXPECT_NE(out.find("h_bucket{x=\"1\",le=\"0.001\"} 1\n"), std::string::npos) << out;
  EXPECT_NE(out.find("h_bucket{x=\"1\",le=\"75\"} 1\n"), std::string::npos) << out;
  EXPECT_NE(out.find("h_bucket{x=\"1\",le=\"+Inf\"} 2\n"), std::string::npos) << out;
  EXPECT_NE(out.find("h_sum{x=\"1\"} 3600.001\n"), std::string::npos) << out;
  EXPECT_NE(out.find("h_count{x=\"1\"} 2\n"), std::string::npos) << out;
}

TEST(FamilyTest, KeepsStrangersTextsWithinTheirQuotes) {
  Family family("b", "Help.", "gauge");
  family.add(1, {{"x", "a\nb\"} 5\n<script>\x1b\\"}});
  EXPECT_EQ(family.text(),
            "# HELP b Help.\n# TYPE b gauge\nb{x=\"a\\\\x0ab\\\"} 5\\\\x0a<script>\\\\x1b\\\\\\\\\"} 1\n");
}

TEST(SnapshotTest, SaysNothingOfClocksBeforeTheyWereCompared) {
  const std::string name = "msi2imds_upstream_clock_skew_seconds";
  EXPECT_EQ(Snapshot().text().find(name), std::string::npos);
  Snapshot snapshot;
  for (const std::string shown : {"-3600", "0", "61"}) {
    snapshot.clock_ahead = std::stod(shown);
    EXPECT_NE(snapshot.text().find("\n" + name + " " + shown + "\n"), std::string::npos) << shown;
  }
}

}  // namespace
}  // namespace msi2imds::metrics
