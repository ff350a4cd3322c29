// SPDX-License-Identifier: MIT
#include "imds_emulator/request_log.hpp"

#include <gtest/gtest.h>

#include <boost/json/object.hpp>

#include "unit/imds_emulator/requests.hpp"

namespace msi2imds::emulator {
namespace {

RequestLog::Id add(RequestLog& log, const Request& request, std::uint16_t port = 1) {
  return log.add(request, parse_question(request), port, std::chrono::system_clock::time_point());
}

TEST(RequestLogTest, ShowsARequestBeforeAndAfterItsAnswer) {
  RequestLog log;
  const Request request = token_request_for("mi_res_id=%2Fsubscriptions%2Fs");
  const auto id = add(log, request, 4711);
  EXPECT_EQ(log.to_json().at(0).at("status").as_uint64(), 0U);

  log.set_status(id, 400);
  const auto entry = log.to_json().at(0).as_object();
  EXPECT_EQ(entry.at("status").as_uint64(), 400U);
  EXPECT_EQ(entry.at("method").as_string(), "GET");
  EXPECT_EQ(entry.at("target").as_string(), request.target);
  EXPECT_EQ(entry.at("resource").as_string(), "https://vault.azure.net");
  EXPECT_EQ(entry.at("selector").at("kind").as_string(), "msi_res_id");
  EXPECT_EQ(entry.at("selector").at("value").as_string(), "/subscriptions/s");
  EXPECT_EQ(entry.at("headers").at("metadata").as_string(), "True");
  EXPECT_EQ(entry.at("source_port").as_uint64(), 4711U);
}

TEST(RequestLogTest, KeepsTheLastThousandInOrder) {
  RequestLog log;
  for (std::uint16_t port = 1; port <= 1500; ++port) {
    (void)add(log, token_request(), port);
  }
  const auto entries = log.to_json();
  ASSERT_EQ(entries.size(), 1000U);
  EXPECT_EQ(entries.front().at("source_port").as_uint64(), 501U);
  EXPECT_EQ(entries.back().at("source_port").as_uint64(), 1500U);
}

TEST(RequestLogTest, ForgetsAllWhenCleared) {
  RequestLog log;
  const auto before = add(log, token_request(), 1);
  log.clear();
  EXPECT_TRUE(log.to_json().empty());
  (void)add(log, token_request(), 2);
  log.set_status(before, 500);
  ASSERT_EQ(log.to_json().size(), 1U);
  EXPECT_EQ(log.to_json().at(0).at("status").as_uint64(), 0U);
}

TEST(RequestLogTest, ShowsBothValuesOfAHeaderThatStandsTwice) {
  RequestLog log;
  Request request = token_request();
  request.headers.push_back({.name = "Metadata", .value = "false"});
  request.headers.push_back({.name = "metadata", .value = "maybe"});
  (void)add(log, request);
  EXPECT_EQ(log.to_json().at(0).at("headers").at("metadata").as_string(), "True, maybe");
}

TEST(RequestLogTest, TurnsBytesThatAreNoUtf8IntoText) {
  RequestLog log;
  Request request = token_request();
  request.headers.push_back({.name = "X", .value = "\xc3\xa4\xff"});
  (void)add(log, request);
  EXPECT_EQ(log.to_json().at(0).at("headers").at("X").as_string(), "\xc3\xa4\xc3\xbf");
}

}  // namespace
}  // namespace msi2imds::emulator
