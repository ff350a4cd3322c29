// SPDX-License-Identifier: MIT
#include <boost/asio/steady_timer.hpp>

#include "http/errors.hpp"
#include "imds/errors.hpp"
#include "imds/imds_client.hpp"
#include "unit/imds/code_of.hpp"
#include "unit/imds/scripted_imds.hpp"

namespace msi2imds::imds {
namespace {

using Then = Step::Then;
using token::SelectorKind;

const std::string kVault = "https://vault.azure.net";
const std::string kGraph = "https://graph.microsoft.com/";
const std::string kAlice = "11111111-2222-3333-4444-555555555aaa";
const std::string kBob = "11111111-2222-3333-4444-555555555bbb";
const std::string kEarlyHints = "HTTP/1.1 103 Early Hints\r\n\r\n";
constexpr std::chrono::seconds kNever{0};

token::IdentitySelector client_id(const std::string& value) {
  return {.kind = SelectorKind::client_id, .value = value};
}
token::IdentitySelector object_id(const std::string& value) {
  return {.kind = SelectorKind::object_id, .value = value};
}

// An upstream that answers too much, too late, or something else than it was asked.
class ImdsClientMixUpsTest : public ImdsClientFixture {
 protected:
  token::FetchResult ask(const std::string& resource, token::IdentitySelector identity,
                         const std::string& reply) {
    server_.add({.bytes = reply});
    return fetch(request_for(resource, std::move(identity)));
  }
  // What comes first is no answer to the question: it is asked anew at once, over a new connection.
  void expect_asked_anew(const std::string& resource, const std::string& identity, const std::string& first) {
    const std::size_t requests = server_.requests().size();
    const std::size_t connections = server_.accepted();
    server_.add({.bytes = first});
    const auto result = ask(resource, client_id(identity), token_for(resource, identity));
    ASSERT_TRUE(result);
    EXPECT_EQ(std::get<0>(*result)->client_id, identity);
    EXPECT_EQ(std::get<0>(*result)->resource, resource);
    EXPECT_EQ(server_.requests().size(), requests + 2);
    EXPECT_EQ(server_.accepted(), connections + 1);
    EXPECT_EQ(quota_->asked.back(), token::Place::before);
    EXPECT_EQ(quota_->most_taken, 1U) << "one after the other";
  }
  // A connection that has answered for Alice.
  void make_idle_connection() {
    ASSERT_TRUE(ask(kVault, client_id(kAlice), token_for(kVault, kAlice)));
  }
  asio::awaitable<void> drip(int count) {
    asio::steady_timer timer(io_);
    for (int i = 0; i < count; ++i) {
      timer.expires_after(std::chrono::milliseconds(300));
      (void)co_await timer.async_wait(kAsTuple);
      server_.send(kEarlyHints);
    }
  }
  void let_things_happen() {
    for (int i = 0; i < 10; ++i) {
      io_.restart();
      io_.poll();
    }
  }
};

TEST_F(ImdsClientMixUpsTest, WaitsBehindAnInterimAnswer) {
  server_.add({.bytes = kEarlyHints});
  support::Started<token::FetchResult> asking(io_, fetching(request_for(kVault, client_id(kAlice))));
  ASSERT_TRUE(support::run_until(io_, [this] { return server_.requests().size() == 1; }));
  let_things_happen();
  EXPECT_FALSE(asking.is_done());
  server_.send(token_for(kVault, kAlice));
  EXPECT_TRUE(asking.get());
  EXPECT_TRUE(ask(kVault, client_id(kBob), token_for(kVault, kBob)));
  EXPECT_EQ(server_.accepted(), 1U);
}

TEST_F(ImdsClientMixUpsTest, TakesAnInterimAnswerTogetherWithTheFinalOne) {
  EXPECT_TRUE(fetch_through({.bytes = kEarlyHints + kEarlyHints + token_reply()}));
  EXPECT_TRUE(fetch_through({.bytes = token_reply()}));
  EXPECT_EQ(server_.accepted(), 1U);
}

TEST_F(ImdsClientMixUpsTest, RefusesTooManyInterimAnswersAndAnotherProtocol) {
  std::string nine;
  for (int i = 0; i < 9; ++i) {
    nine += kEarlyHints;
  }
  EXPECT_EQ(failure_through({.bytes = nine + token_reply()}), http::Errc::not_http);
  EXPECT_EQ(failure_through({.bytes = "HTTP/1.1 101 Switching Protocols\r\n\r\n"}), http::Errc::not_http);
  EXPECT_TRUE(fetch_through({.bytes = token_reply()}));
  EXPECT_EQ(server_.accepted(), 3U);
}

// With a limit renewed by each, the ninth would be the end.
TEST_F(ImdsClientMixUpsTest, GivesInterimAnswersNoTimeOfTheirOwn) {
  client_.configure({.host = "imds.test", .request_timeout = std::chrono::seconds(1)});
  server_.add({.bytes = kEarlyHints});
  support::Started<token::FetchResult> asking(io_, fetching(request_for(kVault)));
  ASSERT_TRUE(support::run_until(io_, [this] { return server_.requests().size() == 1; }));
  support::Started<void> dripping(io_, drip(8));
  EXPECT_EQ(code_of(asking.get()), Errc::timed_out);
  EXPECT_TRUE(dripping.get());
}

TEST_F(ImdsClientMixUpsTest, RefusesLengthsThatCouldBeUnderstoodDifferently) {
  EXPECT_EQ(failure_through({.bytes = token_reply("Transfer-Encoding: chunked\r\n")}), http::Errc::not_http);
  EXPECT_EQ(failure_through({.bytes = token_reply("Content-Length: 1\r\n")}), http::Errc::not_http);
}

TEST_F(ImdsClientMixUpsTest, UsesNoConnectionAgainAfterAnAnswerWithoutABody) {
  for (const char* status : {"204 No Content", "304 Not Modified"}) {
    EXPECT_EQ(failure_through({.bytes = std::string("HTTP/1.1 ") + status + "\r\n\r\n"}),
              Errc::unexpected_status);
  }
  EXPECT_TRUE(fetch_through({.bytes = token_reply()}));
  EXPECT_EQ(server_.accepted(), 3U);
}

TEST_F(ImdsClientMixUpsTest, ClosesAnIdleConnectionAtOnceWhenSomethingComes) {
  make_idle_connection();
  server_.send(token_for(kVault, kAlice));
  EXPECT_TRUE(support::run_until(io_, [this] { return server_.left() == 1; }));
  EXPECT_TRUE(ask(kVault, client_id(kBob), token_for(kVault, kBob)));
  EXPECT_EQ(server_.accepted(), 2U);
}

TEST_F(ImdsClientMixUpsTest, ClosesAnIdleConnectionAtOnceWhenItEnds) {
  const auto before = support::count_open_descriptors();
  make_idle_connection();
  server_.close_connections();
  EXPECT_TRUE(support::run_until(io_, [&] { return support::count_open_descriptors() == before; }));
}

TEST_F(ImdsClientMixUpsTest, HandsOutNoSecondCopyOfAnEarlierAnswer) {
  make_idle_connection();
  expect_asked_anew(kVault, kBob, token_for(kVault, kAlice) + token_for(kVault, kBob));
  EXPECT_EQ(client_.health().mix_ups, 1U);
  EXPECT_EQ(client_.health().failures, 0U);
}

TEST_F(ImdsClientMixUpsTest, HandsOutNoTokenForAnotherResourceOverAUsedConnection) {
  make_idle_connection();
  expect_asked_anew(kGraph, kAlice, token_for(kVault, kAlice));
}

TEST_F(ImdsClientMixUpsTest, HandsOutNoTokenWithoutAClientIdOverAUsedConnection) {
  make_idle_connection();
  expect_asked_anew(kVault, kBob, token_for(kVault));
  EXPECT_TRUE(ask(kVault, client_id(kBob), token_for(kVault))) << "a new connection has nothing to mix up";
}

TEST_F(ImdsClientMixUpsTest, UsesNoConnectionTwiceForAWhileAfterAMixUp) {
  server_.add({.bytes = "", .then = Then::hang});
  support::Started<token::FetchResult> asking(io_, fetching(request_for(kGraph, client_id(kAlice))));
  ASSERT_TRUE(support::run_until(io_, [this] { return server_.requests().size() == 1; }));
  make_idle_connection();
  server_.add({.bytes = token_for(kVault, kAlice)});
  EXPECT_EQ(connection_of(request_for(kVault, client_id(kBob)), token_for(kVault, kBob), 2), 3U);
  for (const std::size_t connection : {4U, 5U}) {
    EXPECT_EQ(connection_of(request_for(kVault, client_id(kBob)), token_for(kVault, kBob)), connection);
  }
}

TEST_F(ImdsClientMixUpsTest, KeepsNoConnectionThatIsOlderThanAMixUp) {
  client_.configure({.host = "imds.test", .distrust_time = kNever});
  make_idle_connection();
  server_.on_request = [this] {  // while the answer for Bob is on its way over the first connection
    server_.on_request = nullptr;
    client_.configure({.host = "imds.test", .distrust_time = kNever});
  };
  EXPECT_EQ(connection_of(request_for(kVault, client_id(kBob)), token_for(kVault, kBob)), 1U);
  EXPECT_EQ(connection_of(request_for(kVault, client_id(kBob)), token_for(kVault, kBob)), 2U);
}

TEST_F(ImdsClientMixUpsTest, TrustsConnectionsAgainLater) {
  client_.configure({.host = "imds.test", .distrust_time = kNever});
  make_idle_connection();
  expect_asked_anew(kVault, kBob, token_for(kVault, kAlice));
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(connection_of(request_for(kVault, client_id(kBob)), token_for(kVault, kBob)), 2U);
  }
}

TEST_F(ImdsClientMixUpsTest, AsksAnewAtOnceAfterNonsenseOverAUsedConnection) {
  make_idle_connection();
  expect_asked_anew(kVault, kBob, "}HTTP/1.1 200 OK\r\n");
  EXPECT_EQ(connection_of(request_for(kVault, client_id(kBob)), token_for(kVault, kBob)), 3U);
}

TEST_F(ImdsClientMixUpsTest, RefusesAnotherIdentityOverANewConnection) {
  const auto result = ask(kVault, client_id(kAlice), token_for(kVault, kBob));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().error.code(), Errc::other_identity);
  EXPECT_EQ(result.error().remedy, token::Remedy::retry_briefly);
  EXPECT_EQ(client_.health().other_identities_refused, 1U);
  EXPECT_EQ(connection_of(request_for(kVault, client_id(kAlice)), token_for(kVault, kAlice)), 2U);
}

