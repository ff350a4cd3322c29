// SPDX-License-Identifier: MIT
#include "admin/client.hpp"

#include <gtest/gtest.h>
#include <poll.h>

#include <array>
#include <cerrno>
#include <thread>

#include "support_cpp/sockets.hpp"
#include "support_cpp/temporary_directory.hpp"

namespace msi2imds::admin {
namespace {

constexpr std::chrono::milliseconds kPatience{10000};

class AdminClientTest : public testing::Test {
 protected:
  // Asks a server that receives one request, sends `answer` and closes.
  Result<std::string> get_from(const std::string& answer) {
    const UniqueFd listener = support::listen_on_path(path_);
    std::thread server([this, &listener, &answer] {
      pollfd waiting{.fd = listener.get(), .events = POLLIN, .revents = 0};
      (void)::poll(&waiting, 1, static_cast<int>(kPatience.count()));
      const UniqueFd connection(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
      std::array<char, 4096> part{};
      while (request_.find("\r\n\r\n") == std::string::npos) {
        const ssize_t size = ::recv(connection.get(), part.data(), part.size(), 0);
        if (size <= 0) {
          return;
        }
        request_.append(part.data(), static_cast<std::size_t>(size));
      }
      (void)::send(connection.get(), answer.data(), answer.size(), MSG_NOSIGNAL);
    });
    auto result = get(path_, "/status", kPatience);
    server.join();
    return result;
  }

  support::TemporaryDirectory directory_;
  std::string path_ = directory_.file("admin.sock");
  std::string request_;
};

TEST_F(AdminClientTest, ReturnsTheBody) {
  const auto body = get_from("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody");
  ASSERT_TRUE(body);
  EXPECT_EQ(*body, "body");
  EXPECT_TRUE(request_.starts_with("GET /status HTTP/1.1\r\n")) << request_;
}

TEST_F(AdminClientTest, SaysWhatTheServerHadAgainstTheQuestion) {
  const auto body = get_from("HTTP/1.1 404 Not Found\r\nContent-Length: 12\r\n\r\nnothing here");
  ASSERT_FALSE(body);
  EXPECT_NE(body.error().message().find("nothing here"), std::string::npos) << body.error().message();
}

TEST_F(AdminClientTest, FailsWhenTheServerClosesWithoutAnAnswer) {
  EXPECT_FALSE(get_from(""));
}

TEST_F(AdminClientTest, FailsWhenTheAnswerIsCut) {
  EXPECT_FALSE(get_from("HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\nbody"));
}

TEST_F(AdminClientTest, DoesNotWaitForeverForAServerThatDoesNotAnswer) {
  const UniqueFd listener = support::listen_on_path(path_);
  const auto body = get(path_, "/status", std::chrono::milliseconds(50));
  ASSERT_FALSE(body);
  EXPECT_NE(body.error().message().find("wait for an answer on admin socket '" + path_ + "'"),
            std::string::npos)
      << body.error().message();
}

TEST_F(AdminClientTest, SaysThatThereIsNoSocket) {
  const auto body = get(path_, "/status", kPatience);
  ASSERT_FALSE(body);
  EXPECT_EQ(body.error().code().value(), ENOENT);
  EXPECT_EQ(body.error().message(), "connect to admin socket '" + path_ + "': No such file or directory");
}

TEST_F(AdminClientTest, SaysThatNobodyListens) {
  support::listen_on_path(path_).reset();
  const auto body = get(path_, "/status", kPatience);
  ASSERT_FALSE(body);
  EXPECT_EQ(body.error().code().value(), ECONNREFUSED);
}

TEST_F(AdminClientTest, RefusesAPathThatFitsNoSocket) {
  EXPECT_FALSE(get(directory_.file(std::string(200, 'x')), "/status", kPatience));
}

}  // namespace
}  // namespace msi2imds::admin
