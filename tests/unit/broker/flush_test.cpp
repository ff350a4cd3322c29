// SPDX-License-Identifier: MIT
#include "unit/broker/fixture.hpp"

namespace msi2imds::broker {
namespace {

class FlushTest : public BrokerTest {
 protected:
  void keep(TokenRequest request) {
    EXPECT_TRUE(is_token(ask_now(std::move(request))));
    clock_.advance(seconds(1));
  }
  bool is_kept(TokenRequest request) {
    const std::size_t before = sent();
    keep(std::move(request));
    return sent() == before;
  }
};

TEST_F(FlushTest, ForgetsEverything) {
  keep(request_for("vault"));
  keep(request_for("storage"));
  EXPECT_EQ(broker_.flush({}, {}), 2U);
  EXPECT_EQ(broker_.cache().count(), 0U);
  EXPECT_EQ(broker_.cache().bytes(), 0U);
  EXPECT_FALSE(is_kept(request_for("vault")));
}

TEST_F(FlushTest, ForgetsOneResource) {
  keep(request_for("vault"));
  keep(request_as("a"));
  keep(request_for("storage"));
  EXPECT_EQ(broker_.flush("vault", {}), 2U);
  EXPECT_TRUE(is_kept(request_for("storage")));
  EXPECT_FALSE(is_kept(request_for("vault")));
}

TEST_F(FlushTest, ForgetsOneIdentityInAnyLetterCase) {
  keep(request_as("abc"));
  keep(request_as("abd"));
  keep(request_for("vault"));
  EXPECT_EQ(broker_.flush({}, "ABC"), 1U);
  EXPECT_TRUE(is_kept(request_as("abd")));
  EXPECT_TRUE(is_kept(request_for("vault")));
  EXPECT_FALSE(is_kept(request_as("abc")));
}

TEST_F(FlushTest, ForgetsOneResourceOfOneIdentity) {
  TokenRequest other = request_as("abc");
  other.resource = "storage";
  keep(request_as("abc"));
  keep(other);
  EXPECT_EQ(broker_.flush("vault", "abc"), 1U);
  EXPECT_TRUE(is_kept(other));
}

TEST_F(FlushTest, WhatIsBeingFetchedIsNotKept) {
  source_.delay = seconds(2);
  const CallPtr call = ask(request_for("vault"));
  clock_.advance(seconds(1));
  EXPECT_EQ(broker_.flush("vault", {}), 0U);
  clock_.advance(seconds(1));
  ASSERT_TRUE(call->result);
  EXPECT_TRUE(is_token(*call->result));
  EXPECT_EQ(broker_.cache().count(), 0U);
}

TEST_F(FlushTest, WhatIsBeingRefreshedIsNotKept) {
  source_.lifetime = hours(1);
  keep(request_for("vault"));
  source_.delay = seconds(30);
  while (sent() == 1) {
    clock_.advance(seconds(1));
  }
  EXPECT_EQ(broker_.flush({}, {}), 1U);
  clock_.advance(minutes(1));
  EXPECT_EQ(broker_.cache().count(), 0U);
}

TEST_F(FlushTest, AFlushOfOneResourceLeavesTheRefreshOfAnotherAlone) {
  source_.lifetime = hours(1);
  keep(request_for("vault"));
  source_.delay = seconds(30);
  while (sent() == 1) {
    clock_.advance(seconds(1));
  }
  (void)broker_.flush("storage", {});
  clock_.advance(minutes(40));
  EXPECT_TRUE(is_kept(request_for("vault")));
}

TEST_F(FlushTest, TokensThatWereHandedOutStayWhole) {
  const TokenPtr token = token_of(ask_now(request_for("vault")));
  (void)broker_.flush({}, {});
  ASSERT_TRUE(token);
  EXPECT_EQ(token->access_token, "secret");
}

}  // namespace
}  // namespace msi2imds::broker
