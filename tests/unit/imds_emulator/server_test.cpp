// SPDX-License-Identifier: MIT
#include "imds_emulator/server.hpp"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <boost/json/parse.hpp>
#include <thread>

#include "unit/imds_emulator/blocking_client.hpp"

namespace msi2imds::emulator {
namespace {

using std::chrono::milliseconds;
using SteadyClock = std::chrono::steady_clock;

const std::string kTarget =
    "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fvault.azure.net";

std::string get(const std::string& target, const std::string& more = "") {
  return "GET " + target + " HTTP/1.1\r\nHost: 127.0.0.1\r\nMetadata: true\r\n" + more + "\r\n";
}

class ServerTest : public testing::Test {
 protected:
  ServerTest() {
    const auto bound = server_.listen(*parse_endpoint("127.0.0.1:0"));
    EXPECT_TRUE(bound) << bound.error().message();
    port_ = bound->port();
    thread_ = std::thread([this] { io_.run(); });
  }
  ~ServerTest() override {
    io_.stop();
    thread_.join();
  }

  BlockingClient connect() {
    return BlockingClient(port_);
  }
  void set_fault(const std::string& fault) {
    const std::string body = R"({"faults":[)" + fault + "]}";
    const auto reply = connect().ask("POST /emulator/faults HTTP/1.1\r\nHost: x\r\nContent-Length: " +
                                     std::to_string(body.size()) + "\r\n\r\n" + body);
    ASSERT_EQ(reply.status(), 200) << reply.body;
  }
  std::int64_t stat(const char* name) {
    return boost::json::parse(connect().ask(get("/emulator/stats")).body).at(name).as_int64();
  }
  // The emulator notices by itself; ask until it has, each time over the loopback.
  bool comes_to(const char* name, std::int64_t value) {
    const auto deadline = SteadyClock::now() + std::chrono::seconds(10);
    while (stat(name) != value) {
      if (SteadyClock::now() > deadline) {
        return false;
      }
    }
    return true;
  }

