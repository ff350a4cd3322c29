// SPDX-License-Identifier: MIT
#include "supervisor/answers_under_way.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <boost/asio/co_spawn.hpp>
#include <exception>

#include "control/channel.hpp"

namespace msi2imds::supervisor {
namespace {

class AnswersUnderWayTest : public testing::Test {
 protected:
  AnswersUnderWayTest() {
    answers_.open();
    answers_.begin();
  }
  void wait() {
    asio::co_spawn(io_, answers_.wait_for_room(), [this](const std::exception_ptr&) { waits_ = false; });
    io_.poll();
  }
  bool still_waits() {
    io_.restart();
    io_.poll();
    return waits_;
  }

  asio::io_context io_{1};
  AnswersUnderWay answers_{io_, 2};
  bool waits_ = true;
};

TEST_F(AnswersUnderWayTest, HasRoomForSoMany) {
  wait();
  EXPECT_FALSE(still_waits());
}

TEST_F(AnswersUnderWayTest, HasRoomOnceOneHasEnded) {
  answers_.begin();
  wait();
  EXPECT_TRUE(still_waits());
  answers_.end();
  EXPECT_FALSE(still_waits());
}

// Whoever follows it would not notice that its process is gone.
TEST_F(AnswersUnderWayTest, KeepsNobodyWaitingForAResponderThatIsGone) {
  auto ends = control::Channel::make_pair();
  ASSERT_TRUE(ends);
  control::Channel channel(io_, std::move(ends->first));
  channel.when_closed([this] { answers_.close(); });
  answers_.begin();
  wait();
  ASSERT_EQ(::send(ends->second.get(), "x", 1, 0), 1);  // which nobody receives
  EXPECT_TRUE(still_waits());
  ends->second.reset();
  EXPECT_FALSE(still_waits());
}

TEST_F(AnswersUnderWayTest, CountsForTheNextResponderWhatTheLastOneBegan) {
  answers_.begin();
  answers_.close();
  answers_.open();
  wait();
  EXPECT_TRUE(still_waits());
  answers_.close();
  EXPECT_FALSE(still_waits());
}

}  // namespace
}  // namespace msi2imds::supervisor
