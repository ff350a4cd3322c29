// SPDX-License-Identifier: MIT
#include "netlink/kept_nat.hpp"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "netlink/exchange.hpp"
#include "netlink/netfilter_message.hpp"

namespace msi2imds::netlink {
namespace {

using Bytes = std::vector<std::byte>;

constexpr std::uint32_t kOwned = 2;  // NFT_TABLE_F_OWNER, which older headers do not have
constexpr std::uint32_t kPriority = 100;
const char* const kChain = "connections";

Bytes text_of(int type, const std::string& text) {
  return attribute_of(type, text.c_str(), text.size() + 1);
}

Bytes number_of(int type, std::uint32_t number) {
  const __be32 value = htonl(number);
  return attribute_of(type, &value, sizeof value);
}

// Around what is to be done in one step.
Bytes mark_of_batch(int type) {
  const nfgenmsg body{
      .nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0, .res_id = htons(NFNL_SUBSYS_NFTABLES)};
  return message_of(static_cast<std::uint16_t>(type), NLM_F_REQUEST, body, {});
}

Bytes new_object(int type, int more_flags, const std::vector<Bytes>& attributes) {
  const nfgenmsg body{.nfgen_family = NFPROTO_INET, .version = NFNETLINK_V0, .res_id = 0};
  return message_of(static_cast<std::uint16_t>((NFNL_SUBSYS_NFTABLES << 8) | type),
                    NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL | more_flags, body, attributes);
}

Bytes expression(const char* name, const std::vector<Bytes>& attributes) {
  return nest_of(NFTA_LIST_ELEM, {text_of(NFTA_EXPR_NAME, name), nest_of(NFTA_EXPR_DATA, attributes)});
}

// "ct direction original", without a verdict: a chain keeps NAT alive, and a rule that asks for connections
// the memory of them.
Bytes rule_about_connections() {
  const std::uint8_t original = 0;
  const Bytes data = nest_of(NFTA_CMP_DATA, {attribute_of(NFTA_DATA_VALUE, &original, sizeof original)});
  return nest_of(
      NFTA_RULE_EXPRESSIONS,
      {expression("ct", {number_of(NFTA_CT_KEY, NFT_CT_DIRECTION), number_of(NFTA_CT_DREG, NFT_REG_1)}),
       expression("cmp", {number_of(NFTA_CMP_SREG, NFT_REG_1), number_of(NFTA_CMP_OP, NFT_CMP_EQ), data})});
}

Bytes table_with_rule(const std::string& table) {
  const Bytes hook = nest_of(NFTA_CHAIN_HOOK, {number_of(NFTA_HOOK_HOOKNUM, NF_INET_POST_ROUTING),
                                               number_of(NFTA_HOOK_PRIORITY, kPriority)});
  Bytes batch;
  for (const Bytes& message :
       {mark_of_batch(NFNL_MSG_BATCH_BEGIN),
        new_object(NFT_MSG_NEWTABLE, 0,
                   {text_of(NFTA_TABLE_NAME, table), number_of(NFTA_TABLE_FLAGS, kOwned)}),
        new_object(NFT_MSG_NEWCHAIN, 0,
                   {text_of(NFTA_CHAIN_TABLE, table), text_of(NFTA_CHAIN_NAME, kChain), hook,
                    text_of(NFTA_CHAIN_TYPE, "nat")}),
        new_object(
            NFT_MSG_NEWRULE, NLM_F_ACK,
            {text_of(NFTA_RULE_TABLE, table), text_of(NFTA_RULE_CHAIN, kChain), rule_about_connections()}),
        mark_of_batch(NFNL_MSG_BATCH_END)}) {
    append(batch, message.data(), message.size());
  }
  return batch;
}

}  // namespace

Result<UniqueFd> keep_nat(const std::string& table) {
  Result<UniqueFd> socket = open_netfilter_socket();
  if (!socket) {
    return socket;
  }
  // The first answer tells of the first failure, or that there was none.
  const Result<void> made = change(socket->get(), table_with_rule(table), "keep NAT");
  return made ? std::move(socket) : made.error();
}

}  // namespace msi2imds::netlink
