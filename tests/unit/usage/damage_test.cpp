// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include "requests.hpp"
#include "usage/errors.hpp"
#include "usage/table.hpp"

namespace msi2imds::usage {
namespace {

std::string a_document() {
  Table table(kNow);
  for (int i = 0; i < 5; ++i) {
    ask(table, a_caller("unit-" + std::to_string(i)), kNow + i * kDay, "https://vault.azure.net", "token",
        "client");
  }
  for (int i = 0; i < 20; ++i) {
    ask(table, a_caller("unit-0"), kNow, "https://" + std::to_string(i));
  }
  const token::IdentitySelector named{.kind = token::SelectorKind::client_id, .value = "client"};
  caller::Identity without_uid = a_caller("unit-0");
  without_uid.uid.reset();
  table.record({kNow, without_uid, "https://vault.azure.net", named.value, "token", &named});
  table.mark_recording(kNow + 5 * kDay);
  return table.to_json();
}

TEST(DamageTest, ADocumentThatIsCutIsDamaged) {
  const std::string good = a_document();
  ASSERT_TRUE(Table::parse(good));
  for (std::size_t size = 0; size < good.size(); size += 100) {
    const auto table = Table::parse(std::string_view(good).substr(0, size));
    ASSERT_FALSE(table) << size;
    EXPECT_EQ(table.error().code(), Errc::damaged);
  }
}

TEST(DamageTest, AByteThatChangesNeverBreaksMoreThanTheDocument) {
  const std::string good = a_document();
  for (std::size_t place = 0; place < good.size(); ++place) {
    for (const char byte : {'\0', '"', '{', '9', '-', '\xff'}) {
      std::string text = good;
      text[place] = byte;
      const auto table = Table::parse(text);
      if (table) {
        EXPECT_LE(table->to_json().size(), kMaxJson);
      }
    }
  }
}

TEST(DamageTest, SaysWhatIsDamaged) {
  const std::string huge = "99999999999999999999999";
  struct Case {
    std::string from;
    std::string to;
    std::string complaint;
  };
  for (const auto& [from, to, complaint] : {
           Case{R"("format":"msi2imds callers")", R"("format":"diary")", "document is of another format"},
           Case{R"("version":1)", R"("version":0)", "version is not known"},
           Case{R"("version":1)", R"("version":"1")", "version is not a number"},
           Case{R"("recorded":[[)", R"("recorded":[7,[)", "recorded[0] is not two times"},
           Case{R"("recorded":[[)", R"("recorded":[[5,4],[)", "recorded[0] is not in order"},
           Case{R"("recorded":[[)", R"("recorded":[[-1,4],[)", "recorded[0] is not a number"},
           Case{R"("callers":[)", R"("callers":[[],)", "callers[0] is not an object"},
           Case{R"("callers":[)", R"("callers":{"a":[)", "no JSON"},
           Case{R"("unit":"unit-4")", R"("unit":4)", "callers[0].unit is not a text"},
           Case{R"("unit":"unit-4")", R"("unit":")" + std::string(300, 'x') + '"', "unit is longer than 256"},
           Case{R"("unit":"unit-4")", R"("tinu":"unit-4")", "callers[0] has no \"unit\""},
           Case{R"("is_others":false)", R"("is_others":0)", "callers[0].is_others is neither"},
           Case{R"("uid":1000)", R"("uid":4294967296)", "callers[0].users[0].uid is not a number"},
           Case{R"("pid":4711)", R"("pid":)" + huge, "callers[0].pid is not a number"},
           Case{R"("requests":1)", R"("requests":1.5)", "callers[0].requests is not a number"},
           Case{R"("requests":1)", R"("requests":)" + huge, "callers[0].requests is not a number"},
           Case{R"("token":1)", R"("token":[])", "callers[0].outcomes.token is not a number"},
           Case{R"("days":[)", R"("days":[[1],)", "callers[0].days[0] is not a day and a count"},
           Case{R"("days":[)", R"("days":[[99999,1],)", "callers[0].days[1] is not later"},
           Case{R"("resources":[)", R"("resources":[null,)", "callers[0].resources[0] is not an object"},
           Case{R"("resources":[)", R"("resources":[1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,)",
                "more than 16 elements"},
       }) {
    std::string text = a_document();
    const std::size_t place = text.find(from);
    ASSERT_NE(place, std::string::npos) << from << " in " << text;
    text.replace(place, from.size(), to);
    const auto table = Table::parse(text);
    ASSERT_FALSE(table) << to;
    EXPECT_EQ(table.error().code(), Errc::damaged);
    EXPECT_NE(table.error().message().find(complaint), std::string::npos) << to << "\n"
                                                                          << table.error().message() << "\n"
                                                                          << complaint;
  }
}

TEST(DamageTest, AnotherDocumentIsDamaged) {
  for (const char* text : {"", "null", "[]", "{}", "\"\"", "7", "\xff", "{\"format\":1}"}) {
    const auto table = Table::parse(text);
    ASSERT_FALSE(table) << text;
    EXPECT_EQ(table.error().code(), Errc::damaged);
  }
  EXPECT_FALSE(Table::parse(std::string(100'000, '[')));
  EXPECT_FALSE(Table::parse(a_document() + std::string(kMaxJson, ' ')));
}

TEST(DamageTest, ANewerDocumentIsNotDamaged) {
  const auto table = Table::parse(R"({"format":"msi2imds callers","version":2,"callers":"otherwise"})");
  ASSERT_FALSE(table);
  EXPECT_EQ(table.error().code(), Errc::newer_version);
  EXPECT_EQ(table.error().message(),
            "read format 2 of callers: the record of callers was made by a newer version of msi2imds");
}

}  // namespace
}  // namespace msi2imds::usage
