// SPDX-License-Identifier: MIT
#include "responder/identity_book.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <chrono>
#include <span>
#include <string>
#include <vector>

#include "support_cpp/run.hpp"

namespace msi2imds::responder {
namespace {

constexpr uid_t kUid = 1000;

// The test is the supervisor, who knows nothing but what it has sent, and answers when it is let go.
class IdentityBookTest : public testing::Test {
 protected:
  explicit IdentityBookTest(std::chrono::nanoseconds pace = IdentityBook::kPace) : book_(io_, pace) {
    book_.ask_with([this](const control::Message& question) {
      ++questions_;
      question_ = question;
      return Result<void>();
    });
  }

  PendingIdentityPtr look_up(uid_t uid = kUid, Need need = Need::process) {
    return look_up_for(uid, uid, need);
  }
  PendingIdentityPtr look_up_for(std::uint32_t owner, uid_t uid, Need need = Need::process) {
    caller::Caller caller;
    caller.clues.has_uid = true;
    caller.clues.uid = uid;
    return book_.look_up(caller, need, owner);
  }
  // Answers the last question, for each connection with the same number.
  void let_go(std::uint64_t number = 0, std::int64_t dialled_at = 0) {
    control::IdentityAnswer answer;
    answer.identity = number;
    answer.dialled_at = dialled_at;
    control::Message message;
    message.number = question_.number;
    const auto asked = control::get_records<caller::Clues>(question_);
    ASSERT_TRUE(asked);
    const std::vector<control::IdentityAnswer> answers(asked->size(), answer);
    control::set_records(message, std::span<const control::IdentityAnswer>(answers));
    book_.take_answers(message);
  }
  void push(std::uint64_t number, const std::string& program, std::optional<pid_t> pid = std::nullopt) {
    caller::Identity identity;
    identity.program = program;
    identity.pid = pid;
    control::Message message;
    message.number = number;
    message.body = caller::serialize(identity);
    book_.take_identity(message);
  }
  // The program that an answer with this number is about.
  std::string program_of(std::uint64_t number) {
    control::IdentityAnswer answer;
    answer.identity = number;
    return book_.look_up(answer)->identity()->program;
  }
  void settle() {
    io_.restart();
    io_.poll();
  }

  asio::io_context io_{1};
  IdentityBook book_;
  int questions_ = 0;
  control::Message question_;
};

// With a pace that does not end.
class IdentityBookRestTest : public IdentityBookTest {
 protected:
  explicit IdentityBookRestTest(std::chrono::nanoseconds pace = std::chrono::hours(1))
      : IdentityBookTest(pace) {}

