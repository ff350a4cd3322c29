// SPDX-License-Identifier: MIT
#include "netlink/conntrack_message.hpp"

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
#include <cstring>
#include <utility>

#include "netlink/netfilter_message.hpp"

namespace msi2imds::netlink {
namespace {

constexpr int kNetfilterBody = sizeof(nfgenmsg);
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

// A request about a connection or, without attributes, about all of a family.
std::vector<std::byte> request_of(int message, int flags, const nfgenmsg& body,
                                  const std::vector<std::vector<std::byte>>& attributes) {
  return message_of(type_of(message), NLM_F_REQUEST | flags, body, attributes);
}

nfgenmsg body_of(int family) {
  return {.nfgen_family = static_cast<__u8>(family), .version = NFNETLINK_V0, .res_id = 0};
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

std::optional<Direction> direction_in(const nlattr* tuple) {
  const auto from = address_in(tuple, CTA_IP_V4_SRC, CTA_IP_V6_SRC, CTA_PROTO_SRC_PORT);
  const auto to = address_in(tuple, CTA_IP_V4_DST, CTA_IP_V6_DST, CTA_PROTO_DST_PORT);
  return from && to ? std::optional(Direction{.from = *from, .to = *to}) : std::nullopt;
}

// Nothing, where the message is too short to be about a connection.
const nlmsghdr* header_of(std::span<const std::byte> message) {
  const auto* header = reinterpret_cast<const nlmsghdr*>(message.data());
  const bool is_whole = message.size() >= NLMSG_HDRLEN &&
                        nlmsg_ok(header, static_cast<int>(message.size())) != 0 &&
                        nlmsg_datalen(header) >= kNetfilterBody;
  return is_whole ? header : nullptr;
}

// With the number of the entry, so that a later one of the same addresses and ports is not deleted.
std::vector<std::byte> deletion_of(const nlmsghdr* header) {
  const nlattr* attributes = nlmsg_attrdata(header, kNetfilterBody);
  const int size = nlmsg_attrlen(header, kNetfilterBody);
  std::vector<std::vector<std::byte>> which;
  for (const int type : {CTA_TUPLE_ORIG, CTA_ZONE, CTA_ID}) {
    const auto* attribute = reinterpret_cast<const std::byte*>(nla_find(attributes, size, type));
    if (attribute != nullptr) {
      which.emplace_back(attribute, attribute + reinterpret_cast<const nlattr*>(attribute)->nla_len);
    }
  }
  nfgenmsg body{};
  std::memcpy(&body, nlmsg_data(header), sizeof body);
  return request_of(IPCTNL_MSG_CT_DELETE, 0, body, which);
}

// Whether the server has answered its client.
bool is_made(const nlattr* attributes, int size) {
  const nlattr* state = find_in(nla_find(attributes, size, CTA_PROTOINFO), CTA_PROTOINFO_TCP);
  const nlattr* found = find_in(state, CTA_PROTOINFO_TCP_STATE);
  return found != nullptr && nla_len(found) == 1 && nla_get_u8(found) >= TCP_CONNTRACK_ESTABLISHED;
}

}  // namespace

std::vector<std::byte> request_to_list(int family) {
  return request_of(IPCTNL_MSG_CT_GET, NLM_F_DUMP, body_of(family), {});
}

std::vector<std::byte> request_to_find(Side side, const Endpoint& from, const Endpoint& to) {
  const int type = side == Side::client ? CTA_TUPLE_ORIG : CTA_TUPLE_REPLY;
  return request_of(IPCTNL_MSG_CT_GET, 0, body_of(from.family), {tuple_of(type, from, to)});
}

std::vector<std::byte> request_to_know(const Endpoint& client, const Endpoint& server) {
  const __be32 status = htonl(IPS_CONFIRMED | IPS_ASSURED | IPS_SEEN_REPLY);
  const __be32 seconds = htonl(kSecondsKnown);
  return request_of(IPCTNL_MSG_CT_NEW, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, body_of(client.family),
                    {tuple_of(CTA_TUPLE_ORIG, client, server), tuple_of(CTA_TUPLE_REPLY, server, client),
                     attribute_of(CTA_STATUS, &status, sizeof status),
                     attribute_of(CTA_TIMEOUT, &seconds, sizeof seconds), tcp_state()});
}

std::vector<std::byte> request_to_forget(std::span<const std::byte> message,
                                         const std::vector<std::uint16_t>& ports) {
  const nlmsghdr* header = header_of(message);
  if (header == nullptr) {
    return {};
  }
  const nlattr* attributes = nlmsg_attrdata(header, kNetfilterBody);
  const int size = nlmsg_attrlen(header, kNetfilterBody);
  const nlattr* tuple = nla_find(attributes, size, CTA_TUPLE_ORIG);
  const nlattr* status = nla_find(attributes, size, CTA_STATUS);
  const bool is_translated =
      status != nullptr && (ntohl(nla_get_u32(status)) & (IPS_SRC_NAT | IPS_DST_NAT)) != 0;
  if (tuple == nullptr || status == nullptr || is_translated || !is_on_loopback(tuple) ||
      !is_to_or_from(tuple, ports, began_unseen(attributes, size))) {
    return {};
  }
  return deletion_of(header);
}

std::optional<Tracked> read_tracked(std::span<const std::byte> message) {
  const nlmsghdr* header = header_of(message);
  if (header == nullptr || header->nlmsg_type != type_of(IPCTNL_MSG_CT_NEW)) {
    return std::nullopt;
  }
  const nlattr* attributes = nlmsg_attrdata(header, kNetfilterBody);
  const int size = nlmsg_attrlen(header, kNetfilterBody);
  const auto dialled = direction_in(nla_find(attributes, size, CTA_TUPLE_ORIG));
  const auto answered = direction_in(nla_find(attributes, size, CTA_TUPLE_REPLY));
  return dialled && answered ? std::optional(Tracked{.dialled = *dialled, .answered = *answered})
                             : std::nullopt;
}

std::optional<Forgettable> read_untranslated(std::span<const std::byte> message,
                                             const std::vector<std::uint16_t>& ports) {
  std::vector<std::byte> request = request_to_forget(message, ports);
  const auto tracked = read_tracked(message);
  return tracked && !request.empty()
             ? std::optional(Forgettable{.socket = tracked->dialled, .request = std::move(request)})
             : std::nullopt;
}

std::optional<Forgettable> read_translated(std::span<const std::byte> message, std::uint16_t listen_port) {
  const nlmsghdr* header = header_of(message);
  const auto tracked = read_tracked(message);
  if (header == nullptr || !tracked) {
    return std::nullopt;
  }
  const nlattr* attributes = nlmsg_attrdata(header, kNetfilterBody);
  const int size = nlmsg_attrlen(header, kNetfilterBody);
  const nlattr* status = nla_find(attributes, size, CTA_STATUS);
  const bool is_translated = status != nullptr && (ntohl(nla_get_u32(status)) & IPS_DST_NAT) != 0;
  if (!is_translated || !is_made(attributes, size) ||
      !is_on_loopback(nla_find(attributes, size, CTA_TUPLE_ORIG)) ||
      tracked->answered.from.port() != listen_port) {
    return std::nullopt;
  }
  return Forgettable{.socket = tracked->answered, .request = deletion_of(header)};
}

}  // namespace msi2imds::netlink
