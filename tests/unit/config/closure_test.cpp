// SPDX-License-Identifier: MIT
#include "config/closure.hpp"

#include <gtest/gtest.h>

#include "config/read.hpp"

namespace msi2imds::config {
namespace {

using Uids = std::vector<std::uint32_t>;
using Notes = std::vector<std::string>;

const std::string kCloses = "[policy]\nmode = 'enforce'\nclose_imds = true\n";

Config with(const std::string& toml) {
  const Result<Config> config = parse(toml, "f");
  EXPECT_TRUE(config) << config.error().message();
  return config ? *config : Config();
}

TEST(ClosureTest, ClosesImdsOnlyWhereSomebodyIsRefused) {
  EXPECT_TRUE(closes_imds(with(kCloses)));
  EXPECT_FALSE(closes_imds(with(kCloses + "default = 'allow'\n")));
  EXPECT_FALSE(closes_imds(with("policy.close_imds = true")));
  EXPECT_FALSE(closes_imds(with("policy.mode = 'enforce'")));
}

TEST(ClosureTest, LetsRootThroughAndEveryUserWhomARuleNames) {
  EXPECT_EQ(users_let_through(with(kCloses)), Uids{0});
  EXPECT_EQ(users_let_through(with(kCloses + "[[allow]]\nuid = [7, 5]\nunit = 'a.service'\n"
                                             "[[allow]]\ngid = 9\n[[allow]]\nuid = 7")),
            (Uids{0, 5, 7}));
}

TEST(ClosureTest, SaysToWhomImdsIsClosedAndWhatOfRulesThatDoesNotTell) {
  EXPECT_EQ(notes_on_closure(with("policy.mode = 'enforce'")), Notes());
  EXPECT_EQ(notes_on_closure(with(kCloses)),
            Notes{"policy.close_imds closes http://169.254.169.254 to all users but root"});
  EXPECT_EQ(notes_on_closure(with(kCloses + "[[allow]]\nname = 'a'\nuid = [5, 7]\n[[allow]]\ngid = 9\n"
                                            "[[allow]]\nname = 'c'\nuid = 7\nresource = 'https://*'")),
            (Notes{"policy.close_imds closes http://169.254.169.254 to all users but root and uids 5, 7",
                   "the rule at f:7 names no uid or user: those whom it allows get tokens from msi2imds, and "
                   "IMDS itself is "
                   "closed to them",
                   "the rule \"c\" (f:9) asks for more than its uid 7, to whom IMDS itself is open whatever "
                   "they ask for, and "
                   "with whatever program"}));
}

}  // namespace
}  // namespace msi2imds::config
