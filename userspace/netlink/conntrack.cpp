// SPDX-License-Identifier: MIT
#include "netlink/conntrack.hpp"

#include <arpa/inet.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <functional>
#include <map>
#include <utility>

#include "base/unique_fd.hpp"
#include "netlink/endpoint.hpp"
#include "netlink/exchange.hpp"
#include "netlink/netfilter_message.hpp"
#include "netlink/tcp_sockets.hpp"

namespace msi2imds::netlink {
namespace {

struct ListRequest {
  nlmsghdr header;
  nfgenmsg body;
};

constexpr std::uint32_t kSecondsKnown = 600;  // without a packet

constexpr __u16 type_of(int message) {
  return static_cast<__u16>((NFNL_SUBSYS_CTNETLINK << 8) | message);
}

const nlattr* find_in(const nlattr* nest, int type) {
  return nest == nullptr ? nullptr
                         : nla_find(static_cast<const nlattr*>(nla_data(nest)), nla_len(nest), type);
}

bool is_on_loopback(const nlattr* tuple) {
  const nlattr* addresses = find_in(tuple, CTA_TUPLE_IP);
  const nlattr* ipv4 = find_in(addresses, CTA_IP_V4_DST);
  if (ipv4 != nullptr) {
    return nla_len(ipv4) == sizeof(in_addr) && *static_cast<const std::uint8_t*>(nla_data(ipv4)) == 127;
  }
  const nlattr* ipv6 = find_in(addresses, CTA_IP_V6_DST);
  return ipv6 != nullptr && nla_len(ipv6) == sizeof in6addr_loopback &&
         std::memcmp(nla_data(ipv6), &in6addr_loopback, sizeof in6addr_loopback) == 0;
}

bool has_port(const nlattr* protocol, int type, const std::vector<std::uint16_t>& ports) {
  const nlattr* port = find_in(protocol, type);
  return port != nullptr && nla_len(port) == sizeof(std::uint16_t) &&
         std::ranges::find(ports, ntohs(nla_get_u16(port))) != ports.end();
}

// Whether the kernel has not seen the beginning of the connection: then it takes any sequence numbers.
bool began_unseen(const nlattr* attributes, int size) {
  const nlattr* state = find_in(nla_find(attributes, size, CTA_PROTOINFO), CTA_PROTOINFO_TCP);
  const nlattr* found = find_in(state, CTA_PROTOINFO_TCP_FLAGS_ORIGINAL);
  nf_ct_tcp_flags flags{};
  if (found == nullptr || nla_len(found) != sizeof flags) {
    return false;
  }
  std::memcpy(&flags, nla_data(found), sizeof flags);
  return (flags.flags & IP_CT_TCP_FLAG_BE_LIBERAL) != 0;
}

// Where the server spoke first since the kernel began to look, it counts as the one who dialled. Else whoever
// dials from such a port is another program, whose firewall may have to know the connection.
bool is_to_or_from(const nlattr* tuple, const std::vector<std::uint16_t>& ports, bool began_unseen) {
  const nlattr* protocol = find_in(tuple, CTA_TUPLE_PROTO);
  const nlattr* number = find_in(protocol, CTA_PROTO_NUM);
  return number != nullptr && nla_len(number) == 1 && nla_get_u8(number) == IPPROTO_TCP &&
         (has_port(protocol, CTA_PROTO_DST_PORT, ports) ||
          (began_unseen && has_port(protocol, CTA_PROTO_SRC_PORT, ports)));
}

std::vector<std::byte> tuple_of(int type, const Endpoint& from, const Endpoint& to) {
  const bool is_ipv4 = from.family == AF_INET;
  const std::size_t size = is_ipv4 ? sizeof(in_addr) : sizeof(in6_addr);
  const std::uint8_t protocol = IPPROTO_TCP;
  return nest_of(type,
                 {nest_of(CTA_TUPLE_IP,
                          {attribute_of(is_ipv4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, from.address.data(), size),
                           attribute_of(is_ipv4 ? CTA_IP_V4_DST : CTA_IP_V6_DST, to.address.data(), size)}),
                  nest_of(CTA_TUPLE_PROTO, {attribute_of(CTA_PROTO_NUM, &protocol, sizeof protocol),
                                            attribute_of(CTA_PROTO_SRC_PORT, &from.port, sizeof from.port),
                                            attribute_of(CTA_PROTO_DST_PORT, &to.port, sizeof to.port)})});
}

// Established, and with whatever sequence numbers, since nobody has seen its beginning.
std::vector<std::byte> tcp_state() {
  const std::uint8_t state = TCP_CONNTRACK_ESTABLISHED;
  const nf_ct_tcp_flags liberal{.flags = IP_CT_TCP_FLAG_BE_LIBERAL, .mask = IP_CT_TCP_FLAG_BE_LIBERAL};
  return nest_of(
      CTA_PROTOINFO,
      {nest_of(CTA_PROTOINFO_TCP, {attribute_of(CTA_PROTOINFO_TCP_STATE, &state, sizeof state),
                                   attribute_of(CTA_PROTOINFO_TCP_FLAGS_ORIGINAL, &liberal, sizeof liberal),
                                   attribute_of(CTA_PROTOINFO_TCP_FLAGS_REPLY, &liberal, sizeof liberal)})});
}

std::vector<std::byte> request_to_know(const Endpoint& client, const Endpoint& server) {
  const __be32 status = htonl(IPS_CONFIRMED | IPS_ASSURED | IPS_SEEN_REPLY);
  const __be32 seconds = htonl(kSecondsKnown);
  const nfgenmsg body{.nfgen_family = static_cast<__u8>(client.family), .version = NFNETLINK_V0, .res_id = 0};
  return message_of(type_of(IPCTNL_MSG_CT_NEW), NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, body,
                    {tuple_of(CTA_TUPLE_ORIG, client, server), tuple_of(CTA_TUPLE_REPLY, server, client),
                     attribute_of(CTA_STATUS, &status, sizeof status),
                     attribute_of(CTA_TIMEOUT, &seconds, sizeof seconds), tcp_state()});
}

std::optional<SocketAddress> address_in(const nlattr* tuple, int ipv4_type, int ipv6_type, int port_type) {
  const nlattr* addresses = find_in(tuple, CTA_TUPLE_IP);
  const nlattr* port = find_in(find_in(tuple, CTA_TUPLE_PROTO), port_type);
  const nlattr* ipv4 = find_in(addresses, ipv4_type);
  const nlattr* ipv6 = find_in(addresses, ipv6_type);
  if (port == nullptr || nla_len(port) != sizeof(std::uint16_t)) {
    return std::nullopt;
  }
  if (ipv4 != nullptr && nla_len(ipv4) == sizeof(in_addr)) {
    return SocketAddress::from_network(AF_INET, nla_data(ipv4), nla_get_u16(port));
  }
  if (ipv6 != nullptr && nla_len(ipv6) == sizeof(in6_addr)) {
    return SocketAddress::from_network(AF_INET6, nla_data(ipv6), nla_get_u16(port));
  }
  return std::nullopt;
}

std::optional<ServersEnd> servers_end_in(const nlattr* reply) {
  const auto local = address_in(reply, CTA_IP_V4_SRC, CTA_IP_V6_SRC, CTA_PROTO_SRC_PORT);
  const auto remote = address_in(reply, CTA_IP_V4_DST, CTA_IP_V6_DST, CTA_PROTO_DST_PORT);
  return local && remote ? std::optional(ServersEnd{.local = *local, .remote = *remote}) : std::nullopt;
}

// What a message of a listing tells.
struct Entry {
  nfgenmsg body{};
  const nlattr* attributes = nullptr;
  int size = 0;

