// SPDX-License-Identifier: MIT
#include "config/unknown.hpp"

#include <gtest/gtest.h>

namespace msi2imds::config {
namespace {

TEST(UnknownTest, PrefersTheSameTable) {
  EXPECT_EQ(suggest_key("imds.request_timeot"), "did you mean imds.request_timeout?");
  EXPECT_EQ(suggest_key("responder.request_timeot"), "did you mean responder.request_timeout?");
}

TEST(UnknownTest, FindsTheSameNameInAnotherTable) {
  EXPECT_EQ(suggest_key("responder.ports"), "did you mean legacy.ports?");
}

// Both have a key of this very name in another table.
TEST(UnknownTest, PrefersOneTypingErrorOrHalfANameInTheSameTable) {
  EXPECT_EQ(suggest_key("legacy.port"), "did you mean legacy.ports?");
  EXPECT_EQ(suggest_key("redirect.port"), "did you mean redirect.listen_port?");
}

TEST(UnknownTest, SuggestsNothingFarFetched) {
  EXPECT_TRUE(suggest_key("redirect.foo").starts_with("the keys of redirect are backend, listen_port"));
  EXPECT_EQ(suggest_key("log.x"), "the keys of log are level, format");
  EXPECT_EQ(
      suggest_table("foo"),
      "the tables are legacy, redirect, imds, tokens, responder, admin, policy, identity, audit, callers, "
      "metrics, retire, waagent, log, allow");
  EXPECT_EQ(suggest_key("identity.whatever"), "the keys of identity are default, rule");
}

}  // namespace
}  // namespace msi2imds::config