  void look_up_some(int count) {
    for (int i = 0; i < count; ++i) {
      (void)look_up(kUid, Need::nothing);
    }
    settle();
  }
  [[nodiscard]] std::size_t asked_about() const {
    const auto asked = control::get_records<caller::Clues>(question_);
    return asked ? asked->size() : 0;
  }
};
// With one that a test can wait for.
class IdentityBookPaceTest : public IdentityBookRestTest {
 protected:
  IdentityBookPaceTest() : IdentityBookRestTest(std::chrono::milliseconds(100)) {}
};

// Else somebody with thousands of uids fills the channel, and nobody else is asked about.
TEST_F(IdentityBookTest, AsksAboutFewUidsOfOneOwnerAtATime) {
  for (uid_t uid = 700000; uid < 700100; ++uid) {
    (void)look_up_for(7, uid);
  }
  settle();
  EXPECT_EQ(questions_, 16);
  (void)look_up(kUid);
  settle();
  EXPECT_EQ(questions_, 17);
}

TEST_F(IdentityBookTest, AsksAboutTheNextUidsOfAnOwnerAsTheFirstAreAnswered) {
  std::vector<PendingIdentityPtr> lookups;
  for (uid_t uid = 700000; uid < 700100; ++uid) {
    lookups.push_back(look_up_for(7, uid));
  }
  settle();
  for (int answered = 0; answered < 50; ++answered) {
    let_go();
    settle();
  }
  EXPECT_EQ(questions_, 66);
}

// Whoever dials and is gone at once is looked up for all the same.
TEST_F(IdentityBookTest, LooksUpSoManyOfOneOwnerAndNoMore) {
  std::vector<PendingIdentityPtr> lookups;
  for (int i = 0; i < 16384; ++i) {
    lookups.push_back(look_up_for(7, kUid));
  }
  EXPECT_EQ(lookups.back()->identity(), nullptr);
  const PendingIdentityPtr one_too_many = look_up_for(7, kUid + 1);
  ASSERT_NE(one_too_many->identity(), nullptr);
  EXPECT_EQ(one_too_many->identity()->unknown_because, "too many callers of its user at once");
  EXPECT_EQ(look_up_for(8, kUid + 2)->identity(), nullptr);
}

TEST_F(IdentityBookTest, AsksAboutOneUserWhileItWaitsForAnother) {
  const PendingIdentityPtr slow = look_up();
  settle();
  const PendingIdentityPtr another = look_up(kUid + 1);
  const PendingIdentityPtr same = look_up();
  settle();
  EXPECT_EQ(questions_, 2) << "the second one of the same user waits for the first";
  push(1, "/bin/a");
  let_go(1);
  EXPECT_EQ(slow->identity(), nullptr);
  EXPECT_EQ(same->identity(), nullptr);
  ASSERT_NE(another->identity(), nullptr);
  EXPECT_EQ(another->identity()->program, "/bin/a");
}

TEST_F(IdentityBookTest, LearnsACommandLineLaterAlsoForThoseWhoKnowTheIdentity) {
  const PendingIdentityPtr lookup = look_up();
  settle();
  push(7, "/bin/a");
  let_go(7);
  ASSERT_NE(lookup->identity(), nullptr);
  EXPECT_EQ(lookup->identity()->command_line, "");
  control::Message message;
  message.number = 7;
  message.set_text("a --all");
  EXPECT_EQ(book_.take_command_line(message), lookup->shared_identity());
  EXPECT_EQ(lookup->identity()->command_line, "a --all");
  message.number = 8;
  EXPECT_EQ(book_.take_command_line(message), nullptr);
}

TEST_F(IdentityBookTest, WaitsForTheSupervisorsAnswer) {
  const PendingIdentityPtr lookup = look_up();
  support::Started<void> waiting(io_, book_.wait(lookup));
  support::Started<void> waiting_for_all(io_, book_.wait_for_all());
  EXPECT_EQ(questions_, 1);
  EXPECT_FALSE(waiting.is_done());
  EXPECT_FALSE(waiting_for_all.is_done());
  let_go();
  EXPECT_TRUE(waiting.get());
  EXPECT_TRUE(waiting_for_all.get());
  EXPECT_FALSE(lookup->was_given_up());
  EXPECT_EQ(lookup->identity()->unknown_because, "the supervisor could not identify the caller");
}

void agree_on(IdentityBook& book, const control::Message& question, caller::Agreement agreement) {
  control::Message message;
  message.number = question.number;
  control::set_records(message, std::span<const caller::Agreement>(&agreement, 1));
  book.take_agreements(message);
}

TEST_F(IdentityBookTest, KnowsWhetherTheCluesAgreeBeforeTheProcessWasLookedAt) {
  const PendingIdentityPtr lookup = look_up(kUid, Need::agreement);
  support::Started<void> waiting(io_, book_.wait_for_agreement(lookup));
  EXPECT_EQ(question_.value, 1);
  EXPECT_FALSE(waiting.is_done());
  agree_on(book_, question_, caller::Agreement::another_user);
  EXPECT_TRUE(waiting.get());
  EXPECT_EQ(lookup->agreement(), caller::Agreement::another_user);
  EXPECT_FALSE(lookup->identity());
  let_go();
  EXPECT_TRUE(lookup->identity()->is_in_doubt);
}

TEST_F(IdentityBookTest, WhoIsNotAnsweredAboutIsInDoubt) {
  const PendingIdentityPtr lookup = look_up(kUid, Need::agreement);
  support::Started<void> waiting(io_, book_.wait_for_agreement(lookup));
  let_go();
  EXPECT_TRUE(waiting.get()) << "nothing more will come";
  EXPECT_FALSE(lookup->agreement());
  EXPECT_TRUE(lookup->identity()->is_in_doubt);
}

TEST_F(IdentityBookTest, WhatAgreesIsKnownThoughNobodyIsFound) {
  const PendingIdentityPtr lookup = look_up(kUid, Need::agreement);
  settle();
  agree_on(book_, question_, caller::Agreement::agreed);
  let_go();
  EXPECT_FALSE(lookup->identity()->is_in_doubt);
  EXPECT_EQ(lookup->identity()->uid, kUid);
}

TEST_F(IdentityBookTest, KnowsWhatWasPushedUntilItIsToForgetIt) {
  push(1, "/usr/bin/one");
  push(2, "/usr/bin/two");
  EXPECT_EQ(program_of(1), "/usr/bin/one");
  EXPECT_EQ(program_of(2), "/usr/bin/two");
  EXPECT_EQ(program_of(3), "");
  control::Message message;
  message.number = 1;
  book_.forget_identity(message);
  EXPECT_EQ(program_of(1), "");
  EXPECT_EQ(program_of(2), "/usr/bin/two");
}

// The answer counts as it was when it came, whatever is forgotten before the one who waits goes on.
TEST_F(IdentityBookTest, AnIdentityThatIsForgottenBehindAnAnswerIsKnownFromIt) {
  const PendingIdentityPtr lookup = look_up();
  support::Started<void> waiting(io_, book_.wait(lookup));
  push(7, "/usr/bin/seven");
  let_go(7);
  control::Message message;
  message.number = 7;
  book_.forget_identity(message);
  EXPECT_TRUE(waiting.get());
  EXPECT_EQ(lookup->identity()->program, "/usr/bin/seven");
}

TEST_F(IdentityBookTest, KnowsTheNameOfAUserWhoseProcessIsUnknown) {
  caller::Identity identity;
  identity.uid = kUid;
  identity.user = "alice";
  control::Message message;
  message.number = 1;
  message.body = caller::serialize(identity);
  book_.take_identity(message);
  const PendingIdentityPtr lookup = look_up();
  settle();
  let_go();
  EXPECT_EQ(lookup->identity()->user, "alice");
}

TEST_F(IdentityBookTest, TellsWhatTheClientDialledThoughNobodyKnowsWhoItIs) {
  control::IdentityAnswer answer;
  answer.set_dialled(SocketAddress::ipv4_loopback(50342));
  EXPECT_EQ(book_.look_up(answer)->dialled()->port(), 50342);
}

TEST_F(IdentityBookTest, KnowsAgainWhomItWasToldAboutByWhatTheKernelHasNoted) {
  caller::SeenConnection seen;
  seen.clues.cookie = 5;
  seen.clues.pid = 70;
  seen.clues.started = 1;
  seen.clues.dialled_at = 9;
  seen.clues.agreement = caller::Agreement::agreed;
  seen.dialled = SocketAddress::ipv4_loopback(50342);
  EXPECT_FALSE(book_.recall(seen));

  caller::Caller caller;
  caller.clues.cookie = 4;
  (void)book_.look_up(caller, Need::nothing, kUid, seen);
  settle();
  push(7, "/usr/bin/python3", 70);
  let_go(7, 9);
  EXPECT_FALSE(book_.recall(seen)) << "what was noted is about another socket";

  caller.clues.cookie = 5;
  (void)book_.look_up(caller, Need::nothing, kUid, seen);
  settle();
  let_go(7, 10);
  EXPECT_FALSE(book_.recall(seen)) << "the socket was dialled again meanwhile, by another program perhaps";
  (void)book_.look_up(caller, Need::nothing, kUid, seen);
  settle();
  let_go(7, 9);
  seen.clues.cookie = 6;  // his next connection
  seen.clues.dialled_at = 11;
  const PendingIdentityPtr known = book_.recall(seen);
  ASSERT_TRUE(known);
  EXPECT_EQ(known->identity()->program, "/usr/bin/python3");
  EXPECT_EQ(known->agreement(), caller::Agreement::agreed);
  EXPECT_EQ(known->dialled(), seen.dialled);
  book_.forget_remembered();
  EXPECT_FALSE(book_.recall(seen));
}

TEST_F(IdentityBookTest, AsksOneQuestionAtATimeAboutAsManyAsAMessageHolds) {
  std::vector<PendingIdentityPtr> lookups;
  for (std::size_t i = 0; i < control::kMostInMessage + 1; ++i) {
    lookups.push_back(look_up());
  }
  settle();
  EXPECT_EQ(questions_, 1);
  let_go();
  EXPECT_TRUE(lookups.front()->identity());
  EXPECT_FALSE(lookups.back()->identity());
  settle();
  EXPECT_EQ(questions_, 2);
  let_go();
  EXPECT_TRUE(lookups.back()->identity());
}

// Processes that ask once and are gone come no faster than that.
TEST_F(IdentityBookRestTest, AsksAtOnceAboutTheFirstFewOfAUser) {
  for (int question = 1; question <= 4; ++question) {
    look_up_some(1);
    EXPECT_EQ(questions_, question);
    let_go();
  }
  look_up_some(1);
  EXPECT_EQ(questions_, 4);
  (void)look_up(kUid + 1, Need::nothing);
  settle();
  EXPECT_EQ(questions_, 5) << "another user";
}

TEST_F(IdentityBookRestTest, AsksAtOnceWhereAMessageIsFull) {
  look_up_some(4);
  let_go();
  look_up_some(31);
  EXPECT_EQ(questions_, 1);
  look_up_some(1);
  EXPECT_EQ(questions_, 2);
  EXPECT_EQ(asked_about(), 32U);
}

TEST_F(IdentityBookRestTest, AsksAtOnceWhereARequestWaits) {
  look_up_some(4);
  let_go();
  look_up_some(3);
  EXPECT_EQ(questions_, 1);
  (void)look_up(kUid, Need::agreement);
  settle();
  EXPECT_EQ(questions_, 2);
  EXPECT_EQ(asked_about(), 4U);
}

TEST_F(IdentityBookRestTest, AsksAtOnceWhereARequestHasWaitedForTheAnswerBefore) {
  look_up_some(4);
  (void)look_up(kUid, Need::process);
  let_go();
  settle();
  EXPECT_EQ(questions_, 2);
}

TEST_F(IdentityBookPaceTest, AsksInAWhileAboutAllWhoHaveComeMeanwhile) {
  look_up_some(4);
  let_go();
  const PendingIdentityPtr resting = look_up(kUid, Need::nothing);
  look_up_some(4);
  ASSERT_TRUE(support::run_until(io_, [&] { return questions_ == 2; }));
  EXPECT_EQ(asked_about(), 5U);
  let_go();
  EXPECT_NE(resting->identity(), nullptr);
}

TEST_F(IdentityBookTest, AnAnswerToAnEarlierQuestionIsNoAnswerToALaterOne) {
  const PendingIdentityPtr lookup = look_up();
  settle();
  question_.number += 1;
  let_go();
  EXPECT_FALSE(lookup->identity());
}

TEST_F(IdentityBookTest, AMalformedAnswerLeavesTheCallerUnknown) {
  const PendingIdentityPtr lookup = look_up();
  settle();
  control::Message message;
  message.number = question_.number;
  message.body = "x";
  book_.take_answers(message);
  EXPECT_EQ(lookup->identity()->unknown_because,
            "the supervisor could not identify the caller: malformed answer");
}

TEST_F(IdentityBookTest, WaitsForNoAnswerToWhatCouldNotBeSent) {
  book_.ask_with([](const control::Message&) -> Result<void> { return Error::from_errno(EAGAIN, "send"); });
  const PendingIdentityPtr lookup = look_up();
  EXPECT_TRUE(support::run(io_, book_.wait(lookup)));
  EXPECT_EQ(lookup->identity()->unknown_because,
            "the supervisor could not identify the caller: send: Resource temporarily unavailable");
}

TEST_F(IdentityBookTest, WhatWaitsBehindWhatCouldNotBeSentIsAskedAboutAllTheSame) {
  bool can_send = false;
  book_.ask_with([&](const control::Message& question) -> Result<void> {
    question_ = question;
    return can_send ? Result<void>() : Error::from_errno(EAGAIN, "send");
  });
  const PendingIdentityPtr first = look_up();
  std::vector<PendingIdentityPtr> more;
  first->then([&] {
    can_send = true;
    more.push_back(look_up());
  });
  settle();
  ASSERT_EQ(more.size(), 1U);
  push(3, "/bin/a");
  let_go(3);
  ASSERT_NE(more.front()->identity(), nullptr);
  EXPECT_EQ(more.front()->identity()->program, "/bin/a");
}

TEST_F(IdentityBookTest, GivesUpWhatWasAskedAndWhatWasNot) {
  const PendingIdentityPtr asked = look_up();
  support::Started<void> waiting(io_, book_.wait(asked));
  const PendingIdentityPtr in_the_queue = look_up();
  ASSERT_EQ(questions_, 1);
  int recorded = 0;
  in_the_queue->then([&recorded] { ++recorded; });

  book_.give_up();
  EXPECT_TRUE(waiting.get());
  EXPECT_EQ(recorded, 1);
  EXPECT_TRUE(support::run(io_, book_.wait_for_all()));
  for (const PendingIdentityPtr& lookup : {asked, in_the_queue}) {
    EXPECT_TRUE(lookup->was_given_up());
    ASSERT_TRUE(lookup->identity());
    EXPECT_EQ(lookup->identity()->uid, kUid);
    EXPECT_EQ(lookup->identity()->unknown_because, "the service was restarted meanwhile");
  }
}

TEST_F(IdentityBookTest, AnAnswerToWhatWasGivenUpChangesNothing) {
  const PendingIdentityPtr lookup = look_up();
  support::Started<void> waiting(io_, book_.wait(lookup));
  book_.give_up();
  let_go();
  EXPECT_EQ(lookup->identity()->unknown_because, "the service was restarted meanwhile");
}

TEST_F(IdentityBookTest, AsksNobodyOnceItHasGivenUp) {
  book_.give_up();
  const PendingIdentityPtr lookup = look_up();
  EXPECT_TRUE(support::run(io_, book_.wait(lookup)));
  EXPECT_TRUE(lookup->was_given_up());
  EXPECT_EQ(questions_, 0);
}

}  // namespace
}  // namespace msi2imds::responder
