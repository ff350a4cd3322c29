// SPDX-License-Identifier: (MIT OR GPL-2.0-only)
#include "connect.h"

#define MAX_DIALLED 65536

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct connect_plan);
} plan SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, MAX_DIALLED);
	__type(key, __u64);
	__type(value, struct dialled);
} dialled SEC(".maps");

/* Has an entry for each of our listeners; nobody else can make one. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, __u32);
} our_listeners SEC(".maps");

/* How a listener is known to be ours. Which of these a kernel can do is found out by loading. */
enum guard {
	GUARD_STORAGE, /* an entry in our_listeners */
	GUARD_MARK,    /* its SO_MARK */
	GUARD_NONE,    /* not at all: for kernels that cannot look sockets up here */
};

static __always_inline const struct connect_plan *find_plan(void)
{
	__u32 first = 0;

	return bpf_map_lookup_elem(&plan, &first);
}

/*
 * Whether our listener is there in the namespace of the client's socket. A container may have a
 * listener of its own on that port, and we may be gone. The lookup has no source address, so that
 * it finds listeners only.
 */
static __always_inline bool we_listen(struct bpf_sock_addr *ctx, const struct connect_plan *to,
				      struct bpf_sock_tuple *tuple, __u32 size, enum guard guard)
{
	struct bpf_sock *listener;
	bool ours;

	if (guard == GUARD_NONE)
		return true;
	listener = bpf_sk_lookup_tcp(ctx, tuple, size, BPF_F_CURRENT_NETNS, 0);
	if (!listener)
		return false;
	if (guard == GUARD_STORAGE)
		ours = bpf_sk_storage_get(&our_listeners, listener, 0, 0) != 0;
	else
		ours = listener->mark == to->mark;
	bpf_sk_release(listener);
	return ours;
}

static __always_inline bool ipv4_listener_is_ours(struct bpf_sock_addr *ctx,
						  const struct connect_plan *to, enum guard guard)
{
	struct bpf_sock_tuple tuple = {};

	tuple.ipv4.daddr = bpf_htonl(INADDR_LOOPBACK);
	tuple.ipv4.dport = to->listen_port;
	return we_listen(ctx, to, &tuple, sizeof(tuple.ipv4), guard);
}

static __always_inline bool ipv6_listener_is_ours(struct bpf_sock_addr *ctx,
						  const struct connect_plan *to, enum guard guard)
{
	struct bpf_sock_tuple tuple = {};

	tuple.ipv6.daddr[3] = bpf_htonl(1);
	tuple.ipv6.dport = to->listen_port;
	return we_listen(ctx, to, &tuple, sizeof(tuple.ipv6), guard);
}

/*
 * Whether the client has bound itself to the port that says "leave me alone". Kernels that cannot
 * tell are those of the other guards.
 */
static __always_inline bool is_exempt(const struct bpf_sock_addr *ctx,
				      const struct connect_plan *to, enum guard guard)
{
	const struct bpf_sock *client;

	if (guard != GUARD_STORAGE)
		return false;
	client = ctx->sk;
	return client && client->src_port == bpf_ntohs(to->listen_port);
}

static __always_inline void remember(struct bpf_sock_addr *ctx, const struct dialled *what)
{
	__u64 cookie = bpf_get_socket_cookie(ctx);

	bpf_map_update_elem(&dialled, &cookie, what, BPF_ANY);
}

static __always_inline int redirect4(struct bpf_sock_addr *ctx, enum guard guard)
{
	const struct connect_plan *to;
	struct dialled what = {};

	if (!is_ipv4_loopback(ctx->user_ip4) || !is_tcp(ctx))
		return 1;
	to = find_plan();
	if (!to || !is_in(&to->legacy_ports, ctx->user_port) || is_exempt(ctx, to, guard) ||
	    !ipv4_listener_is_ours(ctx, to, guard))
		return 1;

	what.address[0] = ctx->user_ip4 ? ctx->user_ip4 : bpf_htonl(INADDR_LOOPBACK);
	what.port = ctx->user_port;
	remember(ctx, &what);
	ctx->user_ip4 = bpf_htonl(INADDR_LOOPBACK);
	ctx->user_port = to->listen_port;
	return 1;
}

