// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>

#include <memory>
#include <vector>

#include "imds/imds_client.hpp"
#include "unit/imds/scripted_imds.hpp"

namespace msi2imds::imds {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using Then = Step::Then;
using token::Place;

constexpr std::chrono::seconds kRequestTimeout{20};  // longer than any test
// A kernel may keep an acknowledgement back for 40 ms, and what is not acknowledged counts as lost.
constexpr milliseconds kAtOnce{200};
constexpr milliseconds kNeverInATest{60'000};

// Connections that have answered once and do not any more, without a sign of it.
class ImdsClientDeadConnectionsTest : public ImdsClientFixture {
 protected:
  ImdsClientDeadConnectionsTest() {
    configure({.host = "imds.test", .first_byte = kAtOnce});
  }

  void configure(Settings settings) {
    settings.request_timeout = kRequestTimeout;
    client_.configure(std::move(settings));
  }

  // Each asks for something, over a connection of its own, and has its answer.
  void make_idle_connections(std::size_t count) {
    std::vector<std::unique_ptr<support::Started<token::FetchResult>>> asking;
    const std::size_t before = server_.requests().size();
    for (std::size_t i = 0; i < count; ++i) {
      server_.add({.bytes = ""});
      asking.push_back(std::make_unique<support::Started<token::FetchResult>>(io_, fetching()));
    }
    ASSERT_TRUE(support::run_until(io_, [&] { return server_.requests().size() == before + count; }));
    for (std::size_t i = 0; i < count; ++i) {
      server_.send(token_reply(), server_.accepted() - i);
    }
    for (const auto& one : asking) {
      ASSERT_TRUE(one->get());
    }
  }
  // No connection counts as proven any more.
  void let_them_grow_old() {
    asio::steady_timer timer(io_, milliseconds(1100));
    bool is_over = false;
    timer.async_wait([&](boost::system::error_code /*ec*/) { is_over = true; });
    ASSERT_TRUE(support::run_until(io_, [&] { return is_over; }));
  }
  bool wait_for_requests(std::size_t count) {
    return support::run_until(io_, [&] { return server_.requests().size() == count; });
  }
};

TEST_F(ImdsClientDeadConnectionsTest, ASilentKeptConnectionIsReplacedByANewOne) {
  make_idle_connections(1);
  server_.add({.bytes = "", .then = Then::hang});
  EXPECT_TRUE(fetch_through({.bytes = token_reply()}));
  EXPECT_EQ(server_.accepted(), 2U);
  EXPECT_THAT(quota_->asked, ElementsAre(Place::behind, Place::behind, Place::behind));
  EXPECT_EQ(client_.health().failures, 0U);
}

TEST_F(ImdsClientDeadConnectionsTest, AllThatAreAsOldGoWithIt) {
  make_idle_connections(5);
  server_.add({.bytes = "", .then = Then::hang});
  EXPECT_TRUE(fetch_through({.bytes = token_reply()}));
  EXPECT_EQ(server_.last_connection(), 6U);
  EXPECT_TRUE(support::run_until(io_, [this] { return server_.left() == 4; }));
  EXPECT_EQ(connection_of(request_for("https://vault.azure.net"), token_reply()), 6U);
}

TEST_F(ImdsClientDeadConnectionsTest, OneThatWasUsedAfterTheRequestWasSentStays) {
  configure({.host = "imds.test", .first_byte = milliseconds(500)});
  make_idle_connections(2);
  server_.add({.bytes = "", .then = Then::hang});
  support::Started<token::FetchResult> asking(io_, fetching());
  ASSERT_TRUE(wait_for_requests(3));
  const std::size_t dead = server_.last_connection();
  const std::size_t alive = 3 - dead;
  EXPECT_EQ(connection_of(request_for("https://vault.azure.net"), token_reply()), alive);
  server_.add({.bytes = token_reply()});
  EXPECT_TRUE(asking.get());
  EXPECT_EQ(server_.last_connection(), 3U) << "anew over a new one";
  EXPECT_EQ(server_.left(), 0U);
}

TEST_F(ImdsClientDeadConnectionsTest, AKeptConnectionThatIsResetTakesTheOthersAlong) {
  make_idle_connections(5);
  server_.add({.bytes = "", .then = Then::close});
  EXPECT_TRUE(fetch_through({.bytes = token_reply()}));
  EXPECT_EQ(server_.accepted(), 6U);
  EXPECT_TRUE(support::run_until(io_, [this] { return server_.left() == 4; }));
}

// IMDS may be busy with the silent one still.
TEST_F(ImdsClientDeadConnectionsTest, BothRequestsHoldATurn) {
  make_idle_connections(1);
  server_.add({.bytes = ""});
  EXPECT_TRUE(fetch_through({.bytes = token_reply()}));
  EXPECT_EQ(quota_->taken, 1U);
  server_.send(token_reply(), 1);
  EXPECT_TRUE(support::run_until(io_, [this] { return quota_->taken == 0; }));
}

TEST_F(ImdsClientDeadConnectionsTest, ALateAnswerIsTakenWhereNoNewRequestHadATurn) {
  make_idle_connections(1);
  quota_->most_at_a_time = 1;
  server_.add({.bytes = ""});
  support::Started<token::FetchResult> asking(io_, fetching());
  ASSERT_TRUE(support::run_until(io_, [this] { return quota_->asked.size() == 3; }));
  server_.send(token_reply());
  EXPECT_TRUE(asking.get());
  EXPECT_EQ(quota_->left, 1U);
  EXPECT_EQ(server_.requests().size(), 2U);
  EXPECT_EQ(connection_of(request_for("https://vault.azure.net"), token_reply()), 1U) << "slow, but alive";
}

TEST_F(ImdsClientDeadConnectionsTest, ALateAnswerIsTakenBeforeThatOfTheNewRequest) {
  make_idle_connections(1);
  server_.add({.bytes = ""});
  server_.add({.bytes = ""});
  support::Started<token::FetchResult> asking(io_, fetching());
  ASSERT_TRUE(wait_for_requests(3));
  server_.send(token_reply(), 1);
  EXPECT_TRUE(asking.get());
  EXPECT_EQ(quota_->taken, 1U) << "IMDS is busy with the other one";
  server_.send(token_reply(), 2);
  EXPECT_TRUE(support::run_until(io_, [this] { return quota_->taken == 0; }));
}

TEST_F(ImdsClientDeadConnectionsTest, AnAnswerThatHasBegunIsWaitedFor) {
  make_idle_connections(1);
  server_.add({.bytes = "HTTP/1.1 200 OK\r\n"});
  support::Started<token::FetchResult> asking(io_, fetching());
  let_them_grow_old();
  EXPECT_FALSE(asking.is_done());
  server_.send(token_reply().substr(std::string("HTTP/1.1 200 OK\r\n").size()));
  EXPECT_TRUE(asking.get());
  EXPECT_EQ(server_.accepted(), 1U);
  EXPECT_EQ(quota_->asked.size(), 2U);
}

TEST_F(ImdsClientDeadConnectionsTest, ANewConnectionHasTheWholeTime) {
  server_.add({.bytes = ""});
  support::Started<token::FetchResult> asking(io_, fetching());
  let_them_grow_old();
  EXPECT_FALSE(asking.is_done());
  server_.send(token_reply());
  EXPECT_TRUE(asking.get());
  EXPECT_EQ(server_.requests().size(), 1U);
}

// Of those that may all be dead, the first one shows it to all.
TEST_F(ImdsClientDeadConnectionsTest, OneOldConnectionAtATimeIsTried) {
  configure({.host = "imds.test", .first_byte = kNeverInATest});
  make_idle_connections(5);
  let_them_grow_old();
  server_.add({.bytes = ""});
  support::Started<token::FetchResult> trying(io_, fetching());
  ASSERT_TRUE(wait_for_requests(6));
  const std::size_t tried = server_.last_connection();
  EXPECT_LE(tried, 5U);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(connection_of(request_for("https://vault.azure.net"), token_reply()), 6U);
  }
  server_.send(token_reply(), tried);
  EXPECT_TRUE(trying.get());
}

TEST_F(ImdsClientDeadConnectionsTest, ConnectionsThatAnsweredJustNowAreUsedTogether) {
  configure({.host = "imds.test", .first_byte = kNeverInATest});
  make_idle_connections(2);
  server_.add({.bytes = ""});
  const support::Started<token::FetchResult> first(io_, fetching());
  ASSERT_TRUE(wait_for_requests(3));
  EXPECT_LE(connection_of(request_for("https://vault.azure.net"), token_reply()), 2U);
}

// However lately they have answered: all of them may fall silent together.
TEST_F(ImdsClientDeadConnectionsTest, ATurnIsLeftForANewConnection) {
  configure({.host = "imds.test", .max_in_flight = 3, .first_byte = kNeverInATest});
  make_idle_connections(3);
  std::vector<std::unique_ptr<support::Started<token::FetchResult>>> asking;
  for (int i = 0; i < 2; ++i) {
    server_.add({.bytes = ""});
    asking.push_back(std::make_unique<support::Started<token::FetchResult>>(io_, fetching()));
  }
  ASSERT_TRUE(wait_for_requests(5));
  EXPECT_EQ(connection_of(request_for("https://vault.azure.net"), token_reply()), 4U);
  EXPECT_TRUE(support::run_until(io_, [this] { return server_.left() == 1; })) << "made room";
}

// A resource that is larger than what fits between two kernels.
TEST_F(ImdsClientDeadConnectionsTest, ARequestThatDoesNotArriveIsTakenBackBeforeTheNextOne) {
  constexpr std::size_t kTooMuch = 4UL * 1024 * 1024;
  ASSERT_TRUE(fetch_through({.bytes = token_reply(), .then = Then::hang}));
  server_.add({.bytes = with_body("{}", "", "400 Bad Request")});
  EXPECT_TRUE(fetch(request_for(std::string(kTooMuch, 'r'))));
  EXPECT_EQ(server_.last_connection(), 2U);
  EXPECT_THAT(quota_->asked, ElementsAre(Place::behind, Place::behind, Place::before));
  EXPECT_EQ(quota_->most_taken, 1U);
  EXPECT_EQ(quota_->taken, 0U);
}

TEST_F(ImdsClientDeadConnectionsTest, ATimeOutIsFollowedByANewConnectionAtOnce) {
  client_.configure({.host = "imds.test", .request_timeout = std::chrono::seconds(1)});
  make_idle_connections(3);
  server_.add({.bytes = "HTTP/1.1 200 OK\r\n", .then = Then::hang});
  EXPECT_TRUE(fetch_through({.bytes = token_reply()}));
  EXPECT_EQ(server_.last_connection(), 4U);
  EXPECT_EQ(quota_->asked.back(), Place::before);
  EXPECT_TRUE(support::run_until(io_, [this] { return server_.left() == 2; }));
}

TEST_F(ImdsClientDeadConnectionsTest, AConnectionIsClosedAfterAWhileWithoutUse) {
  configure({.host = "imds.test", .idle_time = kAtOnce});
  const auto before = support::count_open_descriptors();
  make_idle_connections(3);
  EXPECT_TRUE(support::run_until(io_, [this] { return server_.left() == 3; }));
  EXPECT_LE(support::count_open_descriptors(), before + 3) << "the server's ends";
}

}  // namespace
}  // namespace msi2imds::imds
