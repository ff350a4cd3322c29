// SPDX-License-Identifier: MIT
#include "broker/key.hpp"

#include <gtest/gtest.h>

namespace msi2imds::broker {
namespace {

constexpr Key kVault{.resource = "https://vault.azure.net",
                     .kind = token::SelectorKind::resource_id,
                     .identity = "/subscriptions/S/Providers/id",
                     .bypass = false};

void expect_same(const Key& a, const Key& b) {
  EXPECT_TRUE(a == b);
  EXPECT_EQ(KeyHash()(a), KeyHash()(b));
}

TEST(KeyTest, IgnoresTheLetterCaseOfAnIdentity) {
  Key other = kVault;
  other.identity = "/SUBSCRIPTIONS/s/pROVIDERS/ID";
  expect_same(kVault, other);
}

TEST(KeyTest, FoldsNothingButLetters) {
  Key at = kVault;
  at.identity = "@[";
  Key backtick = kVault;
  backtick.identity = "`{";
  EXPECT_FALSE(at == backtick);
}

TEST(KeyTest, TellsIdentitiesOfDifferentLengthApart) {
  Key shorter = kVault;
  shorter.identity.remove_suffix(1);
  EXPECT_FALSE(kVault == shorter);
  EXPECT_FALSE(shorter == kVault);
}

TEST(KeyTest, TakesAResourceExactlyAsSent) {
  Key capital = kVault;
  capital.resource = "https://Vault.azure.net";
  Key slash = kVault;
  slash.resource = "https://vault.azure.net/";
  EXPECT_FALSE(kVault == capital);
  EXPECT_FALSE(kVault == slash);
}

TEST(KeyTest, TellsKindsOfIdentitiesApart) {
  Key other = kVault;
  other.kind = token::SelectorKind::client_id;
  EXPECT_FALSE(kVault == other);
}

TEST(KeyTest, TellsRequestsThatBypassTheCacheApart) {
  Key other = kVault;
  other.bypass = true;
  EXPECT_FALSE(kVault == other);
}

TEST(KeyTest, LeavesTheCallerOut) {
  token::TokenRequest mine;
  mine.resource = "vault";
  mine.asker.uid = 1;
  token::TokenRequest yours = mine;
  yours.asker.uid = 2;
  expect_same(key_of(mine), key_of(yours));
}

}  // namespace
}  // namespace msi2imds::broker
