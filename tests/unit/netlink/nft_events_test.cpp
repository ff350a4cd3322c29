// SPDX-License-Identifier: MIT
#include "netlink/nft_events.hpp"

#include <gtest/gtest.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include <cstddef>
#include <cstring>
#include <string>
#include <vector>

namespace msi2imds::netlink {
namespace {

// As the kernel writes them.
class Datagram {
 public:
  Datagram& message(int type, const std::string& table, int subsystem = NFNL_SUBSYS_NFTABLES) {
    nlmsghdr header{};
    header.nlmsg_type = static_cast<__u16>(subsystem << 8 | type);
    begin_ = bytes_.size();
    bytes_.resize(begin_ + NLMSG_HDRLEN + sizeof(nfgenmsg));
    std::memcpy(&bytes_[begin_], &header, sizeof header);
    return attribute(NFTA_TABLE_NAME, table);
  }

  // Of the last message.
  Datagram& attribute(int type, const std::string& text) {
    nlattr attribute{};
    attribute.nla_len = static_cast<__u16>(NLA_HDRLEN + text.size() + 1);
    attribute.nla_type = static_cast<__u16>(type);
    const std::size_t begin = bytes_.size();
    bytes_.resize(begin + NLA_ALIGN(attribute.nla_len));
    std::memcpy(&bytes_[begin], &attribute, sizeof attribute);
    std::memcpy(&bytes_[begin + NLA_HDRLEN], text.c_str(), text.size());
    const auto size = static_cast<__u32>(bytes_.size() - begin_);
    std::memcpy(&bytes_[begin_ + offsetof(nlmsghdr, nlmsg_len)], &size, sizeof size);
    return *this;
  }

  [[nodiscard]] std::span<const std::byte> get() const {
    return bytes_;
  }

 private:
  std::vector<std::byte> bytes_;
  std::size_t begin_ = 0;  // of the last message
};

NftChange told_by(int type) {
  return gravest_in(Datagram().message(type, "msi2imds").get(), "msi2imds");
}

TEST(NftChangeTest, KnowsTablesChainsAndRules) {
  for (const int type : {NFT_MSG_NEWTABLE, NFT_MSG_DELTABLE, NFT_MSG_NEWCHAIN, NFT_MSG_DELCHAIN,
                         NFT_MSG_NEWRULE, NFT_MSG_DELRULE}) {
    EXPECT_EQ(told_by(type), NftChange::ours) << type;
  }
}

TEST(NftChangeTest, IgnoresEverythingElse) {
  const auto change = [](int type, const char* table, int subsystem = NFNL_SUBSYS_NFTABLES) {
    return gravest_in(Datagram().message(type, table, subsystem).get(), "msi2imds");
  };
  EXPECT_EQ(change(NFT_MSG_DELRULE, "nat"), NftChange::none);
  EXPECT_EQ(change(NFT_MSG_DELRULE, "msi2imds2"), NftChange::none);
  EXPECT_EQ(change(NFT_MSG_NEWSETELEM, "msi2imds"), NftChange::none);
  EXPECT_EQ(change(NFT_MSG_DELRULE, "msi2imds", NFNL_SUBSYS_QUEUE), NftChange::none);
  EXPECT_EQ(gravest_in({}, "msi2imds"), NftChange::none);
}

TEST(NftChangeTest, IsOursWhereSomethingIsRemovedFromAChainThatIsWatched) {
  const std::vector<std::string> chains = {"OUTPUT", "OURS"};
  const auto told_of = [&chains](int type, int attribute, const char* chain) {
    return gravest_in(Datagram().message(type, "nat").attribute(attribute, chain).get(), "nat", chains);
  };
  for (const char* watched : {"OUTPUT", "OURS"}) {
    EXPECT_EQ(told_of(NFT_MSG_DELRULE, NFTA_RULE_CHAIN, watched), NftChange::ours) << watched;
    EXPECT_EQ(told_of(NFT_MSG_DELCHAIN, NFTA_CHAIN_NAME, watched), NftChange::ours) << watched;
    EXPECT_EQ(told_of(NFT_MSG_NEWRULE, NFTA_RULE_CHAIN, watched), NftChange::others) << watched;
    EXPECT_EQ(told_of(NFT_MSG_NEWCHAIN, NFTA_CHAIN_NAME, watched), NftChange::others) << watched;
  }
  EXPECT_EQ(told_of(NFT_MSG_DELRULE, NFTA_RULE_CHAIN, "OUTPUT_direct"), NftChange::others);
  EXPECT_EQ(told_of(NFT_MSG_DELCHAIN, NFTA_CHAIN_NAME, "POSTROUTING"), NftChange::others);
  for (const int type : {NFT_MSG_NEWTABLE, NFT_MSG_DELTABLE}) {
    EXPECT_EQ(gravest_in(Datagram().message(type, "nat").get(), "nat", chains), NftChange::ours) << type;
  }
}

TEST(NftChangeTest, IsTheGravestOfADatagram) {
  const std::vector<std::string> chains = {"OURS"};
  Datagram datagram;
  datagram.message(NFT_MSG_DELRULE, "others")
      .message(NFT_MSG_NEWGEN, "")
      .message(NFT_MSG_NEWRULE, "nat")
      .attribute(NFTA_RULE_CHAIN, "theirs");
  EXPECT_EQ(gravest_in(datagram.get(), "nat", chains), NftChange::others);
  datagram.message(NFT_MSG_DELTABLE, "nat")
      .message(NFT_MSG_DELCHAIN, "nat")
      .attribute(NFTA_CHAIN_NAME, "theirs");
  EXPECT_EQ(gravest_in(datagram.get(), "nat", chains), NftChange::ours);
}

TEST(NftChangeTest, ReadsNothingBehindTheEnd) {
  const Datagram datagram = Datagram().message(NFT_MSG_DELTABLE, "msi2imds");
  for (std::size_t size = 0; size < datagram.get().size(); ++size) {
    const std::vector<std::byte> cut(datagram.get().begin(),
                                     datagram.get().begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_EQ(gravest_in(cut, "msi2imds"), NftChange::none) << size;
  }
}

}  // namespace
}  // namespace msi2imds::netlink