  Emulator emulator_{Options()};
  boost::asio::io_context io_{1};
  Server server_{io_, emulator_};
  std::uint16_t port_ = 0;
  std::thread thread_;
};

TEST_F(ServerTest, AnswersOneRequestAfterTheOtherOnAConnection) {
  auto client = connect();
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(client.ask(get(kTarget)).status(), 200);
  }
  EXPECT_EQ(stat("token_requests"), 3);
  EXPECT_EQ(stat("max_in_flight"), 1);
}

TEST_F(ServerTest, AnswersPipelinedRequestsInOrder) {
  auto client = connect();
  client.send(get(kTarget) + get("/else") + get(kTarget));
  EXPECT_EQ(client.read_reply().status(), 200);
  EXPECT_EQ(client.read_reply().status(), 404);
  EXPECT_EQ(client.read_reply().status(), 200);
}

TEST_F(ServerTest, TakesARequestInPieces) {
  auto client = connect();
  for (const char c : get(kTarget)) {
    client.send(std::string(1, c));
  }
  EXPECT_EQ(client.read_reply().status(), 200);
}

TEST_F(ServerTest, TakesAHeaderLargerThanItsFirstBuffer) {
  EXPECT_EQ(connect().ask(get(kTarget, "X: " + std::string(20000, 'x') + "\r\n")).status(), 200);
}

TEST_F(ServerTest, ClosesAfterTheAnswerWhenAskedTo) {
  auto client = connect();
  EXPECT_EQ(client.ask(get(kTarget, "Connection: close\r\n")).status(), 200);
  EXPECT_EQ(client.read_rest(), End::closed);
}

TEST_F(ServerTest, RefusesARawSpaceAndRecordsIt) {
  auto client = connect();
  EXPECT_EQ(client.ask(get(kTarget + "a b")).status(), 400);
  EXPECT_EQ(client.read_rest(), End::closed);
  EXPECT_EQ(stat("malformed_requests"), 1);
  EXPECT_EQ(stat("token_requests"), 1);
}

TEST_F(ServerTest, RefusesABodyOnGetAndStaysInStep) {
  auto client = connect();
  EXPECT_EQ(client.ask(get(kTarget, "Content-Length: 3\r\n") + "a=b").status(), 400);
  EXPECT_EQ(client.ask(get(kTarget)).status(), 200);
}

TEST_F(ServerTest, SendsLessThanATruncatedAnswerPromises) {
  set_fault(R"({"kind":"truncated"})");
  auto client = connect();
  const auto reply = client.ask(get(kTarget));
  EXPECT_EQ(reply.status(), 200);
  EXPECT_EQ(reply.end, End::closed);
  EXPECT_GT(reply.body.size(), 0U);
  EXPECT_LT(reply.body.size(), reply.content_length());
}

TEST_F(ServerTest, ResetsTheConnection) {
  set_fault(R"({"kind":"reset"})");
  auto client = connect();
  client.send(get(kTarget));
  EXPECT_EQ(client.read_rest(), End::reset);
  EXPECT_EQ(connect().ask(get(kTarget)).status(), 200);
}

TEST_F(ServerTest, ClosesTheConnectionWithoutAnAnswer) {
  set_fault(R"({"kind":"close"})");
  auto client = connect();
  client.send(get(kTarget));
  EXPECT_EQ(client.read_rest(), End::closed);
  EXPECT_EQ(stat("token_requests"), 1);
}

TEST_F(ServerTest, ClosesBehindAnAnswerThatSaidKeepAlive) {
  set_fault(R"({"kind":"stale_close"})");
  auto client = connect();
  const auto reply = client.ask(get(kTarget));
  EXPECT_EQ(reply.status(), 200);
  EXPECT_NE(reply.head.find("Connection: keep-alive"), std::string::npos);
  EXPECT_EQ(client.read_rest(), End::closed);
}

TEST_F(ServerTest, DripsAnAnswerByteByByte) {
  set_fault(R"({"kind":"slow_drip","seconds":0.3})");
  auto client = connect();
  const auto start = SteadyClock::now();
  const auto reply = client.ask(get(kTarget));
  EXPECT_EQ(reply.status(), 200);
  EXPECT_EQ(reply.body.size(), reply.content_length());
  EXPECT_GE(SteadyClock::now() - start, milliseconds(290));
  EXPECT_GT(reply.pieces, 10);
}

TEST_F(ServerTest, DelaysAnAnswer) {
  set_fault(R"({"kind":"delay","ms":100})");
  const auto start = SteadyClock::now();
  EXPECT_EQ(connect().ask(get(kTarget)).status(), 200);
  EXPECT_GE(SteadyClock::now() - start, milliseconds(100));
}

TEST_F(ServerTest, SendsInterimAnswersInOneSegmentWithTheAnswer) {
  set_fault(R"({"kind":"interim","status":103,"times":2})");
  auto client = connect();
  client.send(get(kTarget));
  EXPECT_EQ(client.read_reply().head, "HTTP/1.1 103 Early Hints\r\n");
  EXPECT_EQ(client.read_reply().status(), 103);
  EXPECT_EQ(client.read_reply().status(), 200);
  EXPECT_EQ(client.ask(get(kTarget)).status(), 200);
}

TEST_F(ServerTest, SendsInterimAnswersBeforeTheAnswer) {
  set_fault(R"({"kind":"interim","status":100,"ms":100})");
  auto client = connect();
  const auto start = SteadyClock::now();
  EXPECT_EQ(client.ask(get(kTarget)).status(), 100);
  EXPECT_EQ(client.read_reply().status(), 200);
  EXPECT_GE(SteadyClock::now() - start, milliseconds(100));
}

TEST_F(ServerTest, SendsAnAnswerTwice) {
  for (const char* fault : {R"({"kind":"duplicate"})", R"({"kind":"duplicate","ms":20})"}) {
    set_fault(fault);
    auto client = connect();
    const auto reply = client.ask(get(kTarget));
    const auto copy = client.read_reply();
    EXPECT_EQ(copy.status(), 200);
    EXPECT_EQ(copy.body, reply.body);
    EXPECT_EQ(client.ask(get(kTarget)).status(), 200);
  }
  EXPECT_EQ(stat("token_requests"), 4);
}

TEST_F(ServerTest, AnswersAnotherQuestion) {
  set_fault(R"({"kind":"wrong_resource"},{"kind":"wrong_client_id"})");
  auto client = connect();
  const auto other_resource = client.ask(get(kTarget));
  const auto other_identity = client.ask(get(kTarget));
  const auto right = client.ask(get(kTarget));
  EXPECT_NE(other_resource.body.find("https://other.example/"), std::string::npos);
  EXPECT_NE(other_identity.body, right.body);
}

TEST_F(ServerTest, HangsUntilTheFaultsAreCleared) {
  set_fault(R"({"kind":"hang"})");
  auto client = connect();
  client.send(get(kTarget));
  ASSERT_TRUE(comes_to("in_flight", 1));
  EXPECT_FALSE(client.has_input());
  EXPECT_EQ(connect().ask(get(kTarget)).status(), 200) << "others are served meanwhile";

  (void)connect().ask("DELETE /emulator/faults HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(client.read_rest(), End::closed);
  EXPECT_EQ(stat("max_in_flight"), 2);
}

TEST_F(ServerTest, HangsUntilTheClientLeaves) {
  set_fault(R"({"kind":"hang"})");
  {
    auto client = connect();
    client.send(get(kTarget));
    ASSERT_TRUE(comes_to("in_flight", 1));
  }
  EXPECT_TRUE(comes_to("in_flight", 0));
}

TEST_F(ServerTest, SaysNothingMoreOverConnectionsThatHaveDied) {
  auto dead = connect();
  EXPECT_EQ(dead.ask(get(kTarget)).status(), 200);
  set_fault(R"({"kind":"dead_connection","count":0})");
  dead.send(get(kTarget));
  EXPECT_EQ(connect().ask(get(kTarget)).status(), 200) << "new ones are served";
  EXPECT_FALSE(dead.has_input());
  EXPECT_EQ(stat("token_requests"), 2) << "the request was lost on its way";

  (void)connect().ask("DELETE /emulator/faults HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(dead.read_rest(), End::closed);
}

TEST_F(ServerTest, HangsForTheSecondsAskedFor) {
  set_fault(R"({"kind":"hang","seconds":0.1})");
  auto client = connect();
  const auto start = SteadyClock::now();
  client.send(get(kTarget));
  EXPECT_EQ(client.read_rest(), End::closed);
  EXPECT_GE(SteadyClock::now() - start, milliseconds(100));
}

TEST_F(ServerTest, LeavesItsControlsOutOfFaultsAndCounts) {
  set_fault(R"({"kind":"reset","count":0})");
  EXPECT_EQ(stat("token_requests"), 0);
  EXPECT_EQ(connect().ask(get("/metadata/instance?api-version=2021-02-01")).status(), 200);
}

TEST_F(ServerTest, SaysWhichAddressIsTaken) {
  const auto bound = server_.listen(*parse_endpoint("127.0.0.1:" + std::to_string(port_)));
  ASSERT_FALSE(bound);
  EXPECT_EQ(bound.error().message(),
            "listen on 127.0.0.1:" + std::to_string(port_) + ": Address already in use");
}

TEST(ParseEndpointTest, ReadsBothFamilies) {
  EXPECT_EQ(to_string(*parse_endpoint("169.254.169.254:80")), "169.254.169.254:80");
  EXPECT_EQ(to_string(*parse_endpoint("[::1]:0")), "[::1]:0");
}

TEST(ParseEndpointTest, RefusesWhatIsNoLiteralAddressWithAPort) {
  for (const char* text :
       {"", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:80x", "localhost:80", ":80"}) {
    EXPECT_FALSE(parse_endpoint(text)) << text;
  }
}

}  // namespace
}  // namespace msi2imds::emulator
