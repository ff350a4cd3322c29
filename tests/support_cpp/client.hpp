// SPDX-License-Identifier: MIT
#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "base/asio.hpp"
#include "base/socket_address.hpp"
#include "support_cpp/run.hpp"

namespace msi2imds::support {

// A client that writes at once, and lets the io_context work while it waits for an answer.
class Client {
 public:
  Client(asio::io_context& io, int socket) : io_(io), socket_(io) {
    socket_.assign(asio::generic::stream_protocol(AF_UNSPEC, 0), socket);
    socket_.non_blocking(true);
  }

  // Connected once the kernel has it in the backlog: nobody needs to accept.
  static Client connect(asio::io_context& io, const SocketAddress& address) {
    const int fd = ::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(::connect(fd, address.get(), address.size()), 0);
    return {io, fd};
  }
  static Client connect_unix(asio::io_context& io, const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(static_cast<char*>(address.sun_path), sizeof address.sun_path - 1);
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    return {io, fd};
  }

  void send(std::string_view bytes) {
    EXPECT_EQ(::send(socket_.native_handle(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }

  // One answer with a Content-Length, or what came of it before the end.
  std::string read_answer() {
    while (!holds_answer() && receive()) {
    }
    return std::exchange(input_, input_.substr(std::min(answer_size(), input_.size())))
        .substr(0, answer_size());
  }

  std::string ask(std::string_view request) {
    send(request);
    return read_answer();
  }

  // Everything up to the end of the connection.
  std::string read_to_end() {
    while (receive()) {
    }
    return std::exchange(input_, {});
  }

  [[nodiscard]] SocketAddress address() {
    const auto address = SocketAddress::local_of(socket_.native_handle());
    EXPECT_TRUE(address);
    return *address;
  }

  void close() {
    socket_.close();
  }

 private:
  bool receive() {
    const bool received = run(io_, receive_some());
    return received;
  }

  asio::awaitable<bool> receive_some() {
    std::array<char, 4096> part{};
    const auto [ec, size] = co_await socket_.async_read_some(asio::buffer(part), kAsTuple);
    input_.append(part.data(), size);
    co_return !ec;
  }

  [[nodiscard]] std::size_t answer_size() const {
    constexpr std::string_view kLength = "Content-Length: ";
    const std::size_t head_end = input_.find("\r\n\r\n");
    const std::size_t length = input_.find(kLength);
    if (head_end == std::string::npos || length > head_end) {
      return std::string::npos;
    }
    return head_end + 4 + std::stoul(input_.substr(length + kLength.size()));
  }
  [[nodiscard]] bool holds_answer() const {
    return input_.size() >= answer_size();
  }

  asio::io_context& io_;
  StreamSocket socket_;
  std::string input_;
};

}  // namespace msi2imds::support
