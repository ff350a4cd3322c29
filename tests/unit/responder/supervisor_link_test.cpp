// SPDX-License-Identifier: MIT
#include "responder/supervisor_link.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <optional>

#include "support_cpp/run.hpp"
#include "support_cpp/sockets.hpp"

namespace msi2imds::responder {
namespace {

using control::Kind;
using control::Message;
using control::Received;
using Asking = support::Started<Result<Received>>;

// The test is the supervisor.
class SupervisorLinkTest : public testing::Test {
 protected:
  SupervisorLinkTest() {
    auto ends = control::Channel::make_pair();
    EXPECT_TRUE(ends);
    supervisor_.emplace(io_, std::move(ends->first));
    link_.emplace(io_, std::move(ends->second));
  }

  // The question as the supervisor gets it.
  Message next_question() {
    const auto received = support::run(io_, supervisor_->receive());
    EXPECT_TRUE(received);
    return received ? received->message : Message();
  }
  void send(Kind kind, std::uint32_t id, std::int32_t value = 0, int descriptor = -1) {
    Message message;
    message.kind = kind;
    message.id = id;
    message.value = value;
    EXPECT_TRUE(supervisor_->send(message, descriptor));
  }

  asio::io_context io_{1};
  std::optional<control::Channel> supervisor_;
  std::optional<SupervisorLink> link_;
};

TEST_F(SupervisorLinkTest, TellsWithoutWantingAnAnswer) {
  ASSERT_TRUE(link_->tell(Kind::ready));
  const Message message = next_question();
  EXPECT_EQ(message.kind, Kind::ready);
  EXPECT_EQ(message.id, 0U);
}

TEST_F(SupervisorLinkTest, HandsOutWhatAnswersNoQuestion) {
  Asking receiving(io_, link_->receive());
  send(Kind::drain, 0, 1);
  const auto received = receiving.get();
  ASSERT_TRUE(received);
  EXPECT_EQ(received->message.kind, Kind::drain);
  EXPECT_EQ(received->message.value, 1);
}

TEST_F(SupervisorLinkTest, GivesEachQuestionItsOwnAnswer) {
  Asking receiving(io_, link_->receive());
  Asking first(io_, link_->ask(Kind::ask_redirection));
  Asking second(io_, link_->ask(Kind::open_upstream));
  const Message first_question = next_question();
  const Message second_question = next_question();
  EXPECT_EQ(first_question.kind, Kind::ask_redirection);
  EXPECT_EQ(second_question.kind, Kind::open_upstream);

  send(Kind::upstream, second_question.id, 2);
  send(Kind::redirection, first_question.id, 1);
  const auto first_answer = first.get();
  const auto second_answer = second.get();
  ASSERT_TRUE(first_answer && second_answer);
  EXPECT_EQ(first_answer->message.value, 1);
  EXPECT_EQ(second_answer->message.value, 2);
  EXPECT_FALSE(receiving.is_done());
}

TEST_F(SupervisorLinkTest, PassesTheDescriptorOfAnAnswer) {
  Asking receiving(io_, link_->receive());
  Asking asking(io_, link_->ask(Kind::open_upstream));
  const UniqueFd socket = support::listen_on_loopback();
  send(Kind::upstream, next_question().id, 0, socket.get());
  const auto answer = asking.get();
  ASSERT_TRUE(answer);
  EXPECT_EQ(support::address_of(answer->descriptor), support::address_of(socket));
}

TEST_F(SupervisorLinkTest, TurnsAnErrorInAnAnswerIntoAnError) {
  Asking receiving(io_, link_->receive());
  Asking asking(io_, link_->ask(Kind::open_upstream));
  Message message;
  message.kind = Kind::upstream;
  message.id = next_question().id;
  message.error = ENETUNREACH;
  message.set_text("reach http://imds.test");
  ASSERT_TRUE(supervisor_->send(message));
  const auto answer = asking.get();
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().message(), "reach http://imds.test: Network is unreachable");
}

TEST_F(SupervisorLinkTest, DropsAnAnswerThatNobodyWaitsFor) {
  const auto before = support::count_open_descriptors();
  Asking receiving(io_, link_->receive());
  const UniqueFd socket = support::listen_on_loopback();
  send(Kind::upstream, 4711, 0, socket.get());
  send(Kind::drain, 0);
  EXPECT_EQ(receiving.get()->message.kind, Kind::drain);
  EXPECT_EQ(support::count_open_descriptors(), before + 1) << "only the test's own socket";
}

TEST_F(SupervisorLinkTest, FailsAtOnceWhenTheQuestionCannotBeSent) {
  supervisor_.reset();
  const auto answer = support::run(io_, link_->ask(Kind::ask_redirection));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code().value(), EPIPE);
}

TEST_F(SupervisorLinkTest, NoticesThatTheSupervisorIsGone) {
  Asking receiving(io_, link_->receive());
  supervisor_.reset();
  const auto received = receiving.get();
  ASSERT_FALSE(received);
  EXPECT_EQ(received.error().code().value(), ECONNRESET);
}

TEST_F(SupervisorLinkTest, StopsReceivingWhenTold) {
  Asking receiving(io_, link_->receive());
  link_->stop_receiving();
  EXPECT_FALSE(receiving.get());
}

}  // namespace
}  // namespace msi2imds::responder
