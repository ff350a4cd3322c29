// SPDX-License-Identifier: MIT
#include "netlink/netfilter_message.hpp"

#include <linux/netlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>

#include <cstring>

namespace msi2imds::netlink {

void append(std::vector<std::byte>& message, const void* data, std::size_t size) {
  const auto* bytes = static_cast<const std::byte*>(data);
  message.insert(message.end(), bytes, bytes + size);
  message.resize(NLMSG_ALIGN(message.size()));
}

std::vector<std::byte> attribute_of(int type, const void* value, std::size_t size) {
  const nlattr head{.nla_len = static_cast<__u16>(NLA_HDRLEN + size), .nla_type = static_cast<__u16>(type)};
  std::vector<std::byte> whole;
  append(whole, &head, sizeof head);
  append(whole, value, size);
  return whole;
}

std::vector<std::byte> nest_of(int type, const std::vector<std::vector<std::byte>>& parts) {
  std::vector<std::byte> content;
  for (const std::vector<std::byte>& part : parts) {
    append(content, part.data(), part.size());
  }
  return attribute_of(type | NLA_F_NESTED, content.data(), content.size());
}

std::vector<std::byte> message_of(std::uint16_t type, int flags, const nfgenmsg& body,
                                  const std::vector<std::vector<std::byte>>& parts) {
  std::vector<std::byte> message(NLMSG_HDRLEN);
  append(message, &body, sizeof body);
  for (const std::vector<std::byte>& part : parts) {
    append(message, part.data(), part.size());
  }
  nlmsghdr head{};
  head.nlmsg_len = static_cast<__u32>(message.size());
  head.nlmsg_type = type;
  head.nlmsg_flags = static_cast<__u16>(flags);
  std::memcpy(message.data(), &head, sizeof head);
  return message;
}

}  // namespace msi2imds::netlink
