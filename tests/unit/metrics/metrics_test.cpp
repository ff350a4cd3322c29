// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <string>

#include "metrics/snapshot.hpp"
#include "metrics/text.hpp"

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

TEST(TextTest, WritesFamiliesAndSamples) {
  Text text;
  text.counter("a_total", "Help.");
  text.add(5, {{"x", "1"}, {"y", "2"}});
  text.gauge("b", "Other help.");
  text.add(0.5);
  EXPECT_EQ(text.take(),
            "# HELP a_total Help.\n# TYPE a_total counter\na_total{x=\"1\",y=\"2\"} 5\n"
            "# HELP b Other help.\n# TYPE b gauge\nb 0.5\n");
}

TEST(TextTest, WritesHistogramsThatAddUp) {
  Histogram histogram;
  histogram.observe(std::chrono::milliseconds(1));
  histogram.observe(std::chrono::hours(1));
  Text text;
  text.histogram("h", "Help.");
  text.add(histogram, {{"x", "1"}});
  const std::string out = text.take();
  EXPECT_NE(out.find("h_bucket{x=\"1\",le=\"0.0005\"} 0\n"), std::string::npos) << out;
  EXPECT_NE(out.find("h_bucket{x=\"1\",le=\"0.001\"} 1\n"), std::string::npos) << out;
  EXPECT_NE(out.find("h_bucket{x=\"1\",le=\"75\"} 1\n"), std::string::npos) << out;
  EXPECT_NE(out.find("h_bucket{x=\"1\",le=\"+Inf\"} 2\n"), std::string::npos) << out;
  EXPECT_NE(out.find("h_sum{x=\"1\"} 3600.001\n"), std::string::npos) << out;
  EXPECT_NE(out.find("h_count{x=\"1\"} 2\n"), std::string::npos) << out;
}

TEST(TextTest, KeepsStrangersTextsWithinTheirQuotes) {
  Text text;
  text.gauge("b", "Help.");
  text.add(1, {{"x", "a\nb\"} 5\n<script>\x1b\\"}});
  EXPECT_EQ(text.take(),
            "# HELP b Help.\n# TYPE b gauge\nb{x=\"a\\\\x0ab\\\"} 5\\\\x0a<script>\\\\x1b\\\\\\\\\"} 1\n");
}

TEST(SnapshotTest, SaysNothingOfClocksBeforeTheyWereCompared) {
  const std::string name = "msi2imds_upstream_clock_skew_seconds";
  EXPECT_EQ(render({}).find(name), std::string::npos);
  Snapshot snapshot;
  for (const std::string shown : {"-3600", "0", "61"}) {
    snapshot.clock_ahead = std::stod(shown);
    EXPECT_NE(render(snapshot).find("\n" + name + " " + shown + "\n"), std::string::npos) << shown;
  }
}

TEST(SnapshotTest, CountsRestartsFromTheSecondStart) {
  EXPECT_NE(render({}).find("msi2imds_responder_restarts_total 0\n"), std::string::npos);
  Snapshot snapshot;
  snapshot.responders_started = 3;
  EXPECT_NE(render(snapshot).find("msi2imds_responder_restarts_total 2\n"), std::string::npos);
}

}  // namespace
}  // namespace msi2imds::metrics
