/* SPDX-License-Identifier: (MIT OR GPL-2.0-only) */
/*
 * What the kernel keeps of a TCP socket whose SYN was answered. For kernel side only, and Linux
 * 5.15 and later: there alone a socket has its cgroup like this.
 */
#ifndef MSI2IMDS_CONNECTED_H
#define MSI2IMDS_CONNECTED_H

#include "task.h"

#include <bpf/bpf_endian.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct in6_addr {
	__be32 words[4];
};
struct cookie_counter {
	__s64 counter;
};
struct net {
	__u64 net_cookie;
};
typedef struct {
	struct net *net;
} possible_net_t;
struct sock_common {
	__be32 skc_daddr;
	__be32 skc_rcv_saddr;
	__be16 skc_dport;
	__u16 skc_num;
	__u16 skc_family;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
	struct cookie_counter skc_cookie;
	possible_net_t skc_net;
};
struct kernfs_node {
	__u64 id;
};
struct cgroup {
	struct kernfs_node *kn;
};
struct sock_cgroup_data {
	struct cgroup *cgroup;
};
struct sock {
	struct sock_common __sk_common;
	kuid_t sk_uid;
	struct sock_cgroup_data sk_cgrp_data;
};
struct tcp_sock {
	__u32 snd_una;
};
#pragma clang attribute pop

#define FAMILY_IPV6 10 /* AF_INET6 */

static __always_inline __u64 cookie_of(const struct sock *sk)
{
	return BPF_CORE_READ(sk, __sk_common.skc_cookie.counter);
}

static __always_inline void read_ends(struct seen_connection *seen, const struct sock *sk)
{
	const struct sock_common *ends = &sk->__sk_common;
	bool is_ipv6 = BPF_CORE_READ(ends, skc_family) == FAMILY_IPV6;

	__builtin_memset(seen->client, 0, sizeof(seen->client));
	__builtin_memset(seen->server, 0, sizeof(seen->server));
	if (is_ipv6) {
		bpf_core_read(seen->client, sizeof(seen->client), &ends->skc_v6_rcv_saddr);
		bpf_core_read(seen->server, sizeof(seen->server), &ends->skc_v6_daddr);
		/* A socket of IPv6 that dials IPv4: its peer has that. */
		is_ipv6 =
		    seen->server[0] || seen->server[1] || seen->server[2] != bpf_htonl(0xffff);
	}
	if (!is_ipv6) {
		__builtin_memset(seen->client, 0, sizeof(seen->client));
		__builtin_memset(seen->server, 0, sizeof(seen->server));
		seen->client[0] = BPF_CORE_READ(ends, skc_rcv_saddr);
		seen->server[0] = BPF_CORE_READ(ends, skc_daddr);
	}
	seen->is_ipv6 = is_ipv6;
	seen->client_port = bpf_htons(BPF_CORE_READ(ends, skc_num));
	seen->server_port = BPF_CORE_READ(ends, skc_dport);
}

static __always_inline void read_socket(struct seen_connection *seen, const struct sock *sk)
{
	read_ends(seen, sk);
	seen->first_sequence = BPF_CORE_READ((const struct tcp_sock *)sk, snd_una) - 1;
	seen->maker = BPF_CORE_READ(sk, sk_uid.val);
	seen->maker_cgroup = BPF_CORE_READ(sk, sk_cgrp_data.cgroup, kn, id);
}

/*
 * These three are ordered before and after everything else, whatever the processor (Linux 5.12).
 * False: somebody else is writing there, who may have been interrupted; nobody waits in a BPF
 * program.
 */
static __always_inline bool begin_writing(struct seen_connection *seen)
{
	__u64 version = seen->version;

	return !(version & 1) &&
	       __sync_val_compare_and_swap(&seen->version, version, version + 1) == version;
}

static __always_inline void wait_for_reads(struct seen_connection *seen)
{
	__sync_lock_test_and_set(&seen->version, seen->version);
}

static __always_inline void end_writing(struct seen_connection *seen)
{
	__sync_lock_test_and_set(&seen->version, seen->version + 1);
}

#endif
