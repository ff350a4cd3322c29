// SPDX-License-Identifier: MIT
#include "config/suggest.hpp"

#include <gtest/gtest.h>

namespace msi2imds::config {
namespace {

TEST(SuggestTest, CountsEachKindOfEditOnce) {
  EXPECT_EQ(edit_distance("ports", "ports"), 0U);
  EXPECT_EQ(edit_distance("port", "ports"), 1U);
  EXPECT_EQ(edit_distance("pports", "ports"), 1U);
  EXPECT_EQ(edit_distance("posts", "ports"), 1U);
  EXPECT_EQ(edit_distance("prots", "ports"), 1U);
  EXPECT_EQ(edit_distance("", "ports"), 5U);
  EXPECT_EQ(edit_distance("ports", ""), 5U);
}

TEST(SuggestTest, PrefersTheSameTable) {
  EXPECT_EQ(suggest_key("imds.request_timeot"), "did you mean imds.request_timeout?");
  EXPECT_EQ(suggest_key("responder.request_timeot"), "did you mean responder.request_timeout?");
}

TEST(SuggestTest, FindsTheSameNameInAnotherTable) {
  EXPECT_EQ(suggest_key("responder.ports"), "did you mean legacy.ports?");
}

TEST(SuggestTest, SuggestsNothingFarFetched) {
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
