// SPDX-License-Identifier: MIT
#include "policy/identity_choice.hpp"

#include <gtest/gtest.h>

namespace msi2imds::policy {
namespace {

using token::IdentitySelector;
using token::SelectorKind;

const IdentitySelector kFirst{.kind = SelectorKind::client_id, .value = "first"};
const IdentitySelector kSecond{.kind = SelectorKind::object_id, .value = "second"};
const IdentitySelector kDefault{.kind = SelectorKind::resource_id, .value = "default"};

IdentityRule for_uid(uid_t uid, const IdentitySelector& identity) {
  IdentityRule rule;
  rule.origin = "f:" + std::to_string(uid);
  rule.conditions.uids = {uid};
  rule.identity = identity;
  return rule;
}

IdentityRule for_unit(const std::string& unit, const IdentitySelector& identity) {
  IdentityRule rule;
  rule.name = unit;
  rule.origin = "f:9";
  rule.conditions.units = {unit};
  rule.identity = identity;
  return rule;
}

caller::Identity with_uid(uid_t uid) {
  caller::Identity caller;
  caller.uid = uid;
  caller.unknown_because = "process 5 has ended";
  return caller;
}

token::TokenRequest asking(const IdentitySelector& identity = {}) {
  token::TokenRequest request;
  request.resource = "r";
  request.identity = identity;
  return request;
}

TEST(IdentityChoiceTest, LeavesItToImdsWithoutSettings) {
  const Choice choice = IdentityChoice().choose(with_uid(1), asking());
  EXPECT_EQ(choice.identity, IdentitySelector());
  EXPECT_EQ(choice.by, ChosenBy::imds);
}

TEST(IdentityChoiceTest, TakesTheDefaultForWhomNoRuleMatches) {
  const IdentityChoice choice({for_uid(1, kFirst)}, kDefault);
  EXPECT_EQ(choice.choose(with_uid(2), asking()).identity, kDefault);
  EXPECT_EQ(choice.choose(with_uid(2), asking()).by, ChosenBy::default_);
}

TEST(IdentityChoiceTest, TakesTheFirstRuleThatMatches) {
  const IdentityChoice choice({for_uid(1, kFirst), for_uid(2, kFirst), for_uid(2, kSecond)}, kDefault);
  const Choice chosen = choice.choose(with_uid(2), asking());
  EXPECT_EQ(chosen.identity, kFirst);
  EXPECT_EQ(chosen.by, ChosenBy::rule);
  EXPECT_EQ(chosen.rule, "f:2");
}

TEST(IdentityChoiceTest, LetsTheClientsOwnWordGoFirst) {
  const IdentityChoice choice({for_unit("a.service", kFirst), for_uid(2, kFirst)}, kDefault);
  const Choice chosen = choice.choose(with_uid(2), asking(kSecond));
  EXPECT_EQ(chosen.identity, kSecond) << "whatever is known of the caller";
  EXPECT_EQ(chosen.by, ChosenBy::client);
}

TEST(IdentityChoiceTest, GivesNobodysIdentityWhereARuleCannotBeDecided) {
  const IdentityChoice choice({for_uid(1, kSecond), for_unit("a.service", kFirst), for_uid(2, kSecond)},
                              kDefault);
  for (const uid_t uid : {uid_t{2}, uid_t{3}}) {
    const Choice chosen = choice.choose(with_uid(uid), asking());
    EXPECT_EQ(chosen.by, ChosenBy::nobody);
    EXPECT_EQ(chosen.identity, IdentitySelector());
    EXPECT_EQ(chosen.rule, "a.service");
    EXPECT_EQ(chosen.unknown,
              "unit is not known: process 5 has ended, cgroup is not known: process 5 has ended; wanted: "
              "a.service");
  }
  EXPECT_EQ(choice.choose(with_uid(1), asking()).identity, kSecond) << "an earlier rule decides";
  caller::Identity known = with_uid(3);
  known.cgroup = "/system.slice/b.service";
  known.unit = "b.service";
  EXPECT_EQ(choice.choose(known, asking()).identity, kDefault);
}

TEST(IdentityChoiceTest, IgnoresWhatIsUnknownOfACallerWhomARuleCannotMean) {
  IdentityRule rule = for_unit("a.service", kFirst);
  rule.conditions.uids = {1};
  const IdentityChoice choice({rule}, kDefault);
  EXPECT_EQ(choice.choose(with_uid(2), asking()).identity, kDefault);
  EXPECT_EQ(choice.choose(with_uid(1), asking()).by, ChosenBy::nobody);
}

TEST(IdentityChoiceTest, KnowsWhetherItNeedsTheProcess) {
  EXPECT_FALSE(IdentityChoice({for_uid(1, kFirst)}, {}).needs_process());
  EXPECT_TRUE(IdentityChoice({for_unit("a.service", kFirst)}, {}).needs_process());
}

TEST(IdentityChoiceTest, ExplainsEachRule) {
  const IdentityChoice choice({for_uid(1, kFirst), for_unit("a.service", kSecond)}, kDefault);
  caller::Identity caller = with_uid(1);
  caller.unit = "a.service";
  EXPECT_EQ(choice.explain(caller, asking()),
            (std::vector<std::string>{"f:1: matches", "a.service (f:9): matches"}));
  EXPECT_EQ(choice.explain(with_uid(2), asking()).front(), "f:1: uid is 2; wanted: 1");
}

TEST(IdentityChoiceTest, HasAWordForWhoChose) {
  EXPECT_EQ(to_string(ChosenBy::client), "client");
  EXPECT_EQ(to_string(ChosenBy::rule), "rule");
  EXPECT_EQ(to_string(ChosenBy::default_), "default");
  EXPECT_EQ(to_string(ChosenBy::imds), "imds");
  EXPECT_EQ(to_string(ChosenBy::nobody), "nobody");
}

}  // namespace
}  // namespace msi2imds::policy