TEST_F(ImdsClientMixUpsTest, ServesAnotherResourceOverANewConnection) {
  const auto result = ask(kGraph, client_id(kAlice), token_for(kVault, kAlice));
  ASSERT_TRUE(result);
  EXPECT_EQ(std::get<0>(*result)->resource, kVault);
  EXPECT_EQ(client_.health().other_resources_served, 1U);
}

TEST_F(ImdsClientMixUpsTest, ComparesNoIdentityThatATokenDoesNotTell) {
  for (const SelectorKind kind : {SelectorKind::none, SelectorKind::object_id, SelectorKind::resource_id}) {
    EXPECT_TRUE(ask(kVault, {.kind = kind, .value = kBob}, token_for(kVault, kAlice)));
  }
}

TEST_F(ImdsClientMixUpsTest, TakesAnySpellingOfTheSame) {
  EXPECT_TRUE(ask("https://Vault.azure.net/", client_id(kAlice),
                  token_for(kVault, "11111111-2222-3333-4444-555555555AAA")));
  EXPECT_TRUE(ask(kVault, client_id(kBob), token_for("HTTPS://vault.azure.net/", kBob)));
  EXPECT_EQ(server_.accepted(), 1U);
  EXPECT_EQ(client_.health().other_resources_served, 0U);
}

