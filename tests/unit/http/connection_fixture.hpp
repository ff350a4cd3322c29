// SPDX-License-Identifier: MIT
#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "base/unique_fd.hpp"
#include "http/connection.hpp"
#include "support_cpp/run.hpp"

namespace msi2imds::http {

// A Connection on one end of a socketpair; the test is the client on the other end.
class ConnectionFixture : public testing::Test {
 protected:
  using Reading = support::Started<ReadResult>;

  ConnectionFixture() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
    client_.reset(ends[1]);
    connection_.emplace(WaitSet::of(io_), UniqueFd(ends[0]), limits_, deadlines_);
  }

  void send(std::string_view bytes) {
    ASSERT_EQ(::send(client_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT),
              static_cast<ssize_t>(bytes.size()));
  }
  void end_sending() {
    ASSERT_EQ(::shutdown(client_.get(), SHUT_WR), 0);
  }

  // What the client has received and not yet looked at.
  std::string received() {
    std::string text(size_t{256} * 1024, '\0');
    const ssize_t size = ::recv(client_.get(), text.data(), text.size(), MSG_DONTWAIT);
    text.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
    return text;
  }

  Reading start_reading() {
    return {io_, connection_->read(request_)};
  }
  ReadResult read() {
    return start_reading().get();
  }
  ReadResult read(std::string_view bytes) {
    send(bytes);
    return read();
  }

  // The status owed to the client who sent this: 0 for none, 200 for a good request.
  unsigned status_of(std::string_view bytes) {
    const ReadResult result = read(bytes);
    return result ? 200 : result.error().status;
  }

  bool write(Response response) {
    return support::run(io_, connection_->write(response));
  }

  asio::io_context io_{1};
  Limits limits_;
  Deadlines deadlines_{io_};
  UniqueFd client_;
  std::optional<Connection> connection_;
  Request request_;
};

}  // namespace msi2imds::http