/* Dual-stack clients dial ::ffff:127.0.0.1, which is IPv4 on the wire. */
static __always_inline int redirect6(struct bpf_sock_addr *ctx, enum guard guard)
{
	const struct connect_plan *to;
	struct dialled what = {};
	__be32 last = ctx->user_ip6[3];
	bool mapped;

	if (!is_tcp(ctx) || ctx->user_ip6[0] || ctx->user_ip6[1])
		return 1;
	mapped = ctx->user_ip6[2] == bpf_htonl(0xffff) && is_ipv4_loopback(last);
	if (!mapped && (ctx->user_ip6[2] || (last && last != bpf_htonl(1))))
		return 1;
	to = find_plan();
	if (!to || !is_in(&to->legacy_ports, ctx->user_port) || is_exempt(ctx, to, guard))
		return 1;
	if (!(mapped ? ipv4_listener_is_ours(ctx, to, guard)
		     : ipv6_listener_is_ours(ctx, to, guard)))
		return 1;

	what.is_ipv6 = 1;
	if (mapped) {
		what.address[2] = bpf_htonl(0xffff);
		what.address[3] = last ? last : bpf_htonl(INADDR_LOOPBACK);
		ctx->user_ip6[3] = bpf_htonl(INADDR_LOOPBACK);
	} else {
		what.address[3] = bpf_htonl(1);
		ctx->user_ip6[3] = bpf_htonl(1);
	}
	what.port = ctx->user_port;
	remember(ctx, &what);
	ctx->user_port = to->listen_port;
	return 1;
}

SEC("cgroup/connect4")
int msi2imds_connect4(struct bpf_sock_addr *ctx)
{
	return redirect4(ctx, GUARD_STORAGE);
}

SEC("cgroup/connect6")
int msi2imds_connect6(struct bpf_sock_addr *ctx)
{
	return redirect6(ctx, GUARD_STORAGE);
}

SEC("cgroup/connect4")
int msi2imds_connect4_by_mark(struct bpf_sock_addr *ctx)
{
	return redirect4(ctx, GUARD_MARK);
}

SEC("cgroup/connect6")
int msi2imds_connect6_by_mark(struct bpf_sock_addr *ctx)
{
	return redirect6(ctx, GUARD_MARK);
}

SEC("cgroup/connect4")
int msi2imds_connect4_unguarded(struct bpf_sock_addr *ctx)
{
	return redirect4(ctx, GUARD_NONE);
}

SEC("cgroup/connect6")
int msi2imds_connect6_unguarded(struct bpf_sock_addr *ctx)
{
	return redirect6(ctx, GUARD_NONE);
}

/* What this socket dialled, if it is connected to our listener because of that. */
static __always_inline const struct dialled *find_dialled(struct bpf_sock_addr *ctx)
{
	const struct connect_plan *to = find_plan();
	__u64 cookie;

	if (!to || ctx->user_port != to->listen_port)
		return 0;
	cookie = bpf_get_socket_cookie(ctx);
	return bpf_map_lookup_elem(&dialled, &cookie);
}

/* Clients see what they dialled, as they would without us. */
SEC("cgroup/getpeername4")
int msi2imds_getpeername4(struct bpf_sock_addr *ctx)
{
	const struct dialled *what = find_dialled(ctx);

	if (what && !what->is_ipv6) {
		ctx->user_ip4 = what->address[0];
		ctx->user_port = what->port;
	}
	return 1;
}

SEC("cgroup/getpeername6")
int msi2imds_getpeername6(struct bpf_sock_addr *ctx)
{
	const struct dialled *what = find_dialled(ctx);

	if (what && what->is_ipv6) {
		ctx->user_ip6[3] = what->address[3];
		ctx->user_port = what->port;
	}
	return 1;
}

/* The kernel knows this word for "may call GPL-only helpers". */
char LICENSE[] SEC("license") = "Dual MIT/GPL";
