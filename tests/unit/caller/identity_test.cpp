// SPDX-License-Identifier: MIT
#include "caller/identity.hpp"

#include <gtest/gtest.h>

namespace msi2imds::caller {
namespace {

constexpr std::size_t kRoomy = 10'000;

Identity someone() {
  Identity identity;
  identity.uid = 1000;
  identity.user = "alice";
  identity.pid = 4711;
  identity.gids = {1000, 27};
  identity.comm = "back\nup\x1b[31m";
  identity.program = "/usr/bin/<script>\xff\xc3\xa9\"\\";
  identity.program_is_verified = true;
  identity.command_line = "backup --all";
  identity.cgroup = "/system.slice/backup.service";
  identity.unit = "backup.service";
  return identity;
}

TEST(IdentityTest, SurvivesTheJourneyByteForByte) {
  const Identity identity = someone();
  const auto read = parse_identity(to_json(identity, kRoomy));
  ASSERT_TRUE(read);
  EXPECT_EQ(*read, identity);
  const auto nobody = parse_identity(to_json({}, kRoomy));
  ASSERT_TRUE(nobody);
  EXPECT_EQ(*nobody, Identity());
}

TEST(IdentityTest, GivesUpTheCommandLineFirstWhereRoomIsShort) {
  Identity identity = someone();
  identity.command_line = std::string(5000, '\n');
  const std::string text = to_json(identity, 999);
  EXPECT_LE(text.size(), 999U);
  const auto read = parse_identity(text);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->program, identity.program);
  EXPECT_TRUE(read->program_is_verified);
  EXPECT_LT(read->command_line.size(), 5000U);
}

// Half a path is the path of another program.
TEST(IdentityTest, LeavesOutAProgramThatDoesNotFit) {
  Identity identity = someone();
  identity.program = "/" + std::string(4000, 'x');
  const auto read = parse_identity(to_json(identity, 999));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->program, "");
  EXPECT_FALSE(read->program_is_verified);
  EXPECT_EQ(read->unit, identity.unit);
}

TEST(IdentityTest, FitsWhateverItsTextsAre) {
  Identity identity = someone();
  for (std::string* text :
       {&identity.user, &identity.comm, &identity.program, &identity.command_line, &identity.cgroup,
        &identity.unit, &identity.container, &identity.unknown_because}) {
    *text = std::string(3000, '\xff');
  }
  identity.gids.assign(500, 4'000'000'000);
  EXPECT_LE(to_json(identity, 999).size(), 999U);
}

TEST(IdentityTest, DoesNotReadWhatItDidNotWrite) {
  for (const char* text : {"", "{", "[]", "{}", R"({"verified":1})", R"({"verified":true,"uid":"x"})",
                           R"({"verified":true,"uid":-1})", R"({"verified":true,"gids":["a"]})",
                           R"({"verified":true,"comm":5})"}) {
    EXPECT_FALSE(parse_identity(text)) << text;
  }
}

}  // namespace
}  // namespace msi2imds::caller
