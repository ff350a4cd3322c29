// SPDX-License-Identifier: MIT
#include "control/channel.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "control/identities.hpp"
#include "support_cpp/run.hpp"
#include "support_cpp/sockets.hpp"

namespace msi2imds::control {
namespace {

using support::count_open_descriptors;

class ChannelTest : public testing::Test {
 protected:
  ChannelTest() {
    auto ends = Channel::make_pair();
    EXPECT_TRUE(ends);
    other_end_ = std::move(ends->second);
    channel_.emplace(io_, std::move(ends->first));
  }

  Result<Received> receive() {
    return support::run(io_, channel_->receive());
  }
  int error_of_receive() {
    const auto received = receive();
    return received ? 0 : received.error().code().value();
  }

  // Sends what a Channel would not: `count` descriptors, or another size.
  void send_raw(std::size_t size, const std::vector<int>& descriptors = {}) {
    std::vector<char> bytes(size);
    iovec part{.iov_base = bytes.data(), .iov_len = size};
    alignas(cmsghdr) std::array<char, 256> control{};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    if (!descriptors.empty()) {
      const std::size_t length = descriptors.size() * sizeof(int);
      header.msg_control = control.data();
      header.msg_controllen = CMSG_SPACE(length);
      cmsghdr* first = CMSG_FIRSTHDR(&header);
      first->cmsg_level = SOL_SOCKET;
      first->cmsg_type = SCM_RIGHTS;
      first->cmsg_len = CMSG_LEN(length);
      std::memcpy(CMSG_DATA(first), descriptors.data(), length);
    }
    ASSERT_EQ(::sendmsg(other_end_.get(), &header, 0), static_cast<ssize_t>(size));
  }

  static constexpr std::size_t kHeader = 24;

  asio::io_context io_{1};
  UniqueFd other_end_;
  std::optional<Channel> channel_;
};

TEST_F(ChannelTest, CarriesAMessage) {
  Channel sender(io_, std::move(other_end_));
  Message message;
  message.kind = Kind::upstream;
  message.id = 7;
  message.error = ECONNREFUSED;
  message.value = -1;
  message.number = std::uint64_t{1} << 40U;
  message.set_text("reach IMDS");
  ASSERT_TRUE(sender.send(message));
  const auto received = receive();
  ASSERT_TRUE(received);
  EXPECT_EQ(received->message.kind, Kind::upstream);
  EXPECT_EQ(received->message.id, 7U);
  EXPECT_EQ(received->message.error, ECONNREFUSED);
  EXPECT_EQ(received->message.value, -1);
  EXPECT_EQ(received->message.number, std::uint64_t{1} << 40U);
  EXPECT_EQ(received->message.get_text(), "reach IMDS");
  EXPECT_FALSE(received->descriptor);
}

TEST_F(ChannelTest, WaitsForAMessageThatComesLater) {
  support::Started<Result<Received>> receiving(io_, channel_->receive());
  EXPECT_FALSE(receiving.is_done());
  send_raw(kHeader);
  EXPECT_TRUE(receiving.get());
}

TEST_F(ChannelTest, PassesADescriptorThatIsClosedOnExec) {
  Channel sender(io_, std::move(other_end_));
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe2(pipe.data(), O_CLOEXEC), 0);
  const UniqueFd reader(pipe[0]);
  const UniqueFd writer(pipe[1]);
  ASSERT_TRUE(sender.send(Message(), writer.get()));
  const auto received = receive();
  ASSERT_TRUE(received);
  EXPECT_NE(received->descriptor.get(), writer.get());
  EXPECT_EQ(::fcntl(received->descriptor.get(), F_GETFD), FD_CLOEXEC);
  EXPECT_EQ(::write(received->descriptor.get(), "x", 1), 1);
  char byte = 0;
  EXPECT_EQ(::read(reader.get(), &byte, 1), 1);
}

TEST_F(ChannelTest, CarriesTheLongestBodyAndNoLongerOne) {
  Channel sender(io_, std::move(other_end_));
  Message message;
  message.body.assign(kMostBody, '\0');
  message.body.back() = 'x';
  ASSERT_TRUE(sender.send(message));
  const auto received = receive();
  ASSERT_TRUE(received);
  EXPECT_EQ(received->message.body, message.body);

  message.body += 'x';
  const auto sent = sender.send(message);
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().code().value(), EMSGSIZE);
}

