// SPDX-License-Identifier: MIT
#include "control/outbox.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "control/channel.hpp"
#include "support_cpp/run.hpp"
#include "support_cpp/sockets.hpp"

namespace msi2imds::control {
namespace {

// More than a socket takes.
constexpr std::uint64_t kMany = 2000;

// Two ends; the first one's losses are noted.
class OutboxTest : public testing::Test {
 protected:
  OutboxTest() {
    auto ends = Channel::make_pair();
    EXPECT_TRUE(ends);
    sender_.emplace(io_, std::move(ends->first),
                    [this](const Error& why) { losses_.push_back(why.code().value()); });
    reader_.emplace(io_, std::move(ends->second));
  }

  Result<void> send(std::uint64_t number, std::size_t size = 0, int descriptor = -1) {
    Message message;
    message.number = number;
    message.body.assign(size, 'x');
    return sender_->send(message, descriptor);
  }
  // The number of the first message that is not taken.
  std::uint64_t send_until_refused(std::size_t size = 0, int descriptor = -1) {
    std::uint64_t number = 0;
    while (number < 100000 && send(number, size, descriptor)) {
      ++number;
    }
    return number;
  }
  Received receive() {
    Result<Received> received = support::run(io_, reader_->receive());
    EXPECT_TRUE(received);
    return received ? std::move(*received) : Received();
  }
  void expect_all(std::uint64_t from, std::uint64_t to) {
    for (std::uint64_t number = from; number < to; ++number) {
      ASSERT_EQ(receive().message.number, number);
    }
  }