  [[nodiscard]] const nlattr* find(int type) const {
    return size > 0 ? nla_find(attributes, size, type) : nullptr;
  }
  [[nodiscard]] std::uint32_t status() const {
    const nlattr* found = find(CTA_STATUS);
    return found != nullptr && nla_len(found) == sizeof(std::uint32_t) ? ntohl(nla_get_u32(found)) : 0;
  }
};

Entry read_entry(const nlmsghdr* header) {
  Entry entry;
  if (nlmsg_datalen(header) >= static_cast<int>(sizeof entry.body)) {
    std::memcpy(&entry.body, nlmsg_data(header), sizeof entry.body);
    entry.attributes = nlmsg_attrdata(header, sizeof entry.body);
    entry.size = nlmsg_attrlen(header, sizeof entry.body);
  }
  return entry;
}

// With the number of the entry, so that a later one of the same addresses and ports is not deleted.
std::vector<std::byte> deletion_of(const Entry& entry) {
  std::vector<std::vector<std::byte>> parts;
  for (const int type : {CTA_TUPLE_ORIG, CTA_ZONE, CTA_ID}) {
    const nlattr* attribute = entry.find(type);
    if (attribute != nullptr) {
      append(parts.emplace_back(), attribute, attribute->nla_len);
    }
  }
  return message_of(type_of(IPCTNL_MSG_CT_DELETE), NLM_F_REQUEST, entry.body, parts);
}

// Whether the server has answered its client.
bool is_made(const Entry& entry) {
  const nlattr* state =
      find_in(find_in(entry.find(CTA_PROTOINFO), CTA_PROTOINFO_TCP), CTA_PROTOINFO_TCP_STATE);
  return state != nullptr && nla_len(state) == 1 && nla_get_u8(state) >= TCP_CONNTRACK_ESTABLISHED;
}

Result<void> list_tracked(const std::function<void(const nlmsghdr*)>& take) {
  const UniqueFd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER));
  if (!socket) {
    return Error::from_errno(errno, "open a netfilter socket");
  }
  for (const int family : {AF_INET, AF_INET6}) {
    ListRequest request{};
    request.header.nlmsg_len = sizeof request;
    request.header.nlmsg_type = type_of(IPCTNL_MSG_CT_GET);
    request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    request.body.nfgen_family = static_cast<__u8>(family);
    Result<void> listed =
        list(socket.get(), std::as_bytes(std::span(&request, 1)), "list tracked connections", take);
    if (!listed) {
      return listed;
    }
  }
  return {};
}

