/* SPDX-License-Identifier: (MIT OR GPL-2.0-only) */
/*
 * Which network namespace is ours: connections of others are none of our business. For kernel side
 * only, and Linux 5.7 and later.
 */
#ifndef MSI2IMDS_OWN_NAMESPACE_H
#define MSI2IMDS_OWN_NAMESPACE_H

#include "connect.h"

/* The cookie of our network namespace. Until it is known, no connection is in it. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} own_namespace SEC(".maps");

/*
 * Kernels before 5.14 do not tell user space the cookie of its namespace: there our own process
 * connects a UDP socket, which sends nothing.
 */
static __always_inline void learn_namespace(struct bpf_sock_addr *ctx, __u64 own_socket)
{
	__u32 first = 0;
	__u64 cookie;

	if (ctx->type != SOCK_DGRAM || !own_socket || bpf_get_socket_cookie(ctx) != own_socket)
		return;
	cookie = bpf_get_netns_cookie(ctx);
	bpf_map_update_elem(&own_namespace, &first, &cookie, BPF_ANY);
}

static __always_inline bool is_in_own_namespace(struct bpf_sock_addr *ctx)
{
	const __u64 *cookie;
	__u32 first = 0;

	cookie = bpf_map_lookup_elem(&own_namespace, &first);
	return cookie && *cookie == bpf_get_netns_cookie(ctx);
}

#endif
