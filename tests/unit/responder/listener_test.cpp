// SPDX-License-Identifier: MIT
#include "responder/listener.hpp"

#include <linux/netlink.h>
#include <sys/socket.h>

#include <vector>

#include "unit/responder/service_fixture.hpp"

namespace msi2imds::responder {
namespace {

class ListenerTest : public ServiceFixture {
 protected:
  static bool is_token(const std::string& answer) {
    return answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.find("secret.jwt") != std::string::npos;
  }
};

TEST_F(ListenerTest, ServesAClient) {
  EXPECT_TRUE(is_token(connect().ask(kRequest)));
  EXPECT_EQ(sessions_.accepted(), 1U);
}

TEST_F(ListenerTest, ServesManyClientsAtATime) {
  tokens_.held = true;
  std::vector<support::Client> clients;
  for (int i = 0; i < 20; ++i) {
    clients.push_back(connect());
    clients.back().send(kRequest);
  }
  wait_for_requests(20);
  EXPECT_EQ(sessions_.count(), 20U);
  tokens_.let_go();
  for (auto& client : clients) {
    EXPECT_TRUE(is_token(client.read_answer()));
  }
}

TEST_F(ListenerTest, LeavesWhatIsOverTheLimitInTheBacklog) {
  settings_.max_connections = 1;
  tokens_.held = true;
  auto first = connect();
  first.send(kRequest);
  wait_for_requests(1);
  auto second = connect();
  second.send(kRequest);
  settle();
  EXPECT_EQ(sessions_.accepted(), 1U);

  tokens_.let_go();
  EXPECT_TRUE(is_token(first.read_answer()));
  first.close();
  EXPECT_TRUE(is_token(second.read_answer()));
}

TEST_F(ListenerTest, ClosesTheOldestIdleConnectionWhereTooManyWait) {
  settings_.max_connections = 2;
  settings_.spare_connections = 1;
  auto oldest = connect();
  auto newer = connect();
  EXPECT_TRUE(is_token(oldest.ask(kRequest)));
  EXPECT_TRUE(is_token(newer.ask(kRequest)));
  auto first_waiting = connect();
  first_waiting.send(kRequest);
  settle();
  EXPECT_EQ(sessions_.count(), 2U);
  auto second_waiting = connect();
  EXPECT_EQ(oldest.read_to_end(), "");
  EXPECT_TRUE(is_token(first_waiting.read_answer()));
  EXPECT_TRUE(is_token(newer.ask(kRequest)));
  EXPECT_EQ(sessions_.gave_way(), 1U);
}

TEST_F(ListenerTest, ClosesNoConnectionThatIsBeingAnswered) {
  settings_.max_connections = 2;
  settings_.spare_connections = 1;
  tokens_.held = true;
  std::vector<support::Client> busy;
  for (int i = 0; i < 2; ++i) {
    busy.push_back(connect());
    busy.back().send(kRequest);
  }
  wait_for_requests(2);
  auto waiting = connect();
  waiting.send(kRequest);
  settle();
  EXPECT_EQ(connect().read_to_end(), "") << "nobody waits endlessly behind who has most";
  tokens_.let_go();
  for (auto& client : busy) {
    EXPECT_TRUE(is_token(client.read_answer()));
  }
  busy.front().close();
  EXPECT_TRUE(is_token(waiting.read_answer()));
}

// Nobody can tell any more whose a connection is whose client is gone when it is accepted.
class OrphansTest : public ListenerTest {
 protected:
  OrphansTest() {
    sessions_.identify_callers_with(
        UniqueFd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG)));
    settings_.max_connections = 3;
    settings_.spare_connections = 1;
    tokens_.held = true;
  }
  void ask_and_leave() {
    auto client = connect();
    client.send(kRequest);
    client.close();
    settle();
  }
  support::Client ask_and_wait() {
    auto client = connect();
    client.send(kRequest);
    settle();
    return client;
  }
};

TEST_F(OrphansTest, KeepNobodyOut) {
  for (int i = 0; i < 4; ++i) {
    ask_and_leave();
  }
  EXPECT_EQ(sessions_.count(), 3U) << "the fourth waits";
  auto first = ask_and_wait();
  EXPECT_EQ(sessions_.count(), 4U) << "in a spare place";
  auto second = ask_and_wait();
  EXPECT_EQ(sessions_.count(), 4U);
  EXPECT_EQ(sessions_.gave_way(), 1U);
  EXPECT_EQ(tokens_.requests.size(), 5U) << "in the place of one that is busy";
  tokens_.let_go();
  EXPECT_TRUE(is_token(first.read_answer()));
  EXPECT_TRUE(is_token(second.read_answer()));
}

