// SPDX-License-Identifier: MIT
#include "netlink/conntrack.hpp"

#include <linux/netlink.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <array>
#include <functional>
#include <map>
#include <span>
#include <utility>

#include "base/unique_fd.hpp"
#include "netlink/conntrack_message.hpp"
#include "netlink/exchange.hpp"
#include "netlink/tcp_sockets.hpp"

namespace msi2imds::netlink {
namespace {

using Read = std::function<std::optional<Forgettable>(std::span<const std::byte>)>;

// Forgets those which `read` finds, and whose socket is gone.
Result<std::size_t> forget_without_socket(const Read& read) {
  const Result<UniqueFd> lists = open_netfilter_socket();
  const Result<UniqueFd> changes = open_netfilter_socket();
  if (!lists || !changes) {
    return lists ? changes.error() : lists.error();
  }
  std::map<std::pair<Endpoint, Endpoint>, std::vector<std::byte>> requests;
  const auto take = [&](const nlmsghdr* header) {
    auto found = read({reinterpret_cast<const std::byte*>(header), header->nlmsg_len});
    if (found) {
      requests.emplace(std::pair(to_endpoint(found->socket.from), to_endpoint(found->socket.to)),
                       std::move(found->request));
    }
  };
  for (const int family : {AF_INET, AF_INET6}) {
    const Result<void> listed = list(lists->get(), request_to_list(family), "list tracked connections", take);
    if (!listed) {
      return listed.error();
    }
  }
  // Afterwards, so that whoever is in the list has a socket there, or has none any more.
  const Result<std::vector<TcpSocket>> open = open_sockets();
  if (!open) {
    return open.error();
  }
  for (const TcpSocket& socket : *open) {
    if (socket.socket.state != TCP_SYN_SENT) {  // one that waits for just this
      requests.erase(std::pair(to_endpoint(socket.local), to_endpoint(socket.remote)));
    }
  }
  std::size_t count = 0;
  for (const auto& [socket, request] : requests) {
    count += ::send(changes->get(), request.data(), request.size(), 0) > 0 ? 1 : 0;
  }
  return count;
}

std::optional<Tracked> find_tracked(Side side, const Endpoint& from, const Endpoint& to) {
  const Result<UniqueFd> socket = open_netfilter_socket();
  const std::vector<std::byte> request = request_to_find(side, from, to);
  alignas(nlmsghdr) std::array<std::byte, 4096> answer;  // NOLINT(*-member-init): filled below
  if (!socket || ::send(socket->get(), request.data(), request.size(), 0) < 0) {
    return std::nullopt;
  }
  // The kernel answers before send returns.
  const ssize_t size = ::recv(socket->get(), answer.data(), answer.size(), MSG_DONTWAIT);
  return size > 0 ? read_tracked(std::span(answer).first(static_cast<std::size_t>(size))) : std::nullopt;
}

}  // namespace

Result<std::size_t> forget_untranslated(const std::vector<std::uint16_t>& ports) {
  return forget_without_socket(
      [&ports](std::span<const std::byte> message) { return read_untranslated(message, ports); });
}

Result<std::size_t> forget_ended(std::uint16_t listen_port) {
  return forget_without_socket(
      [listen_port](std::span<const std::byte> message) { return read_translated(message, listen_port); });
}

std::optional<ServersEnd> servers_end(const SocketAddress& client, const SocketAddress& dialled) {
  const auto found = find_tracked(Side::client, to_endpoint(client), to_endpoint(dialled));
  return found ? std::optional(ServersEnd{.local = found->answered.from, .remote = found->answered.to})
               : std::nullopt;
}

std::optional<ClientsEnd> clients_end(const Endpoint& server, const Endpoint& client) {
  const auto found = find_tracked(Side::server, server, client);
  return found ? std::optional(ClientsEnd{.local = found->dialled.from, .dialled = found->dialled.to})
               : std::nullopt;
}

Result<std::size_t> make_known(const std::vector<std::uint16_t>& ports) {
  const Result<std::vector<TcpSocket>> clients = connections_to(ports);
  if (!clients) {
    return clients.error();
  }
  const Result<UniqueFd> socket = open_netfilter_socket();
  if (!socket) {
    return socket.error();
  }
  std::size_t count = 0;
  for (const TcpSocket& client : *clients) {
    const Endpoint server = to_endpoint(client.remote);
    if (is_loopback(server) && client.socket.state != TCP_SYN_SENT) {
      const Result<void> known =
          change(socket->get(), request_to_know(to_endpoint(client.local), server), "track it");
      count += known ? 1 : 0;
    }
  }
  return count;
}

}  // namespace msi2imds::netlink