// How many of them were sent.
Result<std::size_t> send_all(const std::vector<std::vector<std::byte>>& requests) {
  const UniqueFd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER));
  if (!socket) {
    return Error::from_errno(errno, "open a netfilter socket");
  }
  return static_cast<std::size_t>(std::ranges::count_if(requests, [&socket](const auto& request) {
    return ::send(socket.get(), request.data(), request.size(), 0) > 0;
  }));
}

}  // namespace

std::vector<std::byte> request_to_forget(std::span<const std::byte> message,
                                         const std::vector<std::uint16_t>& ports) {
  if (message.size() < NLMSG_HDRLEN) {
    return {};
  }
  const Entry entry = read_entry(reinterpret_cast<const nlmsghdr*>(message.data()));
  const nlattr* tuple = entry.find(CTA_TUPLE_ORIG);
  const bool is_translated = (entry.status() & (IPS_SRC_NAT | IPS_DST_NAT)) != 0;
  if (tuple == nullptr || entry.status() == 0 || is_translated || !is_on_loopback(tuple) ||
      !is_to_or_from(tuple, ports, began_unseen(entry.attributes, entry.size))) {
    return {};
  }
  return deletion_of(entry);
}

Result<std::size_t> forget_untranslated(const std::vector<std::uint16_t>& ports) {
  std::vector<std::vector<std::byte>> deletions;
  const Result<void> listed = list_tracked([&](const nlmsghdr* header) {
    std::vector<std::byte> deletion =
        request_to_forget({reinterpret_cast<const std::byte*>(header), header->nlmsg_len}, ports);
    if (!deletion.empty()) {
      deletions.push_back(std::move(deletion));
    }
  });
  return listed ? send_all(deletions) : listed.error();
}

