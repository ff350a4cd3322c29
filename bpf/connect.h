/* SPDX-License-Identifier: (MIT OR GPL-2.0-only) */
/* What programs on connect() know of their sockets. For kernel side only. */
#ifndef MSI2IMDS_CONNECT_H
#define MSI2IMDS_CONNECT_H

#include "abi.h"

#include <linux/bpf.h>
#include <linux/in.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <stdbool.h>

#define SOCK_STREAM 1
#define SOCK_DGRAM 2
#define PROTOCOL_MPTCP 262 /* IPPROTO_MPTCP of newer headers */

static __always_inline bool is_tcp(const struct bpf_sock_addr *ctx)
{
	return ctx->type == SOCK_STREAM &&
	       (ctx->protocol == IPPROTO_TCP || ctx->protocol == PROTOCOL_MPTCP);
}

static __always_inline bool is_in(const struct port_set *set, __be16 port)
{
	__u32 number = bpf_ntohs(port);

	return set->words[number / PORT_SET_WORD_BITS] >> (number % PORT_SET_WORD_BITS) & 1;
}

/* Who dials 0.0.0.0 or :: gets the loopback. */
static __always_inline bool is_ipv4_loopback(__be32 address)
{
	return (address & bpf_htonl(0xff000000)) == bpf_htonl(0x7f000000) || address == 0;
}

#endif