// A late copy of a token for the first identity could not be told from one for the second.
TEST_F(ImdsClientMixUpsTest, AsksForIdentitiesThatATokenDoesNotTellOverConnectionsOfTheirOwn) {
  const std::string reply = token_for(kVault, kAlice);
  EXPECT_EQ(connection_of(request_for(kVault, object_id(kAlice)), reply), 1U);
  EXPECT_EQ(connection_of(request_for(kVault, object_id(kBob)), reply), 2U);
  EXPECT_EQ(connection_of(request_for(kVault), reply), 3U);
  EXPECT_EQ(connection_of(request_for(kVault, object_id(kAlice)), reply), 1U);
  EXPECT_EQ(connection_of(request_for(kGraph, object_id(kBob)), token_for(kGraph, kBob)), 2U);
  EXPECT_EQ(connection_of(request_for(kVault), reply), 3U);
}

// Nobody knows whom a refusal is for.
TEST_F(ImdsClientMixUpsTest, AsksAnotherQuestionAfterARefusalOverANewConnection) {
  const std::string refusal = with_body("{}", "", "400 Bad Request");
  EXPECT_EQ(connection_of(request_for(kVault, client_id(kAlice)), refusal), 1U);
  EXPECT_EQ(connection_of(request_for(kVault, client_id(kBob)), token_for(kVault, kBob)), 2U);
}