Result<std::size_t> forget_ended(std::uint16_t listen_port) {
  const auto key = [](const SocketAddress& local, const SocketAddress& remote) {
    return std::pair(to_endpoint(local), to_endpoint(remote));
  };
  std::map<std::pair<Endpoint, Endpoint>, std::vector<std::byte>> translated;
  const Result<void> listed = list_tracked([&](const nlmsghdr* header) {
    const Entry entry = read_entry(header);
    const nlattr* tuple = entry.find(CTA_TUPLE_ORIG);
    const auto server = servers_end_in(entry.find(CTA_TUPLE_REPLY));
    if ((entry.status() & IPS_DST_NAT) != 0 && is_made(entry) && tuple != nullptr && is_on_loopback(tuple) &&
        server && server->local.port() == listen_port) {
      translated.emplace(key(server->local, server->remote), deletion_of(entry));
    }
  });
  // Afterwards, so that whoever is in the list has a server's end there, or has none any more.
  const Result<std::vector<TcpSocket>> open = open_sockets();
  if (!listed || !open) {
    return listed ? open.error() : listed.error();
  }
  for (const TcpSocket& socket : *open) {
    translated.erase(key(socket.local, socket.remote));
  }
  std::vector<std::vector<std::byte>> deletions;
  for (auto& [end, deletion] : translated) {
    deletions.push_back(std::move(deletion));
  }
  return send_all(deletions);
}

std::optional<ServersEnd> servers_end(const SocketAddress& client, const SocketAddress& dialled) {
  const UniqueFd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER));
  const Endpoint from = to_endpoint(client);
  const nfgenmsg body{.nfgen_family = static_cast<__u8>(from.family), .version = NFNETLINK_V0, .res_id = 0};
  const std::vector<std::byte> request = message_of(type_of(IPCTNL_MSG_CT_GET), NLM_F_REQUEST, body,
                                                    {tuple_of(CTA_TUPLE_ORIG, from, to_endpoint(dialled))});
  alignas(nlmsghdr) std::array<std::byte, 4096> answer;  // NOLINT(*-member-init): filled below
  if (!socket || ::send(socket.get(), request.data(), request.size(), 0) < 0) {
    return std::nullopt;
  }
  const ssize_t size = ::recv(socket.get(), answer.data(), answer.size(), 0);
  constexpr int kBodySize = sizeof(nfgenmsg);
  const auto* header = reinterpret_cast<const nlmsghdr*>(answer.data());
  if (size < NLMSG_HDRLEN || nlmsg_ok(header, static_cast<int>(size)) == 0 ||
      header->nlmsg_type != type_of(IPCTNL_MSG_CT_NEW) || nlmsg_datalen(header) < kBodySize) {
    return std::nullopt;
  }
  return servers_end_in(
      nla_find(nlmsg_attrdata(header, kBodySize), nlmsg_attrlen(header, kBodySize), CTA_TUPLE_REPLY));
}

Result<std::size_t> make_known(std::uint16_t port) {
  const Result<std::vector<TcpSocket>> clients = connections_to({port});
  if (!clients) {
    return clients.error();
  }
  const UniqueFd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER));
  if (!socket) {
    return Error::from_errno(errno, "open a netfilter socket");
  }
  std::size_t count = 0;
  for (const TcpSocket& client : *clients) {
    const Endpoint server = to_endpoint(client.remote);
    if (is_loopback(server)) {
      const Result<void> known =
          change(socket.get(), request_to_know(to_endpoint(client.local), server), "track it");
      count += known ? 1 : 0;
    }
  }
  return count;
}

}  // namespace msi2imds::netlink
