// SPDX-License-Identifier: MIT
#include "http/client.hpp"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <thread>
#include <vector>

#include "http/errors.hpp"
#include "support_cpp/sockets.hpp"

namespace msi2imds::http {
namespace {

const std::string kJsonAnswer =
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
const std::string kInterim = "HTTP/1.1 103 Early Hints\r\n\r\n";

// Takes one connection, reads one request and sends the parts; then waits until the client leaves.
class OneAnswer {
 public:
  explicit OneAnswer(std::vector<std::string> parts)
      : parts_(std::move(parts)), thread_([this] { serve(); }) {}
  OneAnswer(const OneAnswer&) = delete;
  OneAnswer& operator=(const OneAnswer&) = delete;
  OneAnswer(OneAnswer&&) = delete;
  OneAnswer& operator=(OneAnswer&&) = delete;
  ~OneAnswer() {
    thread_.join();
  }

  [[nodiscard]] UniqueFd connect() const {
    const SocketAddress address = support::address_of(listener_);
    UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::connect(socket.get(), address.get(), address.size()), 0);
    return socket;
  }

  // Once the client has left.
  [[nodiscard]] const std::string& request() const {
    return request_;
  }

 private:
  void serve() {
    pollfd waiting{.fd = listener_.get(), .events = POLLIN, .revents = 0};
    (void)::poll(&waiting, 1, 10000);
    const UniqueFd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    while (!request_.ends_with("\r\n\r\n") && receive(socket)) {
    }
    for (const std::string& part : parts_) {
      (void)::send(socket.get(), part.data(), part.size(), MSG_NOSIGNAL);
    }
    if (!parts_.empty() && parts_.back().empty()) {
      (void)::shutdown(socket.get(), SHUT_WR);
    }
    while (receive(socket)) {
    }
  }
  bool receive(const UniqueFd& socket) {
    char byte = 0;
    const bool received = ::recv(socket.get(), &byte, 1, 0) == 1;
    request_.append(received ? 1 : 0, byte);
    return received;
  }

  UniqueFd listener_ = support::listen_on_loopback();
  std::vector<std::string> parts_;  // an empty one at the end: no more comes
  std::string request_;
  std::thread thread_;
};

Result<Answer> ask_for(std::vector<std::string> parts,
                       std::chrono::milliseconds timeout = std::chrono::seconds(10)) {
  const OneAnswer server(std::move(parts));
  return ask(server.connect(), {.host = "imds.test", .target = "/a?b", .timeout = timeout});
}

boost::system::error_code failure_of(std::vector<std::string> parts) {
  const Result<Answer> answer = ask_for(std::move(parts));
  return answer ? boost::system::error_code() : answer.error().code();
}

TEST(ClientTest, AsksAsImdsAndTheExtensionWantToBeAsked) {
  EXPECT_EQ(metadata_request("imds.test", "/a?b"),
            "GET /a?b HTTP/1.1\r\nHost: imds.test\r\nUser-Agent: msi2imds\r\nMetadata: true\r\n\r\n");
}

TEST(ClientTest, ReturnsTheAnswer) {
  const Result<Answer> answer = ask_for({kJsonAnswer});
  ASSERT_TRUE(answer) << answer.error().message();
  EXPECT_EQ(answer->status, 200U);
  EXPECT_EQ(*answer->header("Content-Type"), "application/json");
  EXPECT_EQ(answer->body, "{}");
}

TEST(ClientTest, SkipsInterimAnswersInOneSegmentOrSeveral) {
  for (const auto& parts :
       {std::vector{kInterim + kJsonAnswer}, std::vector{kInterim, kInterim, kJsonAnswer}}) {
    const Result<Answer> answer = ask_for(parts);
    ASSERT_TRUE(answer) << answer.error().message();
    EXPECT_EQ(answer->status, 200U);
  }
}

TEST(ClientTest, RefusesTooManyInterimAnswersAndAnotherProtocol) {
  EXPECT_EQ(failure_of(std::vector<std::string>(9, kInterim)), Errc::not_http);
  EXPECT_EQ(failure_of({"HTTP/1.1 101 Switching Protocols\r\n\r\n"}), Errc::not_http);
}

TEST(ClientTest, RefusesLengthsThatCouldBeUnderstoodDifferently) {
  EXPECT_EQ(failure_of({"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}"}),
            Errc::not_http);
}

TEST(ClientTest, ReadsAnAnswerThatEndsWithTheConnection) {
  const Result<Answer> answer = ask_for({"HTTP/1.1 200 OK\r\n\r\nab", ""});
  ASSERT_TRUE(answer) << answer.error().message();
  EXPECT_EQ(answer->body, "ab");
}

TEST(ClientTest, SaysThatTheAnswerIsTruncated) {
  EXPECT_EQ(failure_of({kJsonAnswer.substr(0, kJsonAnswer.size() - 1), ""}), Errc::ended);
  EXPECT_EQ(failure_of({kInterim, ""}), Errc::ended);
}

TEST(ClientTest, GivesUpWhenTheTimeIsOver) {
  const Result<Answer> answer = ask_for({kInterim, "HTTP/1.1 200 OK\r\n"}, std::chrono::milliseconds(50));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code(), boost::system::errc::timed_out);
}

TEST(ClientTest, SaysThatNobodyListens) {
  UniqueFd listener = support::listen_on_loopback();
  const SocketAddress address = support::address_of(listener);
  listener.reset();
  UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  (void)::connect(socket.get(), address.get(), address.size());
  EXPECT_FALSE(ask(std::move(socket), {.host = "imds.test", .target = "/"}));
}

}  // namespace
}  // namespace msi2imds::http
