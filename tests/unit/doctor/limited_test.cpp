// SPDX-License-Identifier: MIT
#include "doctor/limited.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <stdexcept>

namespace msi2imds::doctor {
namespace {

constexpr std::chrono::seconds kLong{30};

TEST(LimitedTest, HandsOverWhatWasFound) {
  Findings findings{ok("a", "fine"), warning("b", std::string(200'000, 'x'), "do"), unknown("d", "unseen"),
                    error("c", "bad\n", "")};
  EXPECT_EQ(look_limited("x", kLong, [&findings] { return Findings(findings); }), findings);
}

TEST(LimitedTest, HandsOverNothing) {
  EXPECT_EQ(look_limited("x", kLong, [] { return Findings(); }), Findings());
}

TEST(LimitedTest, OneThatHangsIsAWarning) {
  const Findings findings = look_limited("x", std::chrono::milliseconds(1), []() -> Findings {
    while (true) {
      ::pause();
    }
  });
  ASSERT_EQ(findings.size(), 1);
  EXPECT_EQ(findings[0].check, "x");
  EXPECT_EQ(findings[0].level, Level::warning);
  EXPECT_NE(findings[0].text.find("did not finish in time"), std::string::npos);
}

TEST(LimitedTest, OneThatCrashesIsAWarning) {
  const Findings findings = look_limited("x", kLong, []() -> Findings {
    (void)::raise(SIGKILL);
    return {};
  });
  ASSERT_EQ(findings.size(), 1);
  EXPECT_EQ(findings[0].level, Level::warning);
}

TEST(LimitedTest, OneThatThrowsIsAWarning) {
  const Findings findings =
      look_limited("x", kLong, []() -> Findings { throw std::runtime_error("no more"); });
  ASSERT_EQ(findings.size(), 1);
  EXPECT_EQ(findings[0].level, Level::warning);
}

}  // namespace
}  // namespace msi2imds::doctor