// It may be meant for what was asked before.
TEST_F(ImdsClientMixUpsTest, HandsOutNoRefusalOverAConnectionOfOtherQuestions) {
  const std::string refusal = with_body("{}", "", "400 Bad Request");
  make_idle_connection();
  expect_asked_anew(kVault, kBob, refusal + token_for(kVault, kBob));
  EXPECT_EQ(client_.health().mix_ups, 0U);
  EXPECT_TRUE(ask(kVault, client_id(kBob), refusal)) << "over a new connection it is for nobody else";
  EXPECT_TRUE(ask(kVault, client_id(kBob), refusal)) << "nor where nothing else was asked";
  EXPECT_EQ(server_.accepted(), 2U);
}

// Compared without regard to letter case, the one's token would pass for the other's.
TEST_F(ImdsClientMixUpsTest, AsksForResourcesThatAreMuchAlikeOverConnectionsOfTheirOwn) {
  const std::string lower = "api://app/role";
  const std::string upper = "api://App/Role";
  EXPECT_EQ(connection_of(request_for(upper, client_id(kAlice)), token_for(upper, kAlice)), 1U);
  EXPECT_EQ(connection_of(request_for(lower, client_id(kAlice)), token_for(lower, kAlice)), 2U);
  EXPECT_EQ(connection_of(request_for(upper + "/", client_id(kAlice)), token_for(upper, kAlice)), 3U);
  EXPECT_EQ(connection_of(request_for(lower, client_id(kBob)), token_for(lower, kBob)), 3U);
}

// Who says so wants to be rid of the token that he got.
TEST_F(ImdsClientMixUpsTest, PassesTheCacheByOverANewConnection) {
  make_idle_connection();
  token::TokenRequest request = request_for(kVault, client_id(kAlice));
  request.bypass_cache = true;
  EXPECT_EQ(connection_of(request, token_for(kVault, kAlice)), 2U);
}

TEST_F(ImdsClientMixUpsTest, LearnsByWhatNameImdsCallsAResource) {
  EXPECT_TRUE(ask(kGraph, client_id(kAlice), token_for(kVault, kAlice)));
  EXPECT_TRUE(ask(kGraph, client_id(kBob), token_for(kVault, kBob)));
  EXPECT_EQ(server_.accepted(), 1U);
  expect_asked_anew(kGraph, kAlice, token_for("https://other.example", kAlice));
}

TEST_F(ImdsClientMixUpsTest, KeepsTheLatestConnections) {
  for (std::size_t i = 1; i <= kMaxIdleConnections + 1; ++i) {
    EXPECT_EQ(connection_of(request_for(kVault, object_id(std::to_string(i))), token_for(kVault)), i);
  }
  EXPECT_EQ(connection_of(request_for(kVault, object_id("2")), token_for(kVault)), 2U);
  EXPECT_EQ(connection_of(request_for(kVault, object_id("1")), token_for(kVault)), kMaxIdleConnections + 2);
}

}  // namespace
}  // namespace msi2imds::imds