TEST_F(ChannelTest, CutsATextThatIsLongerThanABody) {
  Message message;
  message.set_text(std::string(kMostBody + 1, 'x'));
  EXPECT_EQ(message.get_text(), std::string(kMostBody, 'x'));
}

TEST_F(ChannelTest, RefusesAMessageThatIsTooShort) {
  send_raw(kHeader - 1);
  EXPECT_EQ(error_of_receive(), EBADMSG);
}

TEST_F(ChannelTest, RefusesAMessageThatIsTooLong) {
  send_raw(kHeader + kMostBody + 1);
  EXPECT_EQ(error_of_receive(), EBADMSG);
}

TEST_F(ChannelTest, ClosesTheDescriptorOfARefusedMessage) {
  const auto before = count_open_descriptors();
  send_raw(1, {other_end_.get()});
  EXPECT_EQ(error_of_receive(), EBADMSG);
  EXPECT_EQ(count_open_descriptors(), before);
}

// A hostile process must not be able to fill our table.
TEST_F(ChannelTest, KeepsNoDescriptorOfAMessageThatBringsTwo) {
  const auto before = count_open_descriptors();
  send_raw(kHeader, {other_end_.get(), other_end_.get()});
  EXPECT_EQ(error_of_receive(), EBADMSG);
  EXPECT_EQ(count_open_descriptors(), before);
}

TEST_F(ChannelTest, KeepsNoDescriptorOfAMessageThatBringsMany) {
  const auto before = count_open_descriptors();
  send_raw(kHeader, std::vector<int>(20, other_end_.get()));
  EXPECT_EQ(error_of_receive(), EBADMSG);
  EXPECT_EQ(count_open_descriptors(), before);
}

TEST_F(ChannelTest, SaysWhenTheOtherEndIsClosed) {
  support::Started<Result<Received>> receiving(io_, channel_->receive());
  other_end_.reset();
  const auto received = receiving.get();
  ASSERT_FALSE(received);
  EXPECT_EQ(received.error().code().value(), ECONNRESET);
}

TEST_F(ChannelTest, DeliversWhatWasSentBeforeTheEnd) {
  send_raw(kHeader);
  other_end_.reset();
  EXPECT_TRUE(receive());
  EXPECT_EQ(error_of_receive(), ECONNRESET);
}

// A responder that leaves does not read what is on its way to it.
TEST_F(ChannelTest, DeliversWhatWasSentByOneThatDidNotReadEverything) {
  ASSERT_TRUE(channel_->send(Message()));
  send_raw(kHeader);
  send_raw(kHeader);
  other_end_.reset();
  EXPECT_TRUE(receive());
  EXPECT_TRUE(receive());
  EXPECT_EQ(error_of_receive(), ECONNRESET);
}

TEST_F(ChannelTest, SendingToAClosedEndIsAnErrorAndNoSignal) {
  other_end_.reset();
  const auto sent = channel_->send(Message());
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().code().value(), EPIPE);
}

TEST(IdentityAnswersTest, AreAtMostSoMany) {
  Message message;
  const std::vector<IdentityAnswer> answers(kMostInMessage);
  set_records(message, std::span<const IdentityAnswer>(answers));
  EXPECT_EQ(get_records<IdentityAnswer>(message)->size(), kMostInMessage);
  message.body.pop_back();
  EXPECT_FALSE(get_records<IdentityAnswer>(message));
  message.body.append(sizeof(IdentityAnswer) + 1, '\0');
  EXPECT_FALSE(get_records<IdentityAnswer>(message));
  EXPECT_EQ(get_records<IdentityAnswer>(Message())->size(), 0U);
}

TEST_F(ChannelTest, CancelEndsAPendingReceive) {
  support::Started<Result<Received>> receiving(io_, channel_->receive());
  channel_->cancel();
  EXPECT_FALSE(receiving.get());
}

}  // namespace
}  // namespace msi2imds::control
