// SPDX-License-Identifier: MIT
#include "netlink/sock_diag_message.hpp"

#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netlink/attr.h>
#include <netlink/msg.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "netlink/errors.hpp"

namespace msi2imds::netlink {
namespace {

// The loopback has this index in every network namespace. Naming it finds clients that are bound to the
// loopback too, as the kernel's own delivery to them does.
constexpr __u32 kLoopbackIndex = 1;

constexpr __u32 kAnyState = ~0U;

// As in the kernel's MAX_ERRNO.
constexpr int kLargestErrno = 4095;

Error damaged() {
  return {Errc::damaged_answer, "read a sock_diag answer"};
}

Endpoint source_of(int family, const inet_diag_sockid& id) {
  return make_endpoint(family, std::to_array(id.idiag_src), id.idiag_sport);
}

Endpoint destination_of(int family, const inet_diag_sockid& id) {
  return make_endpoint(family, std::to_array(id.idiag_dst), id.idiag_dport);
}

Error read_error(const nlmsghdr* header) {
  int error = 0;  // the first member of nlmsgerr
  if (nlmsg_datalen(header) < static_cast<int>(sizeof error)) {
    return damaged();
  }
  std::memcpy(&error, nlmsg_data(header), sizeof error);
  if (error >= 0 || error < -kLargestErrno) {
    return damaged();
  }
  if (error == -ENOENT) {
    return {Errc::no_such_socket, "ask sock_diag"};
  }
  return Error::from_errno(-error, "ask sock_diag");
}

std::optional<std::uint64_t> read_cgroup_id(const nlmsghdr* header) {
  constexpr int kBodySize = sizeof(inet_diag_msg);
  const nlattr* attribute =
      nla_find(nlmsg_attrdata(header, kBodySize), nlmsg_attrlen(header, kBodySize), INET_DIAG_CGROUP_ID);
  if (attribute == nullptr || nla_len(attribute) != sizeof(std::uint64_t)) {
    return std::nullopt;
  }
  return nla_get_u64(attribute);
}

Result<std::optional<ClientSocket>> read_socket(const nlmsghdr* header, const Question& question) {
  inet_diag_msg body{};
  if (nlmsg_datalen(header) < static_cast<int>(sizeof body)) {
    return damaged();
  }
  std::memcpy(&body, nlmsg_data(header), sizeof body);

  const int asked_family = question.request.sdiag_family;
  if (source_of(body.idiag_family, body.id) != source_of(asked_family, question.request.id) ||
      destination_of(body.idiag_family, body.id) != destination_of(asked_family, question.request.id)) {
    return Error(Errc::other_socket, "ask sock_diag");
  }
  return ClientSocket{
      .uid = body.idiag_uid,
      .inode = body.idiag_inode,
      .cookie = (static_cast<std::uint64_t>(body.id.idiag_cookie[1]) << 32U) | body.id.idiag_cookie[0],
      .cgroup_id = read_cgroup_id(header),
      .state = body.idiag_state};
}

}  // namespace

Question make_question(const Endpoint& client, const Endpoint& server, std::uint32_t sequence) {
  Question question{};
  question.header.nlmsg_len = sizeof question;
  question.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  question.header.nlmsg_flags = NLM_F_REQUEST;
  question.header.nlmsg_seq = sequence;
  question.request.sdiag_family = static_cast<__u8>(client.family);
  question.request.sdiag_protocol = IPPROTO_TCP;
  question.request.idiag_states = kAnyState;

  inet_diag_sockid& id = question.request.id;
  std::ranges::copy(client.address, id.idiag_src);
  id.idiag_sport = client.port;
  std::ranges::copy(server.address, id.idiag_dst);
  id.idiag_dport = server.port;
  id.idiag_if = kLoopbackIndex;
  id.idiag_cookie[0] = INET_DIAG_NOCOOKIE;
  id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
  return question;
}

Result<std::optional<ClientSocket>> read_answer(std::span<const std::byte> datagram,
                                                const Question& question) {
  while (!datagram.empty()) {
    const auto* header = reinterpret_cast<const nlmsghdr*>(datagram.data());
    if (nlmsg_ok(header, static_cast<int>(datagram.size())) == 0) {
      return damaged();
    }
    if (header->nlmsg_seq == question.header.nlmsg_seq) {
      switch (header->nlmsg_type) {
        case NLMSG_ERROR:
          return read_error(header);
        case SOCK_DIAG_BY_FAMILY:
          return read_socket(header, question);
        default:
          return damaged();
      }
    }
    datagram = datagram.subspan(std::min<std::size_t>(NLMSG_ALIGN(header->nlmsg_len), datagram.size()));
  }
  return std::optional<ClientSocket>();
}

}  // namespace msi2imds::netlink
