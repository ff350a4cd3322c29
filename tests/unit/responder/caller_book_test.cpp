// SPDX-License-Identifier: MIT
#include "responder/caller_book.hpp"

#include <gtest/gtest.h>

#include <boost/asio/steady_timer.hpp>

#include "support_cpp/run.hpp"

namespace msi2imds::responder {
namespace {

constexpr uid_t kUid = 1000;

// The test is the supervisor, who knows nothing and says so when it is let go.
class CallerBookTest : public testing::Test {
 protected:
  CallerBookTest() {
    book_.ask_with([this](control::Message question) { return answer(question); });
  }

  CallerLookupPtr look_up() {
    caller::Caller caller;
    caller.uid = kUid;
    return book_.look_up(caller, true);
  }
  void let_go() {
    is_held_ = false;
    gate_.cancel();
  }

  asio::io_context io_{1};
  CallerBook book_{io_};
  int questions_ = 0;

 private:
  asio::awaitable<Result<control::Received>> answer(control::Message question) {
    ++questions_;
    while (is_held_) {
      (void)co_await gate_.async_wait(kAsTuple);
    }
    control::Received received;
    const std::vector<control::CallerAnswer> answers(static_cast<std::size_t>(question.value));
    control::set_records(received.message, std::span<const control::CallerAnswer>(answers));
    co_return received;
  }

  asio::steady_timer gate_{io_, asio::steady_timer::time_point::max()};
  bool is_held_ = true;
};

TEST_F(CallerBookTest, WaitsForTheSupervisorsAnswer) {
  const CallerLookupPtr lookup = look_up();
  support::Started<void> waiting(io_, book_.wait(lookup));
  support::Started<void> waiting_for_all(io_, book_.wait_for_all());
  EXPECT_EQ(questions_, 1);
  EXPECT_FALSE(waiting.is_done());
  EXPECT_FALSE(waiting_for_all.is_done());
  let_go();
  EXPECT_TRUE(waiting.get());
  EXPECT_TRUE(waiting_for_all.get());
  EXPECT_FALSE(lookup->was_given_up());
  EXPECT_EQ(lookup->identity()->unknown_because, "the supervisor did not answer");
}

TEST_F(CallerBookTest, GivesUpWhatWasAskedAndWhatWasNot) {
  const CallerLookupPtr asked = look_up();
  support::Started<void> waiting(io_, book_.wait(asked));
  const CallerLookupPtr in_the_queue = look_up();
  ASSERT_EQ(questions_, 1);
  int recorded = 0;
  in_the_queue->then([&recorded] { ++recorded; });

  book_.give_up();
  EXPECT_TRUE(waiting.get());
  EXPECT_EQ(recorded, 1);
  EXPECT_TRUE(support::run(io_, book_.wait_for_all()));
  for (const CallerLookupPtr& lookup : {asked, in_the_queue}) {
    EXPECT_TRUE(lookup->was_given_up());
    ASSERT_TRUE(lookup->identity());
    EXPECT_EQ(lookup->identity()->uid, kUid);
    EXPECT_EQ(lookup->identity()->unknown_because, "the service was restarted meanwhile");
  }
}

TEST_F(CallerBookTest, AnAnswerToWhatWasGivenUpChangesNothing) {
  const CallerLookupPtr lookup = look_up();
  support::Started<void> waiting(io_, book_.wait(lookup));
  book_.give_up();
  let_go();
  io_.restart();
  io_.poll();
  EXPECT_EQ(lookup->identity()->unknown_because, "the service was restarted meanwhile");
}

TEST_F(CallerBookTest, AsksNobodyOnceItHasGivenUp) {
  book_.give_up();
  const CallerLookupPtr lookup = look_up();
  EXPECT_TRUE(support::run(io_, book_.wait(lookup)));
  EXPECT_TRUE(lookup->was_given_up());
  EXPECT_EQ(questions_, 0);
}

}  // namespace
}  // namespace msi2imds::responder
