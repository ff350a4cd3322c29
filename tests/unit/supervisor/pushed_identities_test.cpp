// SPDX-License-Identifier: MIT
#include "supervisor/pushed_identities.hpp"

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "control/identities.hpp"
#include "support_cpp/run.hpp"

namespace msi2imds::supervisor {
namespace {

// The test is the responder, whose book is what the messages say.
class PushedIdentitiesTest : public testing::Test {
 protected:
  PushedIdentitiesTest() {
    connect();
  }

  // A responder that has been told nothing.
  void connect() {
    auto ends = control::Channel::make_pair();
    EXPECT_TRUE(ends);
    channel_.emplace(io_, std::move(ends->first));
    responder_.emplace(io_, std::move(ends->second));
    book_.clear();
  }
  // Reads all that was sent, up to a message of the test's own.
  void read() {
    ASSERT_TRUE(channel_->send(control::Message()));
    while (true) {
      const auto received = support::run(io_, responder_->receive());
      ASSERT_TRUE(received);
      const control::Message& message = received->message;
      if (message.kind == control::Kind::identity) {
        EXPECT_TRUE(book_.emplace(message.number, message.body).second) << "a number has one meaning";
      } else if (message.kind == control::Kind::forget_identity) {
        EXPECT_EQ(book_.erase(message.number), 1U);
      } else {
        return;
      }
      ++messages_;
    }
  }
  void expect_known(std::uint64_t number, const std::string& identity) {
    EXPECT_TRUE(number != 0 && book_.contains(number) && book_[number] == identity) << number << identity;
  }

  asio::io_context io_{1};
  std::optional<control::Channel> channel_;
  std::optional<control::Channel> responder_;
  std::map<std::uint64_t, std::string> book_;
  int messages_ = 0;
};

TEST_F(PushedIdentitiesTest, SendsAnIdentityOnce) {
  PushedIdentities identities;
  const std::uint64_t one = identities.push(*channel_, "one");
  const std::uint64_t two = identities.push(*channel_, "two");
  EXPECT_EQ(identities.push(*channel_, "one"), one);
  read();
  expect_known(one, "one");
  expect_known(two, "two");
  EXPECT_EQ(messages_, 2);
}

TEST_F(PushedIdentitiesTest, EveryNumberOfManyIsKnownWhenItIsNamed) {
  PushedIdentities identities;
  for (int i = 0; i < 9500; ++i) {
    const std::string identity = "caller " + std::to_string(i);
    const std::uint64_t number = identities.push(*channel_, identity);
    read();
    expect_known(number, identity);
  }
  EXPECT_EQ(identities.size(), 8192U);
  EXPECT_EQ(book_.size(), 8192U);
}

TEST_F(PushedIdentitiesTest, AMessageMayNameAsManyAsItHolds) {
  PushedIdentities identities({.count = control::kMostInMessage, .bytes = 1 << 20U});
  for (int round = 0; round < 10; ++round) {
    std::map<std::uint64_t, std::string> promised;
    for (std::size_t i = 0; i < control::kMostInMessage; ++i) {
      const std::string identity = std::to_string(round * 7 + static_cast<int>(i));
      promised.emplace(identities.push(*channel_, identity), identity);
    }
    read();
    for (const auto& [number, identity] : promised) {
      expect_known(number, identity);
    }
  }
}

TEST_F(PushedIdentitiesTest, WhatWasUsedLastStaysLongest) {
  PushedIdentities identities({.count = 2, .bytes = 1000});
  const std::uint64_t one = identities.push(*channel_, "one");
  const std::uint64_t two = identities.push(*channel_, "two");
  (void)identities.push(*channel_, "one");
  (void)identities.push(*channel_, "three");
  read();
  expect_known(one, "one");
  EXPECT_FALSE(book_.contains(two));
  EXPECT_NE(identities.push(*channel_, "two"), two) << "a number is never used again";
}

TEST_F(PushedIdentitiesTest, ManyLongOnesTakeNoMoreRoomThanAFewMore) {
  PushedIdentities identities({.count = 100, .bytes = 1000});
  for (char c = 'a'; c <= 'z'; ++c) {
    const std::string identity(300, c);
    const std::uint64_t number = identities.push(*channel_, identity);
    read();
    expect_known(number, identity);
  }
  EXPECT_EQ(book_.size(), 3U);
  EXPECT_EQ(identities.size(), 3U);
}

TEST_F(PushedIdentitiesTest, ABusyResponderMissesNoneOfThem) {
  PushedIdentities identities({.count = control::kMostInMessage, .bytes = 1 << 20U});
  std::map<std::uint64_t, std::string> promised;
  for (std::size_t i = 0; i < 500; ++i) {
    const std::string identity = std::to_string(i) + std::string(4000, 'x');
    promised.emplace(identities.push(*channel_, identity), identity);
  }
  EXPECT_FALSE(promised.contains(0));
  read();
  ASSERT_EQ(book_.size(), control::kMostInMessage);
  for (const auto& [number, identity] : book_) {
    EXPECT_EQ(promised[number], identity);
  }
}

TEST_F(PushedIdentitiesTest, KnowsTheNumberOfWhatTheResponderHas) {
  PushedIdentities identities;
  EXPECT_EQ(identities.number_of("one"), 0U);
  const std::uint64_t number = identities.push(*channel_, "one");
  EXPECT_EQ(identities.number_of("one"), number);
  identities.start_anew();
  EXPECT_EQ(identities.number_of("one"), 0U);
}

TEST_F(PushedIdentitiesTest, CannotNameWhatNoMessageHolds) {
  PushedIdentities identities;
  EXPECT_EQ(identities.push(*channel_, std::string(control::kMostBody + 1, 'x')), 0U);
}

TEST_F(PushedIdentitiesTest, ANewResponderGetsEverythingAnew) {
  PushedIdentities identities;
  const std::uint64_t before = identities.push(*channel_, "one");
  read();
  connect();
  identities.start_anew();
  const std::uint64_t after = identities.push(*channel_, "one");
  read();
  EXPECT_NE(after, before);
  expect_known(after, "one");
}

}  // namespace
}  // namespace msi2imds::supervisor
