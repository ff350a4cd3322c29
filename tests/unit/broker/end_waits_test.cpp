// SPDX-License-Identifier: MIT
#include "unit/broker/fixture.hpp"

namespace msi2imds::broker {
namespace {

bool was_cut_short(const CallPtr& call) {
  return call->result && !*call->result &&
         call->result->error().error.message() == token::cut_short().error.message();
}

class EndWaitsTest : public BrokerTest {
 protected:
  void hang() {
    source_.delay = minutes(20);
  }
  void end_waits() {
    broker_.end_waits();
    clock_.settle();
  }
  // A token that is valid and older than it should be.
  TokenPtr get_old_token() {
    settings_.max_age = hours(1);
    configure(settings_);
    TokenPtr old;
    source_.answer = [&](const TokenRequest& /*request*/) {
      old = make_token(clock_.wall() + hours(24));
      return token::TokenResponse(old);
    };
    (void)ask_now(request_for("vault"));
    clock_.advance(hours(3));
    source_.starts.clear();
    source_.answer = {};
    return old;
  }
};

TEST_F(EndWaitsTest, AllWhoWaitAreToldAtOnce) {
  hang();
  settings_.max_in_flight = 1;
  configure(settings_);
  const CallPtr first = ask(request_for("vault"));
  const CallPtr joined = ask(request_for("vault", kBob));
  const CallPtr in_the_queue = ask(request_for("storage"));
  const CallPtr insisting = ask(bypassing("vault"));
  ASSERT_EQ(sent(), 1U);
  end_waits();
  for (const CallPtr& call : {first, joined, in_the_queue, insisting}) {
    EXPECT_TRUE(was_cut_short(call));
  }
  EXPECT_EQ(broker_.counters().refused_busy, 0U);
}

TEST_F(EndWaitsTest, WhoWaitsForTheNextAttemptIsToldToo) {
  source_.answer = [](const TokenRequest& /*request*/) {
    return failure(token::Remedy::retry_later, seconds(30));
  };
  const CallPtr call = ask(request_for("vault"));
  ASSERT_FALSE(call->result);
  end_waits();
  EXPECT_TRUE(was_cut_short(call));
}

TEST_F(EndWaitsTest, ARefusalThatMayPassIsNotPassedOn) {
  source_.answer = [](const TokenRequest& /*request*/) {
    return refusal(R"({"error":"invalid_request","error_description":"Identity not found"})");
  };
  const CallPtr call = ask(request_as("assigned a moment ago"));
  ASSERT_FALSE(call->result);
  end_waits();
  EXPECT_TRUE(was_cut_short(call));
}

TEST_F(EndWaitsTest, WhoCouldHaveTheOldTokenGetsIt) {
  const TokenPtr old = get_old_token();
  hang();
  const CallPtr call = ask(request_for("vault"));
  const CallPtr insisting = ask(bypassing("vault"));
  ASSERT_FALSE(call->result);
  end_waits();
  ASSERT_TRUE(call->result);
  EXPECT_EQ(token_of(*call->result), old);
  EXPECT_TRUE(was_cut_short(insisting));
}

TEST_F(EndWaitsTest, WhoComesLaterIsAnsweredFromTheCacheOrNotAtAll) {
  const TokenPtr fresh = token_of(ask_now(request_for("storage")));
  end_waits();
  EXPECT_EQ(token_of(ask_now(request_for("storage"))), fresh);
  EXPECT_TRUE(was_cut_short(ask(request_for("vault"))));
  EXPECT_TRUE(was_cut_short(ask(bypassing("storage"))));
  EXPECT_EQ(sent(), 1U);
}

TEST_F(EndWaitsTest, WhoComesLaterGetsAnOldTokenAsWell) {
  const TokenPtr old = get_old_token();
  end_waits();
  EXPECT_EQ(token_of(ask_now(request_for("vault"))), old);
  EXPECT_EQ(sent(), 0U);
}

TEST_F(EndWaitsTest, AnAnswerThatIsThereAlreadyCounts) {
  source_.delay = seconds(1);
  const CallPtr call = ask(request_for("vault"));
  clock_.advance(seconds(1));
  end_waits();
  ASSERT_TRUE(call->result);
  EXPECT_TRUE(is_token(*call->result));
}

}  // namespace
}  // namespace msi2imds::broker
