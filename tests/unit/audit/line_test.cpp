// SPDX-License-Identifier: MIT
#include "audit/line.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json/parse.hpp>

namespace msi2imds::audit {
namespace {

constexpr std::chrono::system_clock::time_point kTime(std::chrono::microseconds(1'764'072'000'000'123));

caller::Identity backup() {
  caller::Identity caller;
  caller.uid = 34;
  caller.user = "backup";
  caller.pid = 4711;
  caller.comm = "backup";
  caller.program = "/usr/bin/backup";
  caller.unit = "backup.service";
  return caller;
}

std::string line_of(const caller::Identity& caller, Format format, std::string_view resource = "https://r/",
                    std::string_view policy = "", std::string_view rule = "") {
  std::string out;
  append(out,
         {.time = kTime,
          .caller = caller,
          .resource = resource,
          .identity = "",
          .identity_by = "imds",
          .identity_rule = "",
          .outcome = "token",
          .source = "cache",
          .duration = std::chrono::microseconds(85),
          .policy = policy,
          .rule = rule},
         format);
  return out;
}

TEST(AuditLineTest, IsReadableByPeople) {
  EXPECT_EQ(
      line_of(backup(), Format::text),
      "2025-11-25T12:00:00.000123Z pid=4711 uid=34 user=backup program=/usr/bin/backup unit=backup.service "
      "resource=https://r/ identity=- identity_by=imds outcome=token source=cache duration_us=85\n");
}

TEST(AuditLineTest, HasTheKeysThatScriptsRelyOn) {
  EXPECT_EQ(
      line_of(backup(), Format::json),
      R"({"time":"2025-11-25T12:00:00.000123Z","pid":4711,"uid":34,"user":"backup",)"
      R"("program":"/usr/bin/backup","unit":"backup.service","resource":"https://r/","identity":"","identity_by":"imds",)"
      R"("outcome":"token","source":"cache","duration_us":85})"
      "\n");
}

TEST(AuditLineTest, SaysWhatIsNotKnownAndWhy) {
  caller::Identity caller;
  caller.comm = "curl";
  caller.cgroup = "/user.slice";
  caller.unknown_because = "process 4711 has ended";
  EXPECT_EQ(line_of(caller, Format::text, "r", "would be refused", "f:3"),
            "2025-11-25T12:00:00.000123Z pid=- uid=- user=- program=- unit=/user.slice resource=r identity=- "
            "identity_by=imds outcome=token source=cache duration_us=85 comm=curl policy=\"would be "
            "refused\" rule=f:3 "
            "unknown=\"process 4711 has ended\"\n");
  EXPECT_NE(line_of(caller, Format::json).find(R"("pid":null,"uid":null)"), std::string::npos);
}

TEST(AuditLineTest, NamesTheContainer) {
  caller::Identity caller = backup();
  caller.container = "0123456789ab";
  caller.container_name = "shop/shop-7d9f/app";
  caller.container_image = "registry/app:2";
  EXPECT_TRUE(line_of(caller, Format::text)
                  .ends_with(" container=0123456789ab container_name=shop/shop-7d9f/app "
                             "container_image=registry/app:2\n"));
}

TEST(AuditLineTest, StaysOneLineWhateverStrangersChoose) {
  const std::string hostile = "a\nb\x1b[31m<script> \"\\\xff";
  caller::Identity caller = backup();
  caller.program.clear();
  for (std::string* text : {&caller.comm, &caller.unit, &caller.user, &caller.container,
                            &caller.container_name, &caller.container_image, &caller.unknown_because}) {
    *text = hostile;
  }
  for (const Format format : {Format::text, Format::json}) {
    const std::string line = line_of(caller, format, hostile);
    EXPECT_EQ(std::ranges::count(line, '\n'), 1) << line;
    EXPECT_EQ(std::ranges::count_if(line, [](char c) { return c < 0x20 || c == 0x7f; }), 1) << line;
  }
  const auto document = boost::json::parse(line_of(caller, Format::json, hostile));
  EXPECT_EQ(document.at("comm").as_string(), "a\nb\x1b[31m<script> \"\\\xc3\xbf");
  EXPECT_NE(line_of(caller, Format::text).find(R"(unit="a\x0ab\x1b[31m<script> \"\\\xff")"),
            std::string::npos);
}

TEST(AuditLineTest, TellsWhoseIdentityItWasAndWhoChoseIt) {
  const caller::Identity caller;
  std::string out;
  append(out,
         {.time = kTime,
          .caller = caller,
          .resource = "r",
          .identity = "id",
          .identity_by = "rule",
          .identity_rule = "for backups",
          .outcome = "token",
          .source = "imds",
          .duration = std::chrono::microseconds(1),
          .policy = "allowed",
          .rule = "all"},
         Format::text);
  EXPECT_NE(out.find(" identity=id identity_by=rule outcome=token "), std::string::npos) << out;
  EXPECT_NE(out.find(" identity_rule=\"for backups\" policy=allowed rule=all"), std::string::npos) << out;
}

TEST(AuditLineTest, TellsHowManyWereLeftOut) {
  std::string out;
  append_left_out(out, kTime, 7, Kind::token, backup(), Format::text);
  append_left_out(out, kTime, 7, Kind::refusal, backup(), Format::json);
  EXPECT_EQ(out,
            "2025-11-25T12:00:00.000123Z left_out=7 of=token uid=34 user=backup program=/usr/bin/backup "
            "unit=backup.service\n"
            R"({"time":"2025-11-25T12:00:00.000123Z","left_out":7,"of":"refusal","uid":34,"user":"backup",)"
            R"("program":"/usr/bin/backup","unit":"backup.service"})"
            "\n");
}

// The date is written once for all lines of a second.
TEST(AuditLineTest, TellsTheTimeOfEachLine) {
  std::string out;
  for (const int microseconds : {0, 999'999, 1'000'000, -1, 0}) {
    append_left_out(out, kTime + std::chrono::microseconds(microseconds - 123), 1, Kind::token, {},
                    Format::text);
  }
  std::string times;
  for (std::size_t begin = 0; begin < out.size(); begin = out.find('\n', begin) + 1) {
    times += out.substr(begin, out.find(' ', begin) - begin) + "\n";
  }
  EXPECT_EQ(times,
            "2025-11-25T12:00:00.000000Z\n2025-11-25T12:00:00.999999Z\n2025-11-25T12:00:01.000000Z\n"
            "2025-11-25T11:59:59.999999Z\n2025-11-25T12:00:00.000000Z\n");
}

}  // namespace
}  // namespace msi2imds::audit
