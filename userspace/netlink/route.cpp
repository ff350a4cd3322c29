// SPDX-License-Identifier: MIT
#include "netlink/route.hpp"

#include <arpa/inet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/unique_fd.hpp"
#include "netlink/errors.hpp"

namespace msi2imds::netlink {
namespace {

constexpr std::size_t kMaxAttributes = 128;

// A request message, built attribute by attribute.
struct RouteQuestion {
  nlmsghdr header;
  rtmsg body;
  std::array<std::byte, kMaxAttributes> attributes;

  void add(unsigned short type, const void* value, std::size_t size) {
    const nlattr attribute{.nla_len = static_cast<__u16>(NLA_HDRLEN + size), .nla_type = type};
    std::byte* const at = attributes.data() + (header.nlmsg_len - NLMSG_LENGTH(sizeof body));
    std::memcpy(at, &attribute, sizeof attribute);
    std::memcpy(at + NLA_HDRLEN, value, size);
    header.nlmsg_len += static_cast<__u32>(NLA_ALIGN(NLA_HDRLEN + size));
  }
};
static_assert(offsetof(RouteQuestion, attributes) == NLMSG_LENGTH(sizeof(rtmsg)));

void add_destination(RouteQuestion& question, const SocketAddress& to) {
  if (to.family() == AF_INET) {
    sockaddr_in ipv4{};
    std::memcpy(&ipv4, to.get(), sizeof ipv4);
    question.body.rtm_dst_len = 32;
    question.add(RTA_DST, &ipv4.sin_addr, sizeof ipv4.sin_addr);
    return;
  }
  sockaddr_in6 ipv6{};
  std::memcpy(&ipv6, to.get(), sizeof ipv6);
  question.body.rtm_dst_len = 128;
  question.add(RTA_DST, &ipv6.sin6_addr, sizeof ipv6.sin6_addr);
}

// Kernels before 4.20 ignore protocol and port, and know no rules that look at them.
RouteQuestion make_question(const SocketAddress& to, std::uint32_t mark) {
  RouteQuestion question{};
  question.header.nlmsg_len = NLMSG_LENGTH(sizeof question.body);
  question.header.nlmsg_type = RTM_GETROUTE;
  question.header.nlmsg_flags = NLM_F_REQUEST;
  question.body.rtm_family = static_cast<unsigned char>(to.family());
  add_destination(question, to);
  if (mark != 0) {
    question.add(RTA_MARK, &mark, sizeof mark);
  }
  const std::uint8_t protocol = IPPROTO_TCP;
  question.add(RTA_IP_PROTO, &protocol, sizeof protocol);
  const std::uint16_t port = htons(to.port());
  question.add(RTA_DPORT, &port, sizeof port);
  return question;
}

RouteKind kind_of(unsigned char type) {
  switch (type) {
    case RTN_UNICAST:
      return RouteKind::unicast;
    case RTN_LOCAL:
      return RouteKind::local;
    case RTN_PROHIBIT:
      return RouteKind::prohibited;
    case RTN_UNREACHABLE:
      return RouteKind::unreachable;
    case RTN_BLACKHOLE:
      return RouteKind::discarded;
    default:
      return RouteKind::other;
  }
}

// The errors by which the kernel reports that there is no route.
Result<Route> no_route(int err) {
  switch (err) {
    case EACCES:
      return Route{.kind = RouteKind::prohibited, .device = {}, .gateway = {}};
    case EHOSTUNREACH:
    case ENETUNREACH:
      return Route{.kind = RouteKind::unreachable, .device = {}, .gateway = {}};
    case EINVAL:
      return Route{.kind = RouteKind::discarded, .device = {}, .gateway = {}};
    default:
      return Error::from_errno(err, "ask the kernel for a route");
  }
}

Route read_route(const nlmsghdr* header) {
  rtmsg body{};
  std::memcpy(&body, nlmsg_data(header), sizeof body);
  Route route{.kind = kind_of(body.rtm_type), .device = {}, .gateway = {}};
  constexpr int kBodySize = sizeof(rtmsg);
  const nlattr* attributes = nlmsg_attrdata(header, kBodySize);
  const int size = nlmsg_attrlen(header, kBodySize);
  if (const nlattr* device = nla_find(attributes, size, RTA_OIF); device != nullptr) {
    std::array<char, IF_NAMESIZE> name{};
    const std::uint32_t index = nla_get_u32(device);
    route.device = ::if_indextoname(index, name.data()) != nullptr ? name.data() : std::to_string(index);
  }
  if (const nlattr* gateway = nla_find(attributes, size, RTA_GATEWAY); gateway != nullptr) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    const int family = nla_len(gateway) == sizeof(in_addr) ? AF_INET : AF_INET6;
    const char* written = ::inet_ntop(family, nla_data(gateway), text.data(), text.size());
    route.gateway = written != nullptr ? written : "";
  }
  return route;
}

Result<Route> read_answer(const std::byte* bytes, ssize_t size) {
  nlmsghdr header{};
  if (size < static_cast<ssize_t>(sizeof header)) {
    return Error(Errc::damaged_answer, "ask the kernel for a route");
  }
  std::memcpy(&header, bytes, sizeof header);
  const auto* message = reinterpret_cast<const nlmsghdr*>(bytes);
  if (header.nlmsg_type == NLMSG_ERROR && nlmsg_datalen(message) >= static_cast<int>(sizeof(int))) {
    int error = 0;  // the first member of nlmsgerr
    std::memcpy(&error, nlmsg_data(message), sizeof error);
    return no_route(-error);
  }
  if (nlmsg_ok(message, static_cast<int>(size)) == 0 || header.nlmsg_type != RTM_NEWROUTE ||
      nlmsg_datalen(message) < static_cast<int>(sizeof(rtmsg))) {
    return Error(Errc::damaged_answer, "ask the kernel for a route");
  }
  return read_route(message);
}

}  // namespace

Result<Route> find_route(const SocketAddress& to, std::uint32_t mark) {
  const UniqueFd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!socket) {
    return Error::from_errno(errno, "open an rtnetlink socket");
  }
  const RouteQuestion question = make_question(to, mark);
  if (::send(socket.get(), &question, question.header.nlmsg_len, 0) < 0) {
    return Error::from_errno(errno, "ask the kernel for a route");
  }
  alignas(nlmsghdr) std::array<std::byte, 8192> buffer;  // NOLINT(*-member-init): filled below
  const ssize_t size = ::recv(socket.get(), buffer.data(), buffer.size(), 0);
  if (size < 0) {
    return Error::from_errno(errno, "ask the kernel for a route");
  }
  return read_answer(buffer.data(), size);
}

}  // namespace msi2imds::netlink
