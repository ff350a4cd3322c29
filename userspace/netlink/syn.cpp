// SPDX-License-Identifier: MIT
#include "netlink/syn.hpp"

#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <cstring>
#include <span>

namespace msi2imds::netlink {
namespace {

// The headers as the kernel received them: of IP without what may be between the two, and of TCP.
constexpr std::size_t kLongest = 256;

template <typename Header>
std::optional<Header> header_at(std::span<const std::byte> bytes, std::size_t offset) {
  if (bytes.size() < offset + sizeof(Header)) {
    return std::nullopt;
  }
  Header header{};
  std::memcpy(&header, bytes.data() + offset, sizeof header);
  return header;
}

std::optional<Syn> syn_of(std::span<const std::byte> bytes, std::size_t tcp_at, int family,
                          const void* destination) {
  const auto tcp = header_at<tcphdr>(bytes, tcp_at);
  if (!tcp) {
    return std::nullopt;
  }
  return Syn{.destination = SocketAddress::from_network(family, destination, tcp->th_dport),
             .first_sequence = ntohl(tcp->th_seq)};
}

}  // namespace

std::optional<Syn> take_syn(int socket) {
  std::array<std::byte, kLongest> room{};
  socklen_t size = room.size();
  if (::getsockopt(socket, IPPROTO_TCP, TCP_SAVED_SYN, room.data(), &size) != 0 || size == 0) {
    return std::nullopt;
  }
  const std::span<const std::byte> bytes(room.data(), size);
  const unsigned version = std::to_integer<unsigned>(bytes.front()) >> 4U;
  if (const auto v4 = header_at<iphdr>(bytes, 0); v4 && version == 4 && v4->protocol == IPPROTO_TCP) {
    return syn_of(bytes, std::size_t{v4->ihl} * 4, AF_INET, &v4->daddr);
  }
  if (const auto v6 = header_at<ip6_hdr>(bytes, 0); v6 && version == 6 && v6->ip6_nxt == IPPROTO_TCP) {
    return syn_of(bytes, sizeof *v6, AF_INET6, &v6->ip6_dst);
  }
  return std::nullopt;
}

}  // namespace msi2imds::netlink
