// SPDX-License-Identifier: MIT
#include "unit/imds_emulator/blocking_client.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/socket_address.hpp"

namespace msi2imds::emulator {

int RawReply::status() const {
  constexpr std::size_t kStatusStart = 9;  // behind "HTTP/1.1 "
  return head.size() < kStatusStart + 3 ? 0 : std::stoi(head.substr(kStatusStart, 3));
}

std::size_t RawReply::content_length() const {
  constexpr std::string_view kName = "Content-Length: ";
  const std::size_t start = head.find(kName);
  return start == std::string::npos ? 0 : std::stoul(head.substr(start + kName.size()));
}

BlockingClient::BlockingClient(std::uint16_t port)
    : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  const timeval patience{.tv_sec = 10, .tv_usec = 0};
  EXPECT_EQ(::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
  const auto address = SocketAddress::ipv4_loopback(port);
  EXPECT_EQ(::connect(socket_.get(), address.get(), address.size()), 0);
}

void BlockingClient::send(const std::string& bytes) {
  EXPECT_EQ(::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(bytes.size()));
}

End BlockingClient::receive() {
  std::array<char, 4096> chunk{};
  const auto count = ::recv(socket_.get(), chunk.data(), chunk.size(), 0);
  if (count > 0) {
    input_.append(chunk.data(), static_cast<std::size_t>(count));
    return End::whole;
  }
  if (count == 0) {
    return End::closed;
  }
  return errno == ECONNRESET ? End::reset : End::timed_out;
}

RawReply BlockingClient::read_reply() {
  RawReply reply;
  std::size_t head_end = input_.find("\r\n\r\n");
  while (head_end == std::string::npos && reply.end == End::whole) {
    reply.end = receive();
    ++reply.pieces;
    head_end = input_.find("\r\n\r\n");
  }
  if (head_end == std::string::npos) {
    return reply;
  }
  reply.head = input_.substr(0, head_end + 2);
  input_.erase(0, head_end + 4);
  while (input_.size() < reply.content_length() && reply.end == End::whole) {
    reply.end = receive();
    ++reply.pieces;
  }
  const std::size_t size = std::min(input_.size(), reply.content_length());
  reply.body = input_.substr(0, size);
  input_.erase(0, size);
  return reply;
}

End BlockingClient::read_rest() {
  return input_.empty() ? receive() : End::whole;
}

bool BlockingClient::has_input() const {
  char byte = 0;
  return ::recv(socket_.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0;
}

}  // namespace msi2imds::emulator
