// SPDX-License-Identifier: MIT
#include "netlink/conntrack_message.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>

namespace msi2imds::netlink {
namespace {

using Bytes = std::vector<std::byte>;

Bytes bytes_of(const void* data, std::size_t size) {
  const auto* begin = static_cast<const std::byte*>(data);
  return {begin, begin + size};
}

Bytes conntrack_attribute(int type, const Bytes& value) {
  const nlattr head{.nla_len = static_cast<__u16>(NLA_HDRLEN + value.size()),
                    .nla_type = static_cast<__u16>(type)};
  Bytes whole = bytes_of(&head, sizeof head);
  whole.insert(whole.end(), value.begin(), value.end());
  whole.resize(NLA_ALIGN(whole.size()));
  return whole;
}

template <typename Number>
Bytes number(Number value) {
  return bytes_of(&value, sizeof value);
}

Bytes joined(const std::vector<Bytes>& parts) {
  Bytes whole;
  for (const Bytes& part : parts) {
    whole.insert(whole.end(), part.begin(), part.end());
  }
  return whole;
}

// What a listing tells of a connection.
struct Told {
  const char* server = "127.0.0.1";
  std::uint16_t from = 40000;
  std::uint16_t to = 50342;
  std::uint16_t translated_from = 40001;
  std::uint16_t translated_to = 342;
  std::uint8_t protocol = IPPROTO_TCP;
  std::uint32_t status = IPS_CONFIRMED;
  bool began_unseen = false;
};

Bytes tuple_between(int type, const Bytes& from, std::uint16_t from_port, const Bytes& to,
                    std::uint16_t to_port, std::uint8_t protocol) {
  const Bytes addresses =
      joined({conntrack_attribute(CTA_IP_V4_SRC, from), conntrack_attribute(CTA_IP_V4_DST, to)});
  const Bytes ports = joined({conntrack_attribute(CTA_PROTO_NUM, number(protocol)),
                              conntrack_attribute(CTA_PROTO_SRC_PORT, number(htons(from_port))),
                              conntrack_attribute(CTA_PROTO_DST_PORT, number(htons(to_port)))});
  return conntrack_attribute(type, joined({conntrack_attribute(CTA_TUPLE_IP, addresses),
                                           conntrack_attribute(CTA_TUPLE_PROTO, ports)}));
}

Bytes listed(const Told& told) {
  in_addr address{};
  (void)::inet_pton(AF_INET, told.server, &address);
  const Bytes client = number(htonl(INADDR_LOOPBACK));
  const Bytes server = bytes_of(&address, sizeof address);
  const nf_ct_tcp_flags flags{.flags = static_cast<__u8>(told.began_unseen ? IP_CT_TCP_FLAG_BE_LIBERAL : 0),
                              .mask = 0};
  const Bytes state = conntrack_attribute(CTA_PROTOINFO_TCP_FLAGS_ORIGINAL, bytes_of(&flags, sizeof flags));
  const Bytes attributes =
      joined({tuple_between(CTA_TUPLE_ORIG, client, told.from, server, told.to, told.protocol),
              tuple_between(CTA_TUPLE_REPLY, server, told.translated_to, client, told.translated_from,
                            told.protocol),
              conntrack_attribute(CTA_STATUS, number(htonl(told.status))),
              conntrack_attribute(CTA_PROTOINFO, conntrack_attribute(CTA_PROTOINFO_TCP, state)),
              conntrack_attribute(CTA_ID, number(htonl(77)))});
  nlmsghdr head{};
  const nfgenmsg body{.nfgen_family = AF_INET, .version = NFNETLINK_V0, .res_id = 0};
  head.nlmsg_len = static_cast<__u32>(sizeof head + sizeof body + attributes.size());
  head.nlmsg_type = (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_NEW;
  return joined({bytes_of(&head, sizeof head), bytes_of(&body, sizeof body), attributes});
}

Bytes request_for(const Told& told) {
  return request_to_forget(listed(told), {50342, 342});
}

TEST(ConntrackMessageTest, ForgetsWhatIsNotTranslatedByItsTupleAndNumber) {
  const Bytes told = listed({});
  const Bytes request = request_for({});
  ASSERT_GT(request.size(), sizeof(nlmsghdr));
  nlmsghdr head{};
  std::memcpy(&head, request.data(), sizeof head);
  EXPECT_EQ(head.nlmsg_len, request.size());
  EXPECT_EQ(head.nlmsg_type, (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_DELETE);
  const std::string text(reinterpret_cast<const char*>(request.data()), request.size());
  const Bytes id = conntrack_attribute(CTA_ID, number(htonl(77)));
  EXPECT_NE(text.find(std::string(reinterpret_cast<const char*>(id.data()), id.size())), std::string::npos);
  EXPECT_LT(request.size(), told.size());
}

TEST(ConntrackMessageTest, ForgetsItWhicheverEndSpokeFirst) {
  EXPECT_FALSE(request_for({.from = 50342, .to = 40000, .began_unseen = true}).empty());
  EXPECT_FALSE(request_for({.to = 342}).empty());
}

TEST(ConntrackMessageTest, RemembersAllOthers) {
  EXPECT_TRUE(request_for({.status = IPS_CONFIRMED | IPS_DST_NAT}).empty()) << "it is translated";
  EXPECT_TRUE(request_for({.status = IPS_CONFIRMED | IPS_SRC_NAT}).empty());
  EXPECT_TRUE(request_for({.server = "10.0.0.4"}).empty()) << "another machine";
  EXPECT_TRUE(request_for({.to = 50343}).empty());
  EXPECT_TRUE(request_for({.from = 50342, .to = 5432}).empty()) << "another program dials from such a port";
  EXPECT_TRUE(request_for({.protocol = IPPROTO_UDP}).empty());
}

TEST(ConntrackMessageTest, SurvivesDamagedMessages) {
  const Bytes whole = listed({});
  for (std::size_t size = 0; size < whole.size(); ++size) {
    Bytes part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    if (size >= sizeof(nlmsghdr)) {
      const auto length = static_cast<__u32>(size);
      std::memcpy(part.data(), &length, sizeof length);
    }
    (void)request_to_forget(part, {50342});
    (void)read_tracked(part);
  }
}

TEST(ConntrackMessageTest, KnowsBothSidesOfATranslatedConnection) {
  const auto tracked = read_tracked(listed({}));
  ASSERT_TRUE(tracked);
  EXPECT_EQ(tracked->dialled.from.to_string(), "127.0.0.1:40000");
  EXPECT_EQ(tracked->dialled.to.to_string(), "127.0.0.1:50342");
  EXPECT_EQ(tracked->answered.from.to_string(), "127.0.0.1:342");
  EXPECT_EQ(tracked->answered.to.to_string(), "127.0.0.1:40001");
}

// An error is told in a message, too.
TEST(ConntrackMessageTest, KnowsNothingFromAMessageOfAnotherKind) {
  Bytes other = listed({});
  nlmsghdr head{};
  std::memcpy(&head, other.data(), sizeof head);
  head.nlmsg_type = NLMSG_ERROR;
  std::memcpy(other.data(), &head, sizeof head);
  EXPECT_FALSE(read_tracked(other));
}

}  // namespace
}  // namespace msi2imds::netlink
