// SPDX-License-Identifier: MIT
#include "base/wait_set.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <string>
#include <utility>

namespace msi2imds {
namespace {

using boost::system::error_code;

class WaitSetTest : public testing::Test {
 protected:
  WaitSetTest() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()), 0);
    peer_.reset(ends[0]);
    socket_.emplace(WaitSet::of(io_), UniqueFd(ends[1]));
  }

  Task<> wait(SocketWait::For what = SocketWait::For::input) {
    result_ = co_await SocketWait(*socket_, what);
    ++waits_over_;
  }
  void settle() {
    io_.restart();
    io_.poll();
  }
  void send() {
    ASSERT_EQ(::send(peer_.get(), "x", 1, MSG_NOSIGNAL), 1);
  }
  void receive() {
    std::array<char, 8> bytes{};
    ASSERT_GT(::recv(socket_->get(), bytes.data(), bytes.size(), MSG_DONTWAIT), 0);
  }

  asio::io_context io_{1};
  UniqueFd peer_;
  std::optional<WaitableSocket> socket_;
  error_code result_;
  int waits_over_ = 0;
};

TEST_F(WaitSetTest, WaitsForInputAgainAndAgain) {
  for (int i = 1; i <= 3; ++i) {
    wait().detach();
    settle();
    EXPECT_EQ(waits_over_, i - 1);
    send();
    settle();
    EXPECT_EQ(waits_over_, i);
    EXPECT_FALSE(result_);
    receive();
  }
}

TEST_F(WaitSetTest, IsOverSoonWhereTheInputIsThereAlready) {
  send();
  wait().detach();
  EXPECT_EQ(waits_over_, 0) << "not before the event loop has its turn";
  settle();
  EXPECT_EQ(waits_over_, 1);
  wait().detach();  // nobody has read it
  settle();
  EXPECT_EQ(waits_over_, 2);
}

TEST_F(WaitSetTest, WaitsForRoomWhateverComesIn) {
  const std::string much(4096, 'x');
  while (::send(socket_->get(), much.data(), much.size(), MSG_NOSIGNAL | MSG_DONTWAIT) > 0) {
  }
  wait(SocketWait::For::room).detach();
  send();
  settle();
  EXPECT_EQ(waits_over_, 0);
  std::string taken(much.size(), '\0');
  while (::recv(peer_.get(), taken.data(), taken.size(), MSG_DONTWAIT) > 0) {
  }
  settle();
  EXPECT_EQ(waits_over_, 1);
  wait().detach();
  settle();
  EXPECT_EQ(waits_over_, 2) << "and for input after that";
}

TEST_F(WaitSetTest, EndsAWaitThatIsCancelled) {
  wait().detach();
  settle();
  socket_->cancel();
  EXPECT_EQ(waits_over_, 0) << "not in the middle of what cancels it";
  settle();
  EXPECT_EQ(waits_over_, 1);
  EXPECT_EQ(result_, asio::error::operation_aborted);
  socket_->cancel();
  wait().detach();
  settle();
  EXPECT_EQ(waits_over_, 1) << "what is cancelled is a wait, and no later one";
}

TEST_F(WaitSetTest, EndsAWaitForASocketThatIsClosed) {
  wait().detach();
  settle();
  socket_->close();
  settle();
  EXPECT_EQ(waits_over_, 1);
  EXPECT_EQ(result_, asio::error::operation_aborted);
  std::array<char, 1> byte{};
  EXPECT_EQ(::recv(peer_.get(), byte.data(), byte.size(), 0), 0);
}

TEST_F(WaitSetTest, ToWaitForAClosedSocketFails) {
  socket_->close();
  wait().detach();
  settle();
  EXPECT_EQ(waits_over_, 1);
  EXPECT_EQ(result_.value(), EBADF);
}

// The event loop sleeps until something happens that somebody waits for.
TEST_F(WaitSetTest, WhatNobodyWaitsForWakesNobody) {
  wait().detach();
  settle();
  send();
  settle();
  peer_.reset();  // with what was sent not yet read
  WaitSet& set = WaitSet::of(io_);
  std::array<int, 2> ends{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()), 0);
  const UniqueFd other(ends[0]);
  WaitableSocket quiet(set, UniqueFd(ends[1]));
  const auto wait_for_quiet = [&]() -> Task<> { (void)co_await SocketWait(quiet, SocketWait::For::input); };
  wait_for_quiet().detach();
  settle();  // told once, and not again
  settle();
  io_.restart();
  EXPECT_EQ(io_.poll(), 0U);
  EXPECT_EQ(waits_over_, 1);
  wait().detach();
  settle();
  EXPECT_EQ(waits_over_, 2) << "whoever waits then is told all the same";
  quiet.cancel();
  settle();
}

TEST_F(WaitSetTest, OneMayGoOnAfterAllOthers) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()), 0);
  const UniqueFd other(ends[0]);
  WaitableSocket second(WaitSet::of(io_), UniqueFd(ends[1]));
  int over_before = -1;
  const auto wait_for_second = [&]() -> Task<> {
    (void)co_await SocketWait(second, SocketWait::For::input);
    over_before = waits_over_;
  };
  for (const bool goes_last : {false, true}) {
    wait_for_second().detach();
    wait().detach();
    settle();
    ASSERT_EQ(::send(other.get(), "x", 1, MSG_NOSIGNAL), 1);
    send();
    if (goes_last) {
      second.go_on_last();
    }
    waits_over_ = 0;
    settle();
    EXPECT_EQ(over_before, goes_last ? 1 : 0);
    receive();
    std::array<char, 8> bytes{};
    ASSERT_GT(::recv(second.get(), bytes.data(), bytes.size(), MSG_DONTWAIT), 0);
  }
}

// One whose wait is over at the same time as another's may end it.
TEST_F(WaitSetTest, ASocketMayGoBeforeItsTurn) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()), 0);
  const UniqueFd other(ends[0]);
  const auto wait_and_close = [this](UniqueFd end) -> Task<> {
    WaitableSocket socket(WaitSet::of(io_), std::move(end));
    (void)co_await SocketWait(socket, SocketWait::For::input);
    socket_->close();
  };
  wait_and_close(UniqueFd(ends[1])).detach();
  wait().detach();
  send();
  ASSERT_EQ(::send(other.get(), "x", 1, MSG_NOSIGNAL), 1);
  settle();
  EXPECT_EQ(waits_over_, 1);
}

// A descriptor that is closed when the frames around a wait that never ends are gone.
TEST(WaitSetEndTest, EndsWithTheEventLoopItWaitsIn) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()), 0);
  const UniqueFd other(ends[0]);
  std::array<char, 1> byte{};
  {
    asio::io_context io{1};
    const auto inner = [&io](UniqueFd end) -> Task<> {
      WaitableSocket socket(WaitSet::of(io), std::move(end));
      (void)co_await SocketWait(socket, SocketWait::For::input);
    };
    const auto outer = [&inner](UniqueFd end) -> Task<> { co_await inner(std::move(end)); };
    outer(UniqueFd(ends[1])).detach();
    io.poll();
    EXPECT_EQ(::recv(other.get(), byte.data(), byte.size(), 0), -1) << "it waits";
  }
  EXPECT_EQ(::recv(other.get(), byte.data(), byte.size(), 0), 0) << "it is gone";
}

}  // namespace
}  // namespace msi2imds
