// SPDX-License-Identifier: MIT
#include "imds_emulator/identities.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <set>

namespace msi2imds::emulator {
namespace {

std::string upper_case(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::toupper(c); });
  return text;
}

TEST(IdentitiesTest, ListsTheSystemAssignedOneFirst) {
  const Identities identities({.user_assigned = 2});
  ASSERT_EQ(identities.all().size(), 3U);
  EXPECT_EQ(identities.all()[0].msi_res_id, "");
  EXPECT_NE(identities.all()[1].msi_res_id, "");
}

TEST(IdentitiesTest, GivesAThousandIdentitiesDifferentIds) {
  const Identities identities({.user_assigned = 1000});
  std::set<std::string> ids;
  for (const Identity& identity : identities.all()) {
    ids.insert(identity.client_id);
    ids.insert(identity.object_id);
    ids.insert(identity.msi_res_id);
  }
  EXPECT_EQ(ids.size(), 3U * 1001U);
}

TEST(IdentitiesTest, FindsEachSelectorInAnyCase) {
  Identities identities({.user_assigned = 2});
  const Identity& second = identities.all()[2];
  EXPECT_EQ(identities.select(SelectorKind::client_id, upper_case(second.client_id)).identity, &second);
  EXPECT_EQ(identities.select(SelectorKind::object_id, upper_case(second.object_id)).identity, &second);
  EXPECT_EQ(identities.select(SelectorKind::msi_res_id, upper_case(second.msi_res_id)).identity, &second);
}

TEST(IdentitiesTest, DoesNotTakeAClientIdForAnObjectId) {
  Identities identities({.user_assigned = 1});
  EXPECT_EQ(identities.select(SelectorKind::object_id, identities.all()[1].client_id).identity, nullptr);
}

TEST(IdentitiesTest, PrefersTheSystemAssignedOneWithoutASelector) {
  Identities identities({.user_assigned = 5});
  EXPECT_EQ(identities.select(SelectorKind::none, "").identity, &identities.all().front());
}

TEST(IdentitiesTest, TakesTheOnlyUserAssignedOneWithoutASelector) {
  Identities identities({.user_assigned = 1, .system_assigned = false});
  EXPECT_EQ(identities.select(SelectorKind::none, "").identity, &identities.all().front());
}

TEST(IdentitiesTest, HasNoChoiceBetweenSeveralUserAssignedOnes) {
  Identities identities({.user_assigned = 2, .system_assigned = false});
  const auto selection = identities.select(SelectorKind::none, "");
  EXPECT_EQ(selection.identity, nullptr);
  EXPECT_TRUE(selection.problem.starts_with("Multiple user assigned identities exist"));
}

TEST(IdentitiesTest, HasNoChoiceFromTheMomentASecondOneIsAssigned) {
  Identities identities({.user_assigned = 1, .system_assigned = false});
  const std::string first = identities.all().front().client_id;
  const Identity* second = identities.assign("policy");
  ASSERT_NE(second, nullptr);
  EXPECT_EQ(
      identities.select(SelectorKind::none, "").problem,
      "Multiple user assigned identities exist, please specify the clientId / resourceId of the identity "
      "in the token request");
  EXPECT_EQ(identities.select(SelectorKind::client_id, second->client_id).identity, second);
  EXPECT_EQ(identities.assign("policy"), nullptr) << "it is there";

  const std::string gone = second->client_id;
  EXPECT_TRUE(identities.unassign("POLICY")) << "IMDS minds no letter case";
  EXPECT_FALSE(identities.unassign("policy"));
  EXPECT_EQ(identities.select(SelectorKind::client_id, gone).problem, "Identity not found");
  EXPECT_EQ(identities.select(SelectorKind::none, "").identity->client_id, first);
}

TEST(IdentitiesTest, PrefersTheSystemAssignedOneWhateverIsAssigned) {
  Identities identities({.user_assigned = 1});
  const std::string system = identities.all().front().client_id;
  ASSERT_NE(identities.assign("policy"), nullptr);
  EXPECT_EQ(identities.select(SelectorKind::none, "").identity->client_id, system);
  EXPECT_TRUE(identities.unassign("identity-1"));
  EXPECT_EQ(identities.select(SelectorKind::none, "").identity->client_id, system);
  EXPECT_FALSE(identities.unassign(""));
}

TEST(IdentitiesTest, DoesNotCountWhatItMadeUpAsAssigned) {
  Identities identities({.user_assigned = 1, .system_assigned = false, .accept_any = true});
  const std::string first = identities.all().front().client_id;
  (void)identities.select(SelectorKind::client_id, "aaaaaaaa-2222-3333-4444-555555555555");
  EXPECT_EQ(identities.select(SelectorKind::none, "").identity->client_id, first);
}

TEST(IdentitiesTest, FindsNothingOnAVmWithoutIdentities) {
  Identities identities({.user_assigned = 0, .system_assigned = false});
  EXPECT_EQ(identities.select(SelectorKind::none, "").problem, "Identity not found");
}

TEST(IdentitiesTest, MakesUpOneIdentityPerWellFormedSelectorWhenAnyIsAccepted) {
  Identities identities({.user_assigned = 0, .accept_any = true});
  const auto* by_guid =
      identities.select(SelectorKind::client_id, "aaaaaaaa-2222-3333-4444-555555555555").identity;
  ASSERT_NE(by_guid, nullptr);
  EXPECT_EQ(by_guid->client_id, "aaaaaaaa-2222-3333-4444-555555555555");
  EXPECT_EQ(identities.select(SelectorKind::client_id, "AAAAAAAA-2222-3333-4444-555555555555").identity,
            by_guid);
  EXPECT_NE(identities.select(SelectorKind::msi_res_id, "/subscriptions/s/resourceGroups/a&b/x").identity,
            nullptr);
}

TEST(IdentitiesTest, RefusesIllFormedSelectorsEvenWhenAnyIsAccepted) {
  Identities identities({.accept_any = true});
  EXPECT_EQ(identities.select(SelectorKind::client_id, "aaaaaaaa-2222-3333-4444").identity, nullptr);
  EXPECT_EQ(identities.select(SelectorKind::object_id, "aaaaaaaa-2222-3333-4444-55555555555g").identity,
            nullptr);
  EXPECT_EQ(identities.select(SelectorKind::msi_res_id, "subscriptions/s").identity, nullptr);
  EXPECT_EQ(identities.select(SelectorKind::msi_res_id, "/subscriptions/s//x").identity, nullptr);
}

}  // namespace
}  // namespace msi2imds::emulator
