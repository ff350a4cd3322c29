// SPDX-License-Identifier: MIT
#include "policy/policy.hpp"

#include <gtest/gtest.h>

namespace msi2imds::policy {
namespace {

caller::Identity backup() {
  caller::Identity caller;
  caller.uid = 34;
  caller.gids = {34, 100};
  caller.program = "/usr/bin/backup";
  caller.program_is_verified = true;
  caller.cgroup = "/system.slice/backup.service";
  caller.unit = "backup.service";
  return caller;
}

token::TokenRequest request(std::string resource = "https://vault.azure.net/", std::string client_id = "") {
  token::TokenRequest wanted;
  wanted.resource = std::move(resource);
  if (!client_id.empty()) {
    wanted.identity = {token::SelectorKind::client_id, std::move(client_id)};
  }
  return wanted;
}

bool allows(const Rule& rule, const caller::Identity& caller, const token::TokenRequest& wanted = request()) {
  return Policy(Mode::enforce, Default::deny, {rule}).decide(caller, wanted).is_allowed;
}

template <typename Field, typename Value>
Rule with(Field field, Value value) {
  Rule rule;
  rule.origin = "f:1";
  rule.conditions.*field = {std::move(value)};
  return rule;
}

TEST(RuleTest, IsMetByTheUid) {
  EXPECT_TRUE(allows(with(&Conditions::uids, 34U), backup()));
  EXPECT_FALSE(allows(with(&Conditions::uids, 35U), backup()));
  EXPECT_FALSE(allows(with(&Conditions::uids, 0U), caller::Identity())) << "unknown is not root";
}

TEST(RuleTest, IsMetByAnyGroup) {
  EXPECT_TRUE(allows(with(&Conditions::gids, 100U), backup()));
  EXPECT_FALSE(allows(with(&Conditions::gids, 0U), backup()));
  EXPECT_FALSE(allows(with(&Conditions::gids, 0U), caller::Identity()));
}

TEST(RuleTest, IsMetByTheSystemsUnitOnly) {
  const Rule rule = with(&Conditions::units, std::string("backup.service"));
  EXPECT_TRUE(allows(rule, backup()));
  caller::Identity of_a_user = backup();
  of_a_user.cgroup = "/user.slice/user-1000.slice/user@1000.service/app.slice/backup.service";
  of_a_user.unit = "user@1000.service";
  EXPECT_FALSE(allows(rule, of_a_user));
  EXPECT_TRUE(allows(with(&Conditions::units, of_a_user.cgroup), of_a_user));
  EXPECT_FALSE(allows(with(&Conditions::units, std::string("/system.slice")), backup()))
      << "a part of the path";
  EXPECT_FALSE(allows(rule, caller::Identity()));
}

TEST(RuleTest, IsMetByAVerifiedProgramOnly) {
  const Rule rule = with(&Conditions::programs, std::string("/usr/bin/backup"));
  EXPECT_TRUE(allows(rule, backup()));
  caller::Identity replaced = backup();
  replaced.program_is_verified = false;
  EXPECT_FALSE(allows(rule, replaced));
  caller::Identity other = backup();
  other.program = "/usr/bin/backup2";
  EXPECT_FALSE(allows(rule, other));
}

TEST(RuleTest, IsMetByTheResourceAsSent) {
  const Rule rule = with(&Conditions::resources, std::string("https://*.azure.net/"));
  EXPECT_TRUE(allows(rule, backup()));
  EXPECT_FALSE(allows(rule, backup(), request("https://vault.azure.net")));
  EXPECT_FALSE(allows(rule, backup(), request("https://VAULT.AZURE.NET/")));
}

TEST(RuleTest, IsMetByTheIdentityInAnyLetterCase) {
  EXPECT_TRUE(allows(with(&Conditions::identities, std::string("ABC-*")), backup(), request("r", "abc-1")));
  EXPECT_FALSE(allows(with(&Conditions::identities, std::string("none")), backup(), request("r", "abc-1")));
  EXPECT_TRUE(allows(with(&Conditions::identities, std::string("none")), backup()));
}

TEST(RuleTest, DoesNotTakeAClientIdNoneForNoIdentity) {
  EXPECT_FALSE(allows(with(&Conditions::identities, std::string("none")), backup(), request("r", "none")));
  EXPECT_FALSE(allows(with(&Conditions::identities, std::string("None")), backup(), request("r", "NONE")));
  EXPECT_TRUE(allows(with(&Conditions::identities, std::string("NONE")), backup()));
  EXPECT_TRUE(allows(with(&Conditions::identities, std::string("*")), backup()));
  EXPECT_TRUE(allows(with(&Conditions::identities, std::string("*")), backup(), request("r", "none")));
}

TEST(RuleTest, NeedsAllKindsOfConditionAndAnyValueOfEach) {
  Rule rule = with(&Conditions::uids, 34U);
  rule.conditions.uids = {1, 34};
  rule.conditions.units = {"other.service"};
  EXPECT_FALSE(allows(rule, backup()));
  rule.conditions.units.emplace_back("backup.service");
  EXPECT_TRUE(allows(rule, backup()));
}

TEST(PolicyTest, LetsTheFirstRuleThatIsMetDecide) {
  Rule other = with(&Conditions::uids, 1U);
  Rule first = with(&Conditions::uids, 34U);
  first.name = "first";
  Rule second = with(&Conditions::uids, 34U);
  second.origin = "f:9";
  EXPECT_EQ(Policy(Mode::audit, Default::deny, {other, first, second}).decide(backup(), request()).rule,
            "first");
  EXPECT_EQ(Policy(Mode::audit, Default::deny, {second, first}).decide(backup(), request()).rule, "f:9");
}

TEST(PolicyTest, FallsBackToItsDefault) {
  const Rule other = with(&Conditions::uids, 1U);
  EXPECT_FALSE(Policy(Mode::enforce, Default::deny, {other}).decide(backup(), request()).is_allowed);
  EXPECT_TRUE(Policy(Mode::enforce, Default::allow, {other}).decide(backup(), request()).is_allowed);
  EXPECT_FALSE(Policy(Mode::enforce, Default::deny, {}).decide(backup(), request()).is_allowed);
}

TEST(PolicyTest, KnowsWhetherItMatters) {
  EXPECT_FALSE(Policy().is_in_force());
  EXPECT_TRUE(Policy(Mode::enforce, Default::deny, {}).is_in_force());
  EXPECT_TRUE(Policy(Mode::audit, Default::deny, {with(&Conditions::uids, 1U)}).is_in_force());
  EXPECT_FALSE(Policy(Mode::audit, Default::deny, {with(&Conditions::uids, 1U)}).enforces());
  EXPECT_FALSE(Policy(Mode::audit, Default::deny, {with(&Conditions::uids, 1U)}).needs_process());
  for (const Rule& rule : {with(&Conditions::gids, 1U), with(&Conditions::units, std::string("a.service")),
                           with(&Conditions::programs, std::string("/a"))}) {
    EXPECT_TRUE(Policy(Mode::audit, Default::deny, {rule}).needs_process());
  }
}

TEST(PolicyTest, ExplainsEachRule) {
  Rule by_unit = with(&Conditions::units, std::string("a.service"));
  by_unit.name = "unit";
  caller::Identity caller = backup();
  caller.unit = "x\n\x1b[31m.service";
  caller.program_is_verified = false;
  const Policy policy(
      Mode::audit, Default::deny,
      {by_unit, with(&Conditions::programs, std::string("/usr/bin/backup")), with(&Conditions::uids, 34U)});
  const auto lines = policy.explain(caller, request());
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(lines[0],
            "unit (f:1): unit is x\\x0a\\x1b[31m.service, cgroup is /system.slice/backup.service; "
            "wanted: a.service");
  EXPECT_EQ(lines[1],
            "f:1: program is /usr/bin/backup, which is not the file of that path; wanted: "
            "/usr/bin/backup");
  EXPECT_EQ(lines[2], "f:1: matches");
}

TEST(PolicyTest, ExplainsTheFirstConditionThatIsNotMet) {
  Rule rule = with(&Conditions::uids, 34U);
  rule.conditions.gids = {4, 100};
  rule.conditions.resources = {"https://storage*"};
  rule.conditions.identities = {"abc"};
  const auto explained = [&rule](const caller::Identity& caller, const token::TokenRequest& wanted) {
    return Policy(Mode::audit, Default::deny, {rule}).explain(caller, wanted).front();
  };
  caller::Identity caller = backup();
  caller.uid = 1000;
  EXPECT_EQ(explained(caller, request()), "f:1: uid is 1000; wanted: 34");
  caller = backup();
  caller.gids.clear();
  caller.unknown_because = "process 5 has ended";
  EXPECT_EQ(explained(caller, request()), "f:1: gids are not known: process 5 has ended; wanted: 4 or 100");
  EXPECT_EQ(explained(backup(), request("r\n")), "f:1: resource is r\\x0a; wanted: https://storage*");
  EXPECT_EQ(explained(backup(), request("https://storage")), "f:1: no identity is named; wanted: abc");
  EXPECT_EQ(explained(backup(), request("https://storage", "x")), "f:1: identity is x; wanted: abc");
  EXPECT_EQ(explained(backup(), request("https://storage", "ABC")), "f:1: matches");
}

}  // namespace
}  // namespace msi2imds::policy
