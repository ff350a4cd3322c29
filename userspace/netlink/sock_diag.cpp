// SPDX-License-Identifier: MIT
#include "netlink/sock_diag.hpp"

#include <linux/netlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <type_traits>
#include <utility>

#include "netlink/errors.hpp"
#include "netlink/exchange.hpp"

namespace msi2imds::netlink {
namespace {

// An answer has some 150 bytes.
constexpr std::size_t kLargestAnswer = 4096;

// More than a receive queue holds, so that a full one is emptied.
constexpr int kMostDatagrams = 1024;

// A receive queue holds the answers.
constexpr std::size_t kMostAhead = 64;
static_assert(sizeof(Question) % NLMSG_ALIGNTO == 0 && std::has_unique_object_representations_v<Question>);

}  // namespace

Result<UniqueFd> SockDiag::open_socket() {
  Result<UniqueFd> socket = open_sock_diag_socket();
  if (!socket) {
    return socket;
  }
  SockDiag sock_diag(std::move(*socket));
  const auto nobody = SocketAddress::ipv4_loopback(0);
  const auto found = sock_diag.find(nobody, nobody);
  if (!found && found.error().code() != Errc::no_such_socket) {
    return found.error().within("try sock_diag");
  }
  return std::move(sock_diag.socket_);
}

SockDiag::SockDiag(UniqueFd socket) : socket_(std::move(socket)) {}

Result<ClientSocket> SockDiag::find(const SocketAddress& client, const SocketAddress& server) {
  const Endpoint source = to_endpoint(client);
  const Endpoint destination = to_endpoint(server);
  const auto context = [&] { return "find socket " + client.to_string() + " to " + server.to_string(); };
  if (source.family == AF_UNSPEC || source.family != destination.family) {
    return Error::from_errno(EAFNOSUPPORT, context());
  }

  auto found = take_answer_or_ask(source, destination);
  if (!found && found.error().code() == Errc::no_answer) {
    found = ask(source, destination);  // the queue was full of old answers and is now empty
  }
  if (!found) {
    return Error(found.error().code(), context());
  }
  return found;
}

void SockDiag::ask_ahead(std::span<const Ends> connections) {
  ahead_.clear();
  next_ = 0;
  for (const auto& [client, server] : connections.first(std::min(connections.size(), kMostAhead))) {
    ahead_.push_back(make_question(to_endpoint(client), to_endpoint(server), ++sequence_));
  }
  const std::size_t bytes = ahead_.size() * sizeof(Question);
  if (ahead_.size() < 2 || ::send(socket_.get(), ahead_.data(), bytes, MSG_DONTWAIT) < 0) {
    ahead_.clear();  // find() asks
  }
}

Result<ClientSocket> SockDiag::take_answer_or_ask(const Endpoint& client, const Endpoint& server) {
  if (next_ < ahead_.size()) {
    const Question& asked = ahead_[next_++];
    const Question wanted = make_question(client, server, asked.header.nlmsg_seq);
    if (std::memcmp(&asked, &wanted, sizeof asked) == 0) {
      return receive_answer(asked);
    }
    ahead_.clear();
  }
  return ask(client, server);
}

Result<ClientSocket> SockDiag::ask(const Endpoint& client, const Endpoint& server) {
  const Question question = make_question(client, server, ++sequence_);
  if (::send(socket_.get(), &question, sizeof question, MSG_DONTWAIT) < 0) {
    return Error::from_errno(errno, "ask sock_diag");
  }
  return receive_answer(question);
}

// The kernel answers before send returns, so there is nothing to wait for.
Result<ClientSocket> SockDiag::receive_answer(const Question& question) {
  alignas(nlmsghdr) std::array<std::byte, kLargestAnswer> buffer;  // NOLINT(*-member-init): filled below
  for (int i = 0; i < kMostDatagrams; ++i) {
    sockaddr_nl sender{};
    socklen_t sender_size = sizeof sender;
    const ssize_t size = ::recvfrom(socket_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT,
                                    reinterpret_cast<sockaddr*>(&sender), &sender_size);
    if (size < 0 && errno == EAGAIN) {
      break;
    }
    if (size < 0 && (errno == ENOBUFS || errno == EINTR)) {
      continue;  // ENOBUFS is said once; what arrived before the loss is still queued
    }
    if (size < 0) {
      return Error::from_errno(errno, "receive from sock_diag");
    }
    if (sender.nl_pid != 0) {
      continue;  // from a process, not from the kernel
    }
    auto answer = read_answer(std::span(buffer).first(static_cast<std::size_t>(size)), question);
    if (!answer) {
      return answer.error();
    }
    if (*answer) {
      return **answer;
    }
  }
  return Error(Errc::no_answer, "receive from sock_diag");
}

}  // namespace msi2imds::netlink
