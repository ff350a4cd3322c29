// SPDX-License-Identifier: MIT
#include "caller/identity.hpp"

#include <gtest/gtest.h>

namespace msi2imds::caller {
namespace {

Identity someone() {
  Identity identity;
  identity.is_in_doubt = true;
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
  const auto read = parse_identity(serialize(identity));
  ASSERT_TRUE(read);
  EXPECT_EQ(*read, identity);
  const auto nobody = parse_identity(serialize({}));
  ASSERT_TRUE(nobody);
  EXPECT_EQ(*nobody, Identity());
}

// As long as Linux lets them be: a rule may go by any of them.
TEST(IdentityTest, LosesNothingOfTheLongestTexts) {
  Identity identity = someone();
  identity.program = "/" + std::string(4094, '\xff');
  identity.cgroup = "/" + std::string(4094, '\n');
  identity.command_line = std::string(4096, '"');
  identity.unit = std::string(255, 'u');
  const auto read = parse_identity(serialize(identity));
  ASSERT_TRUE(read);
  EXPECT_EQ(*read, identity);
}

// Half a path is the path of another program.
TEST(IdentityTest, LeavesOutAProgramThatIsTooLong) {
  Identity identity = someone();
  identity.program = "/" + std::string(10'000, 'x');
  const auto read = parse_identity(serialize(identity));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->program, "");
  EXPECT_FALSE(read->program_is_verified);
  EXPECT_EQ(read->unit, identity.unit);
}

TEST(IdentityTest, CutsACommandLineThatIsTooLong) {
  Identity identity = someone();
  identity.command_line = std::string(10'000, 'x');
  const auto read = parse_identity(serialize(identity));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->command_line, std::string(6000, 'x'));
}

TEST(IdentityTest, FitsWhateverItsTextsAre) {
  Identity identity = someone();
  for (std::string* text : {&identity.user, &identity.comm, &identity.program, &identity.command_line,
                            &identity.cgroup, &identity.unit, &identity.container, &identity.container_name,
                            &identity.container_image, &identity.unknown_because}) {
    *text = std::string(6000, '\xff');
  }
  identity.gids.assign(500, 4'000'000'000);
  EXPECT_LE(serialize(identity).size(), kLongestIdentity);
}

TEST(IdentityTest, DoesNotReadWhatItDidNotWrite) {
  const std::string whole = serialize(someone());
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(parse_identity(whole.substr(0, size))) << size;
  }
  EXPECT_FALSE(parse_identity(whole + "x"));
  std::string no_boolean = whole;
  no_boolean[0] = 2;
  EXPECT_FALSE(parse_identity(no_boolean));
  std::string many_groups = whole;
  many_groups[7 * sizeof(std::uint32_t) + 3] = '\x7f';
  EXPECT_FALSE(parse_identity(many_groups));
}

TEST(IdentityTest, HasOneSpellingForEachIdentity) {
  for (const Identity& identity : {Identity(), someone()}) {
    const std::string whole = serialize(identity);
    for (std::size_t place = 0; place < whole.size(); ++place) {
      std::string changed = whole;
      changed[place] ^= 7;
      if (const auto read = parse_identity(changed)) {
        EXPECT_EQ(serialize(*read), changed) << place;
      }
    }
  }
}

}  // namespace
}  // namespace msi2imds::caller
