// SPDX-License-Identifier: MIT
#include "resolver/hash_queue.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/log.hpp"
#include "base/message.hpp"
#include "support_cpp/run.hpp"

namespace msi2imds::resolver {
namespace {

std::uint64_t next_question(const ReaderSettings& settings) {
  Question question;
  if (::recv(settings.socket, &question, sizeof question, 0) != sizeof question) {
    ::_exit(0);
  }
  return question.number;
}

void reply(const ReaderSettings& settings, std::uint64_t number, ReplyKind kind = ReplyKind::hashed) {
  const ReplyHeader header{.number = number, .kind = kind};
  std::string message(sizeof header, '\0');
  std::memcpy(message.data(), &header, sizeof header);
  (void)send_message(settings.socket, message, -1);
}

void answer_all(const ReaderSettings& settings, Progress& /*progress*/) {
  while (true) {
    reply(settings, next_question(settings));
  }
}

void answer_what_was_not_asked(const ReaderSettings& settings, Progress& /*progress*/) {
  reply(settings, next_question(settings) + 1000);
  (void)next_question(settings);
}

void answer_in_another_way(const ReaderSettings& settings, Progress& /*progress*/) {
  reply(settings, next_question(settings), ReplyKind::identity);
  (void)next_question(settings);
}

constexpr int kMostOfOneOwner = 2;

void end_with_all_of_one_owner_and_one_of_another(const ReaderSettings& settings, Progress& /*progress*/) {
  for (int i = 0; i < kMostOfOneOwner + 1; ++i) {
    (void)next_question(settings);
  }
}

class HashQueueTest : public testing::Test {
 protected:
  struct Finished {
    std::uint64_t number = 0;
    bool is_hashed = false;
    std::size_t hashers = 0;  // that were started by then

    friend bool operator==(const Finished&, const Finished&) = default;
  };

  HashQueueTest() {
    log::start({}, "test");
  }
  void push(HashQueue::Owner owner, std::uint64_t number) {
    wanted_.insert(number);
    Question question;
    question.number = number;
    question.clues.pid = ::getpid();
    queue_.push(owner, question);
  }
  bool run_until_finished(std::size_t count) {
    return support::run_until(io_, [this, count] { return finished_.size() == count; });
  }

  asio::io_context io_{1};
  std::vector<BecomeReader> hashers_;  // the first, the second, ...; those that follow answer all
  std::size_t started_ = 0;
  bool can_start_ = true;
  std::set<std::uint64_t> wanted_;
  std::vector<Finished> finished_;
  HashQueue queue_{
      io_,
      std::chrono::seconds(60),
      {.start_hasher = [this] { return start(); },
       .is_wanted = [this](std::uint64_t number) { return wanted_.contains(number); },
       .finish =
           [this](std::uint64_t number, bool is_hashed) {
             wanted_.erase(number);
             finished_.push_back({.number = number, .is_hashed = is_hashed, .hashers = started_});
           }}};

 private:
  Result<std::unique_ptr<ProcReader>> start() {
    if (!can_start_) {
      return Error::from_errno(EAGAIN, "fork");
    }
    ProcReader::Settings settings;
    settings.become = started_ < hashers_.size() ? hashers_[started_] : answer_all;
    ++started_;
    return ProcReader::start(io_, settings);
  }
};

TEST_F(HashQueueTest, TellsOfEachThatItWasRead) {
  push(1, 10);
  push(1, 11);
  ASSERT_TRUE(run_until_finished(2));
  push(1, 12);
  ASSERT_TRUE(run_until_finished(3));
  EXPECT_EQ(finished_, (std::vector<Finished>{{10, true, 1}, {11, true, 1}, {12, true, 1}}));
}

TEST_F(HashQueueTest, ReplacesAHasherThatSaysWhatItWasNotAsked) {
  hashers_ = {answer_what_was_not_asked, answer_in_another_way};
  for (const std::uint64_t number : {10U, 11U, 12U}) {
    push(1, number);
    ASSERT_TRUE(run_until_finished(finished_.size() + 1));
  }
  EXPECT_EQ(finished_, (std::vector<Finished>{{10, false, 1}, {11, false, 2}, {12, true, 3}}));
}

TEST_F(HashQueueTest, GivesTheHasherFewOfOneOwner) {
  hashers_ = {end_with_all_of_one_owner_and_one_of_another};
  push(1, 10);
  push(1, 11);
  push(1, 12);
  push(2, 20);
  ASSERT_TRUE(run_until_finished(4));
  EXPECT_EQ(finished_,
            (std::vector<Finished>{{10, false, 1}, {11, false, 1}, {20, false, 1}, {12, true, 2}}));
}

TEST_F(HashQueueTest, LeavesOutWhatNobodyWaitsForAnyMore) {
  push(1, 10);
  push(1, 11);
  wanted_.erase(10);
  ASSERT_TRUE(run_until_finished(1));
  EXPECT_EQ(finished_, (std::vector<Finished>{{11, true, 1}}));
}

TEST_F(HashQueueTest, SaysSoWhereNoHasherStarts) {
  can_start_ = false;
  push(1, 10);
  push(2, 20);
  ASSERT_TRUE(run_until_finished(2));
  can_start_ = true;
  push(1, 11);
  ASSERT_TRUE(run_until_finished(3));
  EXPECT_EQ(finished_, (std::vector<Finished>{{10, false, 0}, {20, false, 0}, {11, true, 1}}));
}

}  // namespace
}  // namespace msi2imds::resolver
