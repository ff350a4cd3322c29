// SPDX-License-Identifier: MIT
#include "doctor/report.hpp"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

namespace msi2imds::doctor {
namespace {

TEST(ReportTest, TextHasALineForEachFindingAndItsAdviceBelow) {
  EXPECT_EQ(
      to_text({ok("machine", "Fine."), warning("ports", "Odd.", "Look."), error("imds", "Bad.", "Mend.")}),
      "ok       machine    Fine.\n"
      "warning  ports      Odd.\n"
      "                    -> Look.\n"
      "error    imds       Bad.\n"
      "                    -> Mend.\n"
      "\n"
      "1 error, 1 warning, 1 ok\n");
}

TEST(ReportTest, JsonHasAllOfIt) {
  EXPECT_EQ(to_json({ok("machine", "Fine."), warning("ports", "Odd.", "Look.")}),
            R"({"findings":[{"check":"machine","level":"ok","text":"Fine.","advice":""},)"
            R"({"check":"ports","level":"warning","text":"Odd.","advice":"Look."}],"worst":"warning"})");
}

TEST(ReportTest, WhatIsNotKnownIsNullAndWorseThanAWarning) {
  const Findings findings{warning("ports", "Odd.", "Look."), unknown("backend", "Unseen.")};
  EXPECT_EQ(
      to_json(findings),
      R"({"findings":[{"check":"ports","level":"warning","text":"Odd.","advice":"Look."},)"
      R"({"check":"backend","level":null,"text":"Unseen.","advice":"Run doctor as root: sudo msi2imds doctor."}],)"
      R"("worst":null})");
  EXPECT_TRUE(to_text(findings).ends_with("0 errors, 1 warning, 1 unknown, 0 ok\n")) << to_text(findings);
  EXPECT_EQ(worst_of({unknown("a", "b"), error("c", "d", "e")}), Level::error);
}

TEST(ReportTest, WhatStrangersChoseIsEscaped) {
  const Findings findings{warning("ports", "a\n\x1b[31m\"\xff listens", "\x07")};
  for (const std::string& text : {to_text(findings), to_json(findings)}) {
    EXPECT_EQ(text.find_first_of("\x1b\x07\xff"), std::string::npos) << text;
  }
  EXPECT_NE(to_text(findings).find("a\\x0a\\x1b[31m\"\\xff listens"), std::string::npos);
  EXPECT_NO_THROW((void)boost::json::parse(to_json(findings)));
}

}  // namespace
}  // namespace msi2imds::doctor