TEST_F(OrphansTest, GetNoSparePlaceAndNobodysBusyOne) {
  std::vector<support::Client> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(ask_and_wait());
  }
  ask_and_leave();
  ask_and_leave();
  EXPECT_EQ(sessions_.count(), 3U);
  EXPECT_EQ(sessions_.gave_way(), 1U) << "of the two, one may wait";
  tokens_.let_go();
  for (auto& client : clients) {
    EXPECT_TRUE(is_token(client.read_answer()));
  }
}

// What gave way while it was busy goes on until its token is there: not endlessly many may.
TEST_F(OrphansTest, AreNotEndedFasterThanTheyEnd) {
  settings_.max_connections = 8;
  for (int i = 0; i < 8; ++i) {
    ask_and_leave();
  }
  std::vector<support::Client> clients;
  for (int i = 0; i < 4; ++i) {
    clients.push_back(ask_and_wait());
  }
  EXPECT_EQ(sessions_.count(), 9U);
  EXPECT_EQ(sessions_.gave_way(), 2U) << "of the third and the fourth one may wait";
}

TEST_F(ListenerTest, SharesTheLimitWithTheOtherListeners) {
  settings_.max_connections = 1;
  const auto other_listener = listen();
  tokens_.held = true;
  auto first = connect();
  first.send(kRequest);
  wait_for_requests(1);
  auto second = connect();
  auto third = connect(*other_listener);
  second.send(kRequest);
  third.send(kRequest);
  settle();
  tokens_.let_go();
  EXPECT_TRUE(is_token(first.read_answer()));

  tokens_.held = true;
  first.close();
  wait_for_requests(2);
  settle();
  EXPECT_EQ(sessions_.count(), 1U);
}

TEST_F(ListenerTest, ServesTheBacklogWhenItCloses) {
  settle();
  std::vector<support::Client> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(connect());
    clients.back().send(kRequest);
  }
  listener_->close(control::Backlog::serve);
  for (auto& client : clients) {
    EXPECT_TRUE(is_token(client.read_answer()));
  }
}

TEST_F(ListenerTest, ServesTheBacklogWhenItClosesWhileTheLimitIsReached) {
  settings_.max_connections = 1;
  tokens_.held = true;
  auto first = connect();
  first.send(kRequest);
  wait_for_requests(1);
  auto second = connect();
  second.send(kRequest);
  settle();
  listener_->close(control::Backlog::serve);
  tokens_.let_go();
  EXPECT_TRUE(is_token(second.read_answer()));
}

TEST_F(ListenerTest, ServesTheBacklogInADrain) {
  settle();
  auto client = connect();
  client.send(kRequest);
  listener_->close(control::Backlog::serve);
  sessions_.close_when_idle();
  EXPECT_TRUE(is_token(client.read_answer()));
}

TEST_F(ListenerTest, ServesTheBacklogWhenItClosesAfterABatch) {
  settle();
  std::vector<support::Client> clients;
  for (int i = 0; i < 70; ++i) {
    clients.push_back(connect());
    clients.back().send(kRequest);
  }
  ASSERT_TRUE(support::run_until(io_, [&] { return sessions_.accepted() > 0; }));
  ASSERT_LT(sessions_.accepted(), clients.size());
  listener_->close(control::Backlog::serve);
  for (auto& client : clients) {
    EXPECT_TRUE(is_token(client.read_answer()));
  }
}

TEST_F(ListenerTest, LetsGoOfItsSocketWhenItCloses) {
  settle();
  const SocketAddress address = listener_->address();
  listener_->close(control::Backlog::serve);
  settle();
  const UniqueFd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(::connect(client.get(), address.get(), address.size()), -1);
  EXPECT_EQ(errno, ECONNREFUSED);
}

TEST_F(ListenerTest, StopsRunningWhenItCloses) {
  settle();
  const std::weak_ptr<Listener> listener = listener_;
  listener_->close(control::Backlog::serve);
  listener_.reset();
  settle();
  EXPECT_TRUE(listener.expired());
}

TEST_F(ListenerTest, GoesOnAfterAClientThatLeftTheBacklog) {
  settle();
  connect().close();
  EXPECT_TRUE(is_token(connect().ask(kRequest)));
}

}  // namespace
}  // namespace msi2imds::responder
