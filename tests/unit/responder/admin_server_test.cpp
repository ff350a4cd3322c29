// SPDX-License-Identifier: MIT
#include "responder/admin_server.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/log.hpp"
#include "support_cpp/client.hpp"
#include "support_cpp/sockets.hpp"
#include "support_cpp/temporary_directory.hpp"
#include "unit/responder/no_memory.hpp"

namespace msi2imds::responder {
namespace {

class AdminServerTest : public testing::Test {
 protected:
  AdminServerTest() {
    server_.start(support::listen_on_path(path_));
  }

  void TearDown() override {
    io_.restart();
    io_.poll();  // connections refer to the server: they end first
  }

  static asio::awaitable<admin::Status> status() {
    admin::Status status;
    status.backend = "sk_lookup";
    status.legacy_ports = {50342};
    co_return status;
  }

  support::Client connect() {
    return support::Client::connect_unix(io_, path_);
  }
  std::string ask(const std::string& method, const std::string& target) {
    return connect().ask(method + " " + target + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
  }

  support::TemporaryDirectory directory_;
  std::string path_ = directory_.file("admin.sock");
  asio::io_context io_{1};
  SocketAddress arrived_ = *SocketAddress::parse("127.0.0.1", 43210);
  AdminSource source_{.status = [] { return status(); },
                      .has_connection_from = [this](const SocketAddress& peer) { return peer == arrived_; },
                      .flush = [](std::string_view, std::string_view) { return std::size_t{0}; },
                      .callers = [] { return std::string("{}"); },
                      .metrics = []() -> asio::awaitable<std::string> { co_return "a_metric 1\n"; },
                      .is_own_host =
                          [](std::string_view authority) {
                            return authority == "localhost" || authority == "localhost:9342";
                          }};
  AdminServer server_{io_, source_, Scope::everything};
  AdminServer port_{io_, source_, Scope::metrics_only};
};

TEST_F(AdminServerTest, ShowsCallersAndMetrics) {
  EXPECT_TRUE(ask("GET", "/callers").ends_with("{}"));
  const std::string answer = ask("GET", "/metrics");
  EXPECT_TRUE(answer.ends_with("a_metric 1\n")) << answer;
  EXPECT_NE(answer.find("Content-Type: text/plain; version=0.0.4"), std::string::npos) << answer;
}

// What a port shows to everybody on the machine.
TEST_F(AdminServerTest, ShowsNothingButMetricsOnAPort) {
  UniqueFd socket = support::listen_on_loopback();
  const SocketAddress address = support::address_of(socket);
  port_.start(std::move(socket));
  const auto ask_port = [&](const std::string& request) {
    return support::Client::connect(io_, address).ask(request + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
  };
  EXPECT_TRUE(ask_port("GET /metrics").ends_with("a_metric 1\n"));
  for (const char* request : {"GET /status", "GET /callers", "GET /arrived?peer=127.0.0.1:43210", "GET /"}) {
    EXPECT_TRUE(ask_port(request).starts_with("HTTP/1.1 404")) << request;
  }
  EXPECT_TRUE(ask_port("POST /flush").starts_with("HTTP/1.1 405"));
}

TEST_F(AdminServerTest, ShowsTheStatus) {
  const std::string answer = ask("GET", "/status");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 OK\r\nContent-Type: application/json")) << answer;
  const auto status = admin::parse_status(answer.substr(answer.find("\r\n\r\n") + 4));
  ASSERT_TRUE(status);
  EXPECT_EQ(status->backend, "sk_lookup");
}

TEST_F(AdminServerTest, SaysWhetherAConnectionArrived) {
  EXPECT_TRUE(ask("GET", "/arrived?peer=127.0.0.1:43210").ends_with(R"({"arrived":true})"));
  EXPECT_TRUE(ask("GET", "/arrived?peer=127.0.0.1:43211").ends_with(R"({"arrived":false})"));
}

TEST_F(AdminServerTest, UnderstandsAnIpv6Peer) {
  arrived_ = SocketAddress::ipv6_loopback(1);
  EXPECT_TRUE(ask("GET", "/arrived?peer=[::1]:1").ends_with(R"({"arrived":true})"));
}

TEST_F(AdminServerTest, RefusesAPeerThatIsNoAddress) {
  for (const char* peer : {"", "x", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "[::1:1",
                           "localhost:80", "127.0.0.1:1x"}) {
    EXPECT_TRUE(ask("GET", std::string("/arrived?peer=") + peer).starts_with("HTTP/1.1 400 ")) << peer;
  }
}

TEST_F(AdminServerTest, KnowsNothingElse) {
  for (const char* target : {"/", "/status/", "/arrived", "/oauth2/token"}) {
    EXPECT_TRUE(ask("GET", target).starts_with("HTTP/1.1 404 Not Found\r\n")) << target;
  }
}

TEST_F(AdminServerTest, OnlyReads) {
  for (const char* method : {"POST", "PUT", "DELETE"}) {
    const std::string answer = ask(method, "/status");
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 405 Method Not Allowed\r\n")) << answer;
    EXPECT_NE(answer.find("\r\nAllow: GET\r\n"), std::string::npos) << answer;
  }
}

TEST_F(AdminServerTest, RefusesBytesThatAreNoRequest) {
  auto client = connect();
  client.send("nonsense\r\n\r\n");
  EXPECT_TRUE(client.read_to_end().starts_with("HTTP/1.1 400 "));
}

TEST_F(AdminServerTest, AnswersOneQuestionAfterTheOther) {
  auto client = connect();
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(client.ask("GET /status HTTP/1.1\r\nHost: x\r\n\r\n").starts_with("HTTP/1.1 200 "));
  }
}

TEST_F(AdminServerTest, ClosesWhatHasWaitedForLongestWhereThereAreTooMany) {
  std::vector<support::Client> idle;
  for (int i = 0; i < 32; ++i) {
    idle.push_back(connect());
    EXPECT_TRUE(idle.back().ask("GET /status HTTP/1.1\r\nHost: x\r\n\r\n").starts_with("HTTP/1.1 200 "));
  }
  EXPECT_TRUE(idle[0].ask("GET /status HTTP/1.1\r\nHost: x\r\n\r\n").starts_with("HTTP/1.1 200 "));
  EXPECT_TRUE(ask("GET", "/status").starts_with("HTTP/1.1 200 "));
  EXPECT_EQ(idle[1].read_to_end(), "") << "it has waited for longest";
  EXPECT_TRUE(idle[0].ask("GET /status HTTP/1.1\r\nHost: x\r\n\r\n").starts_with("HTTP/1.1 200 "));
}

TEST_F(AdminServerTest, ClosesNobodyWhoseQuestionHasArrived) {
  std::vector<support::Client> idle;
  for (int i = 0; i < 32; ++i) {
    idle.push_back(connect());
    EXPECT_TRUE(idle.back().ask("GET /status HTTP/1.1\r\nHost: x\r\n\r\n").starts_with("HTTP/1.1 200 "));
  }
  support::Client one_more = connect();  // is seen first
  idle[0].send("GET /status HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(one_more.ask("GET /status HTTP/1.1\r\nHost: x\r\n\r\n").starts_with("HTTP/1.1 200 "));
  EXPECT_TRUE(idle[0].read_answer().starts_with("HTTP/1.1 200 "));
  EXPECT_EQ(idle[1].read_to_end(), "") << "it had asked nothing";
}

TEST_F(AdminServerTest, ClosesWhoDoesNotReceiveHisAnswersWhereNobodyWaits) {
  source_.metrics = []() -> asio::awaitable<std::string> { co_return std::string(4 << 20, 'x'); };
  std::vector<support::Client> deaf;
  for (int i = 0; i < 32; ++i) {
    deaf.push_back(connect());
    deaf.back().send("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
  }
  io_.restart();
  io_.poll();
  EXPECT_TRUE(ask("GET", "/status").starts_with("HTTP/1.1 200 "));
}

TEST_F(AdminServerTest, ForgetsAConnectionForWhichThereIsNoMemory) {
  log::start({}, "test");
  for (int i = 0; i < 3; ++i) {
    support::Client client = connect();
    client.send("GET /status HTTP/1.1\r\nHost: x\r\nX: " + std::string(6000, 'x') + "\r\n\r\n");
    const NoMemoryFor large(5000);
    EXPECT_EQ(client.read_to_end(), "");
  }
  std::vector<support::Client> idle;
  for (int i = 0; i < 33; ++i) {
    idle.push_back(connect());
    EXPECT_TRUE(idle.back().ask("GET /status HTTP/1.1\r\nHost: x\r\n\r\n").starts_with("HTTP/1.1 200 "));
  }
  EXPECT_EQ(idle[0].read_to_end(), "") << "it is the one that made room";
}

TEST_F(AdminServerTest, ShowsAPortToNoWebPage) {
  UniqueFd socket = support::listen_on_loopback();
  const SocketAddress address = support::address_of(socket);
  port_.start(std::move(socket));
  const auto status_of = [&](const std::string& headers, const std::string& version = "1.1") {
    const std::string answer = support::Client::connect(io_, address)
                                   .ask("GET /metrics HTTP/" + version + "\r\n" + headers + "\r\n");
    return answer.substr(9, 3);
  };
  EXPECT_EQ(status_of("Host: localhost:9342\r\n"), "200");
  EXPECT_EQ(status_of("", "1.0"), "200");
  EXPECT_EQ(status_of(""), "400");
  EXPECT_EQ(status_of("Host: attacker.example\r\n"), "403");
  EXPECT_EQ(status_of("Host: attacker.example\r\n", "1.0"), "403");
  EXPECT_EQ(status_of("Host: localhost\r\nHost: attacker.example\r\n"), "403");
  EXPECT_EQ(status_of("Host: localhost\r\nOrigin: http://localhost:9342\r\n"), "200");
  for (const char* origin : {"http://attacker.example", "null", "", "localhost", "http://"}) {
    EXPECT_EQ(status_of("Host: localhost\r\nOrigin: " + std::string(origin) + "\r\n"), "403") << origin;
  }
}

}  // namespace
}  // namespace msi2imds::responder
