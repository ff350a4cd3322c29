// SPDX-License-Identifier: MIT
#include "responder/prefetch_list.hpp"

#include <gtest/gtest.h>

namespace msi2imds::responder {
namespace {

using policy::Conditions;
using policy::Default;
using policy::IdentityChoice;
using policy::Mode;
using policy::Policy;
using token::IdentitySelector;
using token::SelectorKind;

constexpr std::int64_t kNow = 1'800'000'000;
const IdentitySelector kNone;
const IdentitySelector kOwn{.kind = SelectorKind::object_id, .value = "own"};
const IdentitySelector kDefault{.kind = SelectorKind::client_id, .value = "default"};
const IdentitySelector kOther{.kind = SelectorKind::client_id, .value = "other"};

caller::Identity backup() {
  caller::Identity caller;
  caller.uid = 1000;
  caller.gids = {1000, 4};
  caller.unit = "backup.service";
  caller.cgroup = "/system.slice/backup.service";
  caller.program = "/usr/bin/backup";
  caller.program_is_verified = true;
  return caller;
}

Policy enforcing(const Conditions& conditions) {
  return {Mode::enforce, Default::deny, {{.name = "rule", .origin = {}, .conditions = conditions}}};
}

Conditions condition(std::vector<std::string> Conditions::*kind, const std::string& value) {
  Conditions conditions;
  conditions.*kind = {value};
  return conditions;
}

class PrefetchListTest : public testing::Test {
 protected:
  [[nodiscard]] std::vector<token::TokenRequest> list(const Policy& policy = {},
                                                      const IdentityChoice& identities = {}) const {
    return prefetch_list(grants_, identities, policy, kNow);
  }
  void got(const caller::Identity& caller, const std::string& resource, const IdentitySelector& named = kNone,
           std::int64_t ago = 0) {
    grants_.add(caller, resource, named, kNow - ago);
  }

  usage::Grants grants_;
};

TEST_F(PrefetchListTest, HasEachRequestOnceTheLatestFirst) {
  caller::Identity other = backup();
  other.uid = 0;
  got(backup(), "a", kNone, 30);
  got(backup(), "b", kOwn, 20);
  got(other, "a", kNone, 10);
  const auto requests = list();
  ASSERT_EQ(requests.size(), 2U);
  EXPECT_EQ(requests[0].resource, "a");
  EXPECT_EQ(requests[1].resource, "b");
  EXPECT_EQ(requests[1].identity, kOwn);
  EXPECT_EQ(requests[1].asker, Holder());
}

TEST_F(PrefetchListTest, HasNoProductOfResourcesAndIdentities) {
  got(backup(), "a", kOwn);
  got(backup(), "b", kOther);
  EXPECT_EQ(list().size(), 2U);
}

TEST_F(PrefetchListTest, LeavesOutWhatWasNotUsedForSevenDays) {
  constexpr std::int64_t kDay = 86400;
  got(backup(), "old", kNone, 7 * kDay + 1);
  got(backup(), "last week", kNone, 7 * kDay - 1);
  const auto requests = list();
  ASSERT_EQ(requests.size(), 1U);
  EXPECT_EQ(requests[0].resource, "last week");
}

TEST_F(PrefetchListTest, WhoNamedNoneGetsWhatIsChosenNow) {
  caller::Identity other = backup();
  other.uid = 7;
  got(other, "c", kNone, 30);
  got(backup(), "b", kOwn, 20);
  got(backup(), "a", kNone, 10);
  Conditions uid_7;
  uid_7.uids = {7};
  const IdentityChoice identities({{.name = {}, .origin = {}, .conditions = uid_7, .identity = kOther}},
                                  kDefault);
  const auto requests = list({}, identities);
  ASSERT_EQ(requests.size(), 3U);
  EXPECT_EQ(requests[0].identity, kDefault);
  EXPECT_EQ(requests[1].identity, kOwn);
  EXPECT_EQ(requests[2].identity, kOther);
}

TEST_F(PrefetchListTest, HasNothingWhoseIdentityCannotBeTold) {
  caller::Identity half_known;
  half_known.uid = 1000;
  got(half_known, "a", kNone);
  got(half_known, "b", kOwn);
  const IdentityChoice identities({{.name = {},
                                    .origin = {},
                                    .conditions = condition(&Conditions::units, "x.service"),
                                    .identity = kOther}},
                                  kDefault);
  const auto requests = list({}, identities);
  ASSERT_EQ(requests.size(), 1U);
  EXPECT_EQ(requests[0].resource, "b");
}

TEST_F(PrefetchListTest, HasWhatTheRulesStillAllow) {
  got(backup(), "a");
  Conditions by_uid;
  by_uid.uids = {1000};
  Conditions by_gid;
  by_gid.gids = {4};
  for (const Conditions& conditions :
       {by_uid, by_gid, condition(&Conditions::units, "backup.service"),
        condition(&Conditions::units, "/system.slice/backup.service"),
        condition(&Conditions::programs, "/usr/bin/backup"), condition(&Conditions::resources, "a"),
        condition(&Conditions::identities, "none")}) {
    EXPECT_EQ(list(enforcing(conditions)).size(), 1U);
  }
}

TEST_F(PrefetchListTest, LeavesOutWhatTheRulesRefuse) {
  got(backup(), "a");
  Conditions by_uid;
  by_uid.uids = {1001};
  Conditions by_gid;
  by_gid.gids = {5};
  for (const Conditions& conditions :
       {by_uid, by_gid, condition(&Conditions::units, "other.service"),
        condition(&Conditions::programs, "/usr/bin/other"), condition(&Conditions::resources, "b"),
        condition(&Conditions::identities, "own")}) {
    EXPECT_TRUE(list(enforcing(conditions)).empty());
  }
  EXPECT_TRUE(list({Mode::enforce, Default::deny, {}}).empty());
  EXPECT_EQ(list({Mode::enforce, Default::allow, {}}).size(), 1U);
}

TEST_F(PrefetchListTest, RulesSeeTheIdentityThatIsChosen) {
  got(backup(), "a");
  const IdentityChoice identities({}, kDefault);
  EXPECT_EQ(list(enforcing(condition(&Conditions::identities, "default")), identities).size(), 1U);
  EXPECT_TRUE(list(enforcing(condition(&Conditions::identities, "none")), identities).empty());
}

TEST_F(PrefetchListTest, AProgramThatWasNotVerifiedMeetsNoRule) {
  caller::Identity caller = backup();
  caller.program_is_verified = false;
  got(caller, "a");
  EXPECT_TRUE(list(enforcing(condition(&Conditions::programs, "/usr/bin/backup"))).empty());
}

TEST_F(PrefetchListTest, OneCallerThatIsAllowedIsEnough) {
  caller::Identity other = backup();
  other.uid = 7;
  got(backup(), "a", kNone, 10);
  got(other, "a", kNone);
  Conditions conditions;
  conditions.uids = {1000};
  EXPECT_EQ(list(enforcing(conditions)).size(), 1U);
}

TEST_F(PrefetchListTest, InAuditModeNobodyIsRefused) {
  got(backup(), "a");
  EXPECT_EQ(list({Mode::audit, Default::deny, {}}).size(), 1U);
}

}  // namespace
}  // namespace msi2imds::responder
