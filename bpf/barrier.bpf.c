// SPDX-License-Identifier: (MIT OR GPL-2.0-only)
/*
 * Refuses connect() to the closed addresses to all users but those in open_to. For Linux 5.7 and
 * later, which tell network namespaces apart here: those of containers are none of our business.
 */
#include "own_namespace.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct barrier_plan);
} barrier SEC(".maps");

/* Users by uid; user space sets the size. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} open_to SEC(".maps");

static __always_inline bool is_at(const struct closed_address *closed, const __be32 *address,
				  __be16 port)
{
	return closed->is_closed && closed->port == port && closed->address[3] == address[3] &&
	       closed->address[2] == address[2] && closed->address[1] == address[1] &&
	       closed->address[0] == address[0];
}

static __always_inline bool is_closed(const struct barrier_plan *plan, const __be32 *address,
				      __be16 port)
{
	return is_at(&plan->closed[0], address, port) || is_at(&plan->closed[1], address, port);
}

/* Whoever calls connect() counts, by his real uid: neither who made the socket nor a setuid bit. */
static __always_inline int decide(struct bpf_sock_addr *ctx, const __be32 *address)
{
	const struct barrier_plan *plan;
	__u32 first = 0;
	__u32 uid;

	plan = bpf_map_lookup_elem(&barrier, &first);
	if (!plan)
		return 1;
	learn_namespace(ctx, plan->own_socket);
	if (!is_closed(plan, address, ctx->user_port) || !is_in_own_namespace(ctx))
		return 1;
	uid = bpf_get_current_uid_gid();
	return bpf_map_lookup_elem(&open_to, &uid) != 0;
}

SEC("cgroup/connect4")
int msi2imds_barrier4(struct bpf_sock_addr *ctx)
{
	__be32 address[4] = {0, 0, bpf_htonl(0xffff), ctx->user_ip4};

	return decide(ctx, address);
}

SEC("cgroup/connect6")
int msi2imds_barrier6(struct bpf_sock_addr *ctx)
{
	__be32 address[4] = {ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2],
			     ctx->user_ip6[3]};

	return decide(ctx, address);
}

/* The kernel knows this word for "may call GPL-only helpers". */
char LICENSE[] SEC("license") = "Dual MIT/GPL";
