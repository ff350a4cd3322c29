// SPDX-License-Identifier: MIT
#include "netlink/nft_events.hpp"

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "netlink/exchange.hpp"

namespace msi2imds::netlink {
namespace {

// The kernel joins messages up to a page or two.
constexpr std::size_t kLargestDatagram = 32768;

// A limit, so that a process that keeps changing rules cannot keep us here.
constexpr int kMostEventDatagrams = 4096;

// The table's name is the first attribute of tables, chains and rules alike.
static_assert(NFTA_TABLE_NAME == 1 && NFTA_CHAIN_TABLE == 1 && NFTA_RULE_TABLE == 1);

std::string_view text_in(std::span<const std::byte> attributes, int type) {
  while (attributes.size() >= NLA_HDRLEN) {
    nlattr attribute{};
    std::memcpy(&attribute, attributes.data(), sizeof attribute);
    if (attribute.nla_len < NLA_HDRLEN || attribute.nla_len > attributes.size()) {
      break;
    }
    if ((attribute.nla_type & NLA_TYPE_MASK) == type) {
      const auto* text = reinterpret_cast<const char*>(attributes.data()) + NLA_HDRLEN;
      return {text, ::strnlen(text, attribute.nla_len - NLA_HDRLEN)};
    }
    attributes = attributes.subspan(std::min<std::size_t>(NLA_ALIGN(attribute.nla_len), attributes.size()));
  }
  return {};
}

NftChange of_chain(std::string_view chain, bool is_removal, std::span<const std::string> chains) {
  const bool is_ours = chains.empty() || (is_removal && std::ranges::count(chains, chain) != 0);
  return is_ours ? NftChange::ours : NftChange::others;
}

NftChange told_by(const nlmsghdr& header, std::span<const std::byte> attributes,
                  std::span<const std::string> chains) {
  switch (header.nlmsg_type & 0xff) {
    case NFT_MSG_NEWTABLE:
    case NFT_MSG_DELTABLE:
      return NftChange::ours;
    case NFT_MSG_NEWCHAIN:
      return of_chain(text_in(attributes, NFTA_CHAIN_NAME), false, chains);
    case NFT_MSG_DELCHAIN:
      return of_chain(text_in(attributes, NFTA_CHAIN_NAME), true, chains);
    case NFT_MSG_NEWRULE:
      return of_chain(text_in(attributes, NFTA_RULE_CHAIN), false, chains);
    case NFT_MSG_DELRULE:
      return of_chain(text_in(attributes, NFTA_RULE_CHAIN), true, chains);
    default:
      return NftChange::none;
  }
}

}  // namespace

NftChange gravest_in(std::span<const std::byte> datagram, std::string_view table,
                     std::span<const std::string> chains) {
  NftChange gravest = NftChange::none;
  constexpr std::size_t kHeadSize = NLMSG_HDRLEN + NLMSG_ALIGN(sizeof(nfgenmsg));
  while (datagram.size() >= NLMSG_HDRLEN) {
    nlmsghdr header{};
    std::memcpy(&header, datagram.data(), sizeof header);
    if (header.nlmsg_len < NLMSG_HDRLEN || header.nlmsg_len > datagram.size()) {
      break;
    }
    if (header.nlmsg_type >> 8 == NFNL_SUBSYS_NFTABLES && header.nlmsg_len >= kHeadSize) {
      const auto attributes = datagram.subspan(kHeadSize, header.nlmsg_len - kHeadSize);
      if (text_in(attributes, NFTA_TABLE_NAME) == table) {
        gravest = std::max(gravest, told_by(header, attributes, chains));
      }
    }
    datagram = datagram.subspan(std::min<std::size_t>(NLMSG_ALIGN(header.nlmsg_len), datagram.size()));
  }
  return gravest;
}

Result<NftEvents> NftEvents::open(std::string table, std::vector<std::string> chains) {
  Result<UniqueFd> socket = open_netfilter_socket();
  if (!socket) {
    return socket.error();
  }
  const sockaddr_nl anybody{.nl_family = AF_NETLINK, .nl_pad = 0, .nl_pid = 0, .nl_groups = 0};
  if (::bind(socket->get(), reinterpret_cast<const sockaddr*>(&anybody), sizeof anybody) != 0) {
    return Error::from_errno(errno, "bind a netfilter socket");
  }
  const int group = NFNLGRP_NFTABLES;
  if (::setsockopt(socket->get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) != 0) {
    return Error::from_errno(errno, "listen to changes of nftables");
  }
  return NftEvents(std::move(*socket), std::move(table), std::move(chains));
}

NftChange NftEvents::gravest() {
  alignas(nlmsghdr) std::array<std::byte, kLargestDatagram> buffer;  // NOLINT(*-member-init): filled below
  NftChange gravest = NftChange::none;
  for (int i = 0; i < kMostEventDatagrams; ++i) {
    sockaddr_nl sender{};
    socklen_t sender_size = sizeof sender;
    const ssize_t size = ::recvfrom(socket_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT | MSG_TRUNC,
                                    reinterpret_cast<sockaddr*>(&sender), &sender_size);
    if (size < 0 && errno == EAGAIN) {
      return gravest;
    }
    if (size < 0 && errno == EINTR) {
      continue;
    }
    if (size < 0 || static_cast<std::size_t>(size) > buffer.size()) {
      gravest = NftChange::ours;  // ENOBUFS: messages were dropped
      continue;
    }
    if (sender.nl_pid == 0) {
      const auto datagram = std::span(buffer).first(static_cast<std::size_t>(size));
      gravest = std::max(gravest, gravest_in(datagram, table_, chains_));
    }
  }
  return NftChange::ours;
}

}  // namespace msi2imds::netlink
