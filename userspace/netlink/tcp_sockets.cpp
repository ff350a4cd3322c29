// SPDX-License-Identifier: MIT
#include "netlink/tcp_sockets.hpp"

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <set>
#include <span>
#include <tuple>
#include <utility>

#include "base/unique_fd.hpp"
#include "netlink/endpoint.hpp"
#include "netlink/exchange.hpp"
#include "netlink/sock_diag_message.hpp"

namespace msi2imds::netlink {
namespace {

constexpr __u32 kConnectedStates = (1U << TCP_ESTABLISHED) | (1U << TCP_SYN_SENT) | (1U << TCP_FIN_WAIT1) |
                                   (1U << TCP_FIN_WAIT2) | (1U << TCP_CLOSE_WAIT);

// Whatever keeps a connection alive from the server's side.
constexpr __u32 kServingStates =
    kConnectedStates | (1U << TCP_SYN_RECV) | (1U << TCP_LAST_ACK) | (1U << TCP_CLOSING);

struct DumpRequest {
  nlmsghdr header;
  inet_diag_req_v2 request;
};

TcpSocket read_socket(const nlmsghdr* header) {
  inet_diag_msg body{};
  std::memcpy(&body, nlmsg_data(header), sizeof body);
  TcpSocket found;
  found.local = SocketAddress::from_network(body.idiag_family, body.id.idiag_src, body.id.idiag_sport);
  found.remote = SocketAddress::from_network(body.idiag_family, body.id.idiag_dst, body.id.idiag_dport);
  found.socket = {
      .uid = body.idiag_uid,
      .inode = body.idiag_inode,
      .cookie = (static_cast<std::uint64_t>(body.id.idiag_cookie[1]) << 32U) | body.id.idiag_cookie[0],
      .cgroup_id = std::nullopt,
      .state = body.idiag_state};
  constexpr int kBodySize = sizeof(inet_diag_msg);
  const nlattr* cgroup =
      nla_find(nlmsg_attrdata(header, kBodySize), nlmsg_attrlen(header, kBodySize), INET_DIAG_CGROUP_ID);
  if (cgroup != nullptr && nla_len(cgroup) == sizeof(std::uint64_t)) {
    found.socket.cgroup_id = nla_get_u64(cgroup);
  }
  return found;
}

Result<void> dump(int socket, int family, __u32 states, std::vector<TcpSocket>& found) {
  DumpRequest request{};
  request.header.nlmsg_len = sizeof request;
  request.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  request.request.sdiag_family = static_cast<__u8>(family);
  request.request.sdiag_protocol = IPPROTO_TCP;
  request.request.idiag_states = states;
  return list(socket, std::as_bytes(std::span(&request, 1)), "ask sock_diag for all sockets",
              [&found](const nlmsghdr* header) {
                if (header->nlmsg_type == SOCK_DIAG_BY_FAMILY &&
                    nlmsg_datalen(header) >= static_cast<int>(sizeof(inet_diag_msg))) {
                  found.push_back(read_socket(header));
                }
              });
}

Result<std::vector<TcpSocket>> dump_all(__u32 states) {
  const Result<UniqueFd> socket = open_sock_diag_socket();
  if (!socket) {
    return socket.error();
  }
  std::vector<TcpSocket> found;
  for (const int family : {AF_INET, AF_INET6}) {
    Result<void> dumped = dump(socket->get(), family, states, found);
    if (!dumped) {
      return dumped.error();
    }
  }
  return found;
}

// Ends of connections that serve somebody, as "who, on which port of ours".
using Served = std::set<std::tuple<int, std::array<__be32, 4>, __be16, std::uint16_t>>;

bool waits_for_its_server(const TcpSocket& socket) {
  return socket.socket.state == TCP_ESTABLISHED || socket.socket.state == TCP_FIN_WAIT2;
}

}  // namespace

Result<std::vector<TcpSocket>> listening_sockets() {
  return dump_all(1U << TCP_LISTEN);
}

Result<std::vector<TcpSocket>> connected_sockets() {
  return dump_all(kConnectedStates);
}

Result<std::vector<TcpSocket>> open_sockets() {
  return dump_all(kServingStates);
}

Result<std::vector<TcpSocket>> connections_to(const std::vector<std::uint16_t>& ports, Which which) {
  Result<std::vector<TcpSocket>> found =
      dump_all(which == Which::unanswered ? 1U << TCP_SYN_SENT : kConnectedStates);
  if (found) {
    std::erase_if(*found, [&ports, which](const TcpSocket& socket) {
      return std::ranges::find(ports, socket.remote.port()) == ports.end() ||
             (which == Which::unanswered && !is_loopback(to_endpoint(socket.remote)));
    });
  }
  return found;
}

Result<std::vector<TcpSocket>> connections_to_nobody(const std::vector<std::uint16_t>& ports,
                                                     std::uint16_t other_port) {
  const auto key = [](const SocketAddress& client, std::uint16_t port) {
    const Endpoint end = to_endpoint(client);
    return std::tuple(end.family, end.address, end.port, port);
  };
  Result<std::vector<TcpSocket>> all = open_sockets();
  if (!all) {
    return all;
  }
  Served served;
  for (const TcpSocket& socket : *all) {
    served.insert(key(socket.remote, socket.local.port()));
  }
  std::erase_if(*all, [&](const TcpSocket& socket) {
    const bool dials = std::ranges::find(ports, socket.remote.port()) != ports.end();
    return !dials || !waits_for_its_server(socket) || !is_loopback(to_endpoint(socket.remote)) ||
           served.contains(key(socket.local, socket.remote.port())) ||
           served.contains(key(socket.local, other_port));
  });
  return all;
}

Result<void> abort_connection(const TcpSocket& socket) {
  const char* const context = "abort a connection";
  const Result<UniqueFd> diag = open_sock_diag_socket();
  if (!diag) {
    return diag.error().within(context);
  }
  Question request = make_question(to_endpoint(socket.local), to_endpoint(socket.remote), 1);
  request.header.nlmsg_type = SOCK_DESTROY;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
  request.request.id.idiag_cookie[0] = static_cast<__u32>(socket.socket.cookie);
  request.request.id.idiag_cookie[1] = static_cast<__u32>(socket.socket.cookie >> 32U);
  return change(diag->get(), std::as_bytes(std::span(&request, 1)), context);
}

}  // namespace msi2imds::netlink
