// SPDX-License-Identifier: (MIT OR GPL-2.0-only)
#include "abi.h"

#include <linux/bpf.h>
#include <linux/in.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <stdbool.h>

/* Written by user space before the program is loaded. */
const volatile struct port_set legacy_ports;
const volatile __be16 exempt_port; /* of clients that are left alone */

/* A slot empties by itself when the last holder of its socket closes it. */
struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, LISTENER_SLOTS);
	__type(key, __u32);
	__type(value, __u64);
} listeners SEC(".maps");

static bool is_legacy_port(__u32 port)
{
	__u32 word = (port & 0xffff) / PORT_SET_WORD_BITS;

	return legacy_ports.words[word] >> (port % PORT_SET_WORD_BITS) & 1;
}

static bool is_ipv4_loopback(const struct bpf_sk_lookup *ctx)
{
	return (ctx->local_ip4 & bpf_htonl(0xff000000)) == bpf_htonl(0x7f000000);
}

static bool is_ipv6_loopback(const struct bpf_sk_lookup *ctx)
{
	return ctx->local_ip6[0] == 0 && ctx->local_ip6[1] == 0 && ctx->local_ip6[2] == 0 &&
	       ctx->local_ip6[3] == bpf_htonl(1);
}

/* The field has 32 bits before Linux 5.18; the port is in the first two bytes in any case. */
static bool is_exempt(struct bpf_sk_lookup *ctx)
{
	return *(volatile __u16 *)&ctx->remote_port == exempt_port;
}

/*
 * Runs for each new connection of this network namespace that no socket has yet. Whatever goes
 * wrong, SK_PASS leaves the connection to the socket it would have reached without us.
 */
SEC("sk_lookup")
int msi2imds_sk_lookup(struct bpf_sk_lookup *ctx)
{
	__u32 slot = LISTENER_IPV4;
	struct bpf_sock *listener;

	if (ctx->protocol != IPPROTO_TCP || !is_legacy_port(ctx->local_port) || is_exempt(ctx))
		return SK_PASS;
	/* 2 is AF_INET: a dual-stack client of 127.0.0.1 sends IPv4 as well. */
	if (ctx->family == 2) {
		if (!is_ipv4_loopback(ctx))
			return SK_PASS;
	} else {
		if (!is_ipv6_loopback(ctx))
			return SK_PASS;
		slot = LISTENER_IPV6;
	}

	listener = bpf_map_lookup_elem(&listeners, &slot);
	if (!listener)
		return SK_PASS;
	bpf_sk_assign(ctx, listener, 0);
	bpf_sk_release(listener);
	return SK_PASS;
}

/* The kernel knows this word for "may call GPL-only helpers". */
char LICENSE[] SEC("license") = "Dual MIT/GPL";
