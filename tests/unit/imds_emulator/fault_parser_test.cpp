// SPDX-License-Identifier: MIT
#include "imds_emulator/fault_parser.hpp"

#include <gtest/gtest.h>

namespace msi2imds::emulator {
namespace {

constexpr std::chrono::steady_clock::time_point kParsedAt{std::chrono::hours(1)};

auto parse(const std::string& faults) {
  return parse_faults(R"({"faults":[)" + faults + "]}", kParsedAt);
}

TEST(FaultParserTest, ReadsAStatusWithAllItsSettings) {
  const auto faults = parse(
      R"({"kind":"status","status":429,"retry_after":7,"html":true,"body":"<b>","count":3,"match":"vault"})");
  ASSERT_TRUE(faults);
  const Fault& fault = faults->at(0);
  EXPECT_EQ(fault.kind, FaultKind::status);
  EXPECT_EQ(fault.status, 429U);
  EXPECT_EQ(fault.retry_after, 7);
  EXPECT_TRUE(fault.html);
  EXPECT_EQ(fault.body, "<b>");
  EXPECT_EQ(fault.remaining, 3U);
  EXPECT_EQ(fault.match, "vault");
}

TEST(FaultParserTest, KeepsTheOrder) {
  const auto faults = parse(R"({"kind":"hang"},{"kind":"delay","ms":20},{"kind":"reset"})");
  ASSERT_TRUE(faults);
  ASSERT_EQ(faults->size(), 3U);
  EXPECT_EQ(faults->at(0).kind, FaultKind::hang);
  EXPECT_EQ(faults->at(1).kind, FaultKind::delay);
  EXPECT_EQ(faults->at(1).duration, std::chrono::milliseconds(20));
  EXPECT_EQ(faults->at(2).kind, FaultKind::reset);
}

TEST(FaultParserTest, AppliesToOneRequestUnlessToldOtherwise) {
  EXPECT_EQ(parse(R"({"kind":"close"})")->at(0).remaining, 1U);
}

TEST(FaultParserTest, ReadsInterimAnswers) {
  const auto faults =
      parse(R"({"kind":"interim","status":103,"times":9,"ms":80},{"kind":"interim","status":100})");
  ASSERT_TRUE(faults);
  EXPECT_EQ(faults->at(0).status, 103U);
  EXPECT_EQ(faults->at(0).times, 9U);
  EXPECT_EQ(faults->at(0).duration, std::chrono::milliseconds(80));
  EXPECT_EQ(faults->at(1).times, 1U);
  EXPECT_FALSE(faults->at(1).duration);
}

TEST(FaultParserTest, TurnsSecondsActiveIntoATime) {
  const auto faults = parse(R"({"kind":"status","status":410,"seconds_active":1.5})");
  ASSERT_TRUE(faults);
  EXPECT_EQ(faults->at(0).expires, kParsedAt + std::chrono::milliseconds(1500));
  EXPECT_EQ(faults->at(0).remaining, 0U);
}

TEST(FaultParserTest, KnowsEveryKind) {
  for (const char* fault :
       {R"({"kind":"html"})", R"({"kind":"truncated"})", R"({"kind":"slow_drip","seconds":1})",
        R"({"kind":"hang","seconds":1})", R"({"kind":"oversized","bytes":10})",
        R"({"kind":"wrong_content_type"})", R"({"kind":"integers"})", R"({"kind":"garbage_json"})",
        R"({"kind":"missing_field","field":"a"})", R"({"kind":"override_field","field":"a","value":null})",
        R"({"kind":"expired"})", R"({"kind":"stale_close"})", R"({"kind":"interim","status":103})",
        R"({"kind":"duplicate"})", R"({"kind":"wrong_resource"})", R"({"kind":"wrong_client_id"})",
        R"({"kind":"dead_connection"})"}) {
    EXPECT_TRUE(parse(fault)) << fault;
  }
}

TEST(FaultParserTest, NamesWhatIsWrong) {
  const std::pair<const char*, const char*> wrong[] = {
      {R"({})", "'kind'"},
      {R"({"kind":7})", "'kind'"},
      {R"({"kind":"sneeze"})", "'sneeze' is unknown"},
      {R"({"kind":"status"})", "it needs 'status'"},
      {R"({"kind":"status","status":99})", "'status'"},
      {R"({"kind":"status","status":"500"})", "'status'"},
      {R"({"kind":"status","status":500.5})", "a whole number"},
      {R"({"kind":"reset","status":500})", "it has no 'status'"},
      {R"({"kind":"dead_connection","seconds":1})", "it has no 'seconds'"},
      {R"({"kind":"hang","count":-1})", "'count'"},
      {R"({"kind":"hang","count":1,"seconds_active":1})", "exclude each other"},
      {R"({"kind":"slow_drip"})", "it needs 'seconds'"},
      {R"({"kind":"interim"})", "it needs 'status'"},
      {R"({"kind":"interim","status":200})", "'status'"},
      {R"({"kind":"interim","status":103,"times":0})", "'times'"},
      {R"({"kind":"status","status":199})", "'status'"},
      {R"({"kind":"duplicate","times":2})", "it has no 'times'"},
      {R"({"kind":"wrong_resource","resource":1})", "a string"},
      {R"({"kind":"override_field","field":"a"})", "it needs 'value'"},
      {R"({"kind":"missing_field","field":1})", "a string"},
      {R"({"kind":"status","status":500,"html":1})", "true or false"},
      {R"("reset")", "expected an object"},
  };
  for (const auto& [document, reason] : wrong) {
    const auto faults = parse(document);
    ASSERT_FALSE(faults) << document;
    EXPECT_NE(faults.error().message().find(reason), std::string::npos) << faults.error().message();
  }
}

TEST(FaultParserTest, RefusesADocumentOfAnotherShape) {
  for (const char* document :
       {"", "[]", "{}", R"({"faults":{}})", R"({"faults":[],"more":1})", R"({"faults":[)"}) {
    EXPECT_FALSE(parse_faults(document, kParsedAt)) << document;
  }
}

TEST(FaultParserTest, TakesNothingWhenOneFaultIsWrong) {
  EXPECT_FALSE(parse(R"({"kind":"reset"},{"kind":"sneeze"})"));
}

}  // namespace
}  // namespace msi2imds::emulator