  asio::io_context io_{1};
  std::optional<Channel> sender_;
  std::optional<Channel> reader_;
  std::vector<int> losses_;
};

TEST_F(OutboxTest, DeliversInOrderWhatAFullSocketDidNotTake) {
  for (std::uint64_t number = 0; number < kMany; ++number) {
    ASSERT_TRUE(send(number));
  }
  expect_all(0, kMany);
  EXPECT_TRUE(losses_.empty());
}

TEST_F(OutboxTest, WhatIsSentWhileOthersWaitComesAfterThem) {
  for (std::uint64_t number = 0; number < kMany; ++number) {
    ASSERT_TRUE(send(number));
  }
  // The socket has room now, which those that wait are yet to take.
  for (std::uint64_t number = 0; number < 200; ++number) {
    ASSERT_EQ(receive().message.number, number);
    ASSERT_TRUE(send(kMany + number));
  }
  expect_all(200, kMany + 200);
}

TEST_F(OutboxTest, DeliversLongMessagesWhole) {
  for (std::uint64_t number = 0; number < 100; ++number) {
    ASSERT_TRUE(send(number, kMostBody));
  }
  for (std::uint64_t number = 0; number < 100; ++number) {
    const Received received = receive();
    ASSERT_EQ(received.message.number, number);
    ASSERT_EQ(received.message.body, std::string(kMostBody, 'x'));
  }
}

TEST_F(OutboxTest, KeepsTheDescriptorOfAMessageThatWaits) {
  const auto before = support::count_open_descriptors();
  std::vector<int> ports;
  for (std::uint64_t number = 0; number < kMany; ++number) {
    if (number % 100 != 99) {
      ASSERT_TRUE(send(number));
      continue;
    }
    const UniqueFd socket = support::listen_on_loopback();
    ports.push_back(support::address_of(socket).port());
    ASSERT_TRUE(send(number, 0, socket.get()));
  }
  for (std::uint64_t number = 0; number < kMany; ++number) {
    const Received received = receive();
    ASSERT_EQ(received.message.number, number);
    ASSERT_EQ(static_cast<bool>(received.descriptor), number % 100 == 99);
    if (received.descriptor) {
      EXPECT_EQ(support::address_of(received.descriptor).port(), ports[number / 100]);
    }
  }
  EXPECT_EQ(support::count_open_descriptors(), before);
}

TEST_F(OutboxTest, OfManySmallMessagesOnlySoManyWait) {
  const std::uint64_t refused = send_until_refused();
  EXPECT_GE(refused, Outbox::kMostMessages);
  EXPECT_LT(refused, 2 * Outbox::kMostMessages);
  EXPECT_EQ(send(refused).error().code().value(), EAGAIN);
  EXPECT_EQ(losses_, std::vector<int>{EAGAIN}) << "said once";
  expect_all(0, refused);
}

TEST_F(OutboxTest, OfLongMessagesOnlySoManyBytesWait) {
  const std::uint64_t refused = send_until_refused(kMostBody);
  EXPECT_GE(refused, Outbox::kMostBytes / (kMostBody + 1024));
  EXPECT_LT(refused, Outbox::kMostBytes / kMostBody + 16);
  EXPECT_EQ(losses_, std::vector<int>{EAGAIN});
  expect_all(0, refused);
}

TEST_F(OutboxTest, OnlySoManyDescriptorsWait) {
  const UniqueFd socket = support::listen_on_loopback();
  std::uint64_t sent = 0;
  while (send(sent, 0, socket.get())) {
    ++sent;
    ASSERT_LT(sent, 10 * Outbox::kMostDescriptors);
  }
  EXPECT_GE(sent, Outbox::kMostDescriptors);
  EXPECT_LT(sent, Outbox::kMostMessages);
  EXPECT_EQ(losses_, std::vector<int>{EAGAIN});
}

TEST_F(OutboxTest, ClosesWhatWaitsWhenItIsDestroyed) {
  const auto before = support::count_open_descriptors();
  {
    const UniqueFd socket = support::listen_on_loopback();
    for (std::uint64_t number = 0; number < 500; ++number) {
      ASSERT_TRUE(send(number, 0, socket.get()));
    }
    EXPECT_GT(support::count_open_descriptors(), before + 1);
  }
  sender_.reset();
  EXPECT_EQ(support::count_open_descriptors(), before - 1);
  io_.restart();
  io_.run();  // its handler has nobody to wake
}

// The wait for the socket has ended well, and the channel is gone before that is told.
TEST_F(OutboxTest, MayGoWhileItsSocketBecomesWritable) {
  for (std::uint64_t number = 0; number < kMany; ++number) {
    ASSERT_TRUE(send(number));
  }
  asio::post(io_, [this] { sender_.reset(); });
  reader_.reset();
  io_.restart();
  io_.run();
  EXPECT_TRUE(losses_.empty());
}

TEST_F(OutboxTest, FlushReturnsWhenEverythingIsOnItsWay) {
  EXPECT_TRUE(support::Started<void>(io_, sender_->flush()).is_done()) << "nothing waits";
  for (std::uint64_t number = 0; number < kMany; ++number) {
    ASSERT_TRUE(send(number));
  }
  support::Started<void> flushing(io_, sender_->flush());
  EXPECT_FALSE(flushing.is_done());
  std::uint64_t number = 0;
  while (!flushing.is_done()) {
    ASSERT_EQ(receive().message.number, number++);
  }
  sender_.reset();
  expect_all(number, kMany);
}

TEST_F(OutboxTest, FlushReturnsWhenTheOtherEndIsGone) {
  for (std::uint64_t number = 0; number < kMany; ++number) {
    ASSERT_TRUE(send(number));
  }
  support::Started<void> flushing(io_, sender_->flush());
  reader_.reset();
  EXPECT_TRUE(flushing.get());
  EXPECT_EQ(send(0).error().code().value(), EPIPE);
  EXPECT_TRUE(losses_.empty()) << "nobody is there to be told";
}

TEST_F(OutboxTest, FlushReturnsWhenTheChannelGoes) {
  for (std::uint64_t number = 0; number < kMany; ++number) {
    ASSERT_TRUE(send(number));
  }
  support::Started<void> flushing(io_, sender_->flush());
  sender_.reset();
  EXPECT_TRUE(flushing.get());
}

TEST_F(OutboxTest, CancelForgetsWhatWaitsAndLaterMessagesAreSent) {
  for (std::uint64_t number = 0; number < kMany; ++number) {
    ASSERT_TRUE(send(number));
  }
  sender_->cancel();
  for (std::uint64_t number = 0; number < kMany; ++number) {
    ASSERT_TRUE(send(kMany + number));
  }
  std::uint64_t number = 0;
  while (receive().message.number == number) {
    ++number;
  }
  EXPECT_GT(number, 0U);
  EXPECT_LT(number, kMany);
  expect_all(kMany + 1, kMany + kMany);
}

}  // namespace
}  // namespace msi2imds::control
