// SPDX-License-Identifier: (MIT OR GPL-2.0-only)
/*
 * Remembers who dials the legacy ports, and changes nothing. For Linux 5.8 and later: ring buffer,
 * boot clock, and the helpers that tell a process in these hooks.
 *
 * The helpers tell less than the rules need: the real user and group, and nothing of the program.
 * The rest is in the task, which a kernel without BTF, or in lockdown, does not show: so there is a
 * program of either kind for each hook.
 */
#include "connected.h"
#include "own_namespace.h"
#include "task.h"

#include <bpf/bpf_tracing.h>

#define MAX_DIALLERS 32768
#define REPORTS_SIZE (256 * 1024)

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct observer_plan);
} plan SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, MAX_DIALLERS);
	__type(key, __u64);
	__type(value, struct dialler);
} diallers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, REPORTS_SIZE);
} reports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} lost_reports SEC(".maps");

/* User space maps it, and does not write. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SEEN_CONNECTIONS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct seen_connection);
} seen_connections SEC(".maps");

/* Our own questions to the extension are no calls. */
static __always_inline bool is_exempt(const struct bpf_sock_addr *ctx,
				      const struct observer_plan *what)
{
	const struct bpf_sock *client = ctx->sk;

	return client && client->src_port == bpf_ntohs(what->listen_port);
}

static __always_inline void report(const struct dialler *who)
{
	__u32 first = 0;
	__u64 *lost;

	if (!bpf_ringbuf_output(&reports, (void *)who, sizeof(*who), 0))
		return;
	lost = bpf_map_lookup_elem(&lost_reports, &first);
	if (lost)
		__sync_fetch_and_add(lost, 1);
}

/* A table that takes nothing must not go on telling who connected the socket before. */
static __always_inline void remember(const struct dialler *who)
{
	if (bpf_map_update_elem(&diallers, &who->cookie, who, BPF_ANY))
		bpf_map_delete_elem(&diallers, &who->cookie);
}

static __always_inline void observe(struct bpf_sock_addr *ctx, const struct dialled *dialled,
				    bool shows_task)
{
	struct dialler who = {};
	const struct dialler *earlier;
	struct observer_plan *what;
	__u32 first = 0;
	__u64 id;

	what = bpf_map_lookup_elem(&plan, &first);
	if (!what || !is_in(&what->ports, dialled->port))
		return;
	learn_namespace(ctx, what->own_socket);
	if (!is_tcp(ctx) || is_exempt(ctx, what) || !is_in_own_namespace(ctx))
		return;

	who.cookie = bpf_get_socket_cookie(ctx);
	who.cgroup_id = bpf_get_current_cgroup_id();
	who.since_boot = bpf_ktime_get_boot_ns();
	who.pid = bpf_get_current_pid_tgid() >> 32;
	id = bpf_get_current_uid_gid();
	who.uid = id;
	who.gid = id >> 32;
	bpf_get_current_comm(who.comm, sizeof(who.comm));
	if (shows_task)
		read_task(&who);
	who.dialled = *dialled;
	/* Of a redirected client, the legacy port that was seen before is what it dialled. */
	if (dialled->port == what->listen_port) {
		earlier = bpf_map_lookup_elem(&diallers, &who.cookie);
		if (earlier)
			who.dialled = earlier->dialled;
	}
	remember(&who);
	if (what->is_reporting)
		report(&who);
}

static __always_inline int observe4(struct bpf_sock_addr *ctx, bool shows_task)
{
	struct dialled dialled = {};

	if (!is_ipv4_loopback(ctx->user_ip4))
		return 1;
	dialled.address[0] = ctx->user_ip4 ? ctx->user_ip4 : bpf_htonl(INADDR_LOOPBACK);
	dialled.port = ctx->user_port;
	observe(ctx, &dialled, shows_task);
	return 1;
}

static __always_inline int observe6(struct bpf_sock_addr *ctx, bool shows_task)
{
	struct dialled dialled = {};
	__be32 last = ctx->user_ip6[3];
	bool mapped;

	if (ctx->user_ip6[0] || ctx->user_ip6[1])
		return 1;
	mapped = ctx->user_ip6[2] == bpf_htonl(0xffff) && is_ipv4_loopback(last);
	if (!mapped && (ctx->user_ip6[2] || (last && last != bpf_htonl(1))))
		return 1;
	dialled.is_ipv6 = 1;
	dialled.address[2] = ctx->user_ip6[2];
	dialled.address[3] = last ? last : bpf_htonl(mapped ? INADDR_LOOPBACK : 1);
	dialled.port = ctx->user_port;
	observe(ctx, &dialled, shows_task);
	return 1;
}

SEC("cgroup/connect4")
int msi2imds_observe4(struct bpf_sock_addr *ctx)
{
	return observe4(ctx, true);
}

SEC("cgroup/connect6")
int msi2imds_observe6(struct bpf_sock_addr *ctx)
{
	return observe6(ctx, true);
}

SEC("cgroup/connect4")
int msi2imds_observe4_by_helpers(struct bpf_sock_addr *ctx)
{
	return observe4(ctx, false);
}

SEC("cgroup/connect6")
int msi2imds_observe6_by_helpers(struct bpf_sock_addr *ctx)
{
	return observe6(ctx, false);
}

/*
 * In our network, whatever becomes established takes the slot: also who was not seen to dial, or
 * was forgotten in a flood. Else an earlier client's note would be left to whoever has the same
 * port next.
 */
static __always_inline int note_connection(const struct sock *sk)
{
	__be16 port = BPF_CORE_READ(sk, __sk_common.skc_dport);
	const __u64 *own_network;
	struct seen_connection *seen;
	struct observer_plan *what;
	const struct dialler *who;
	__u32 slot = 0;
	__u64 cookie;

	what = bpf_map_lookup_elem(&plan, &slot);
	if (!what || !is_in(&what->ports, port))
		return 0;
	own_network = bpf_map_lookup_elem(&own_namespace, &slot);
	if (!own_network || BPF_CORE_READ(sk, __sk_common.skc_net.net, net_cookie) != *own_network)
		return 0;
	__sync_fetch_and_add(&what->established, 1);
	slot = slot_of_client_port(BPF_CORE_READ(sk, __sk_common.skc_num));
	seen = bpf_map_lookup_elem(&seen_connections, &slot);
	if (!seen || !begin_writing(seen))
		return 0;
	cookie = cookie_of(sk);
	who = bpf_map_lookup_elem(&diallers, &cookie);
	seen->client_port = 0;
	if (who) {
		read_socket(seen, sk);
		seen->who = *who;
		wait_for_reads(seen);
		if (who->cookie != cookie) /* its place in the table is another's by now */
			seen->client_port = 0;
	}
	end_writing(seen);
	return 0;
}

/*
 * Behind the programs above, once the client's addresses are chosen and its SYN is answered;
 * whoever accepts the connection comes later. Runs whenever a TCP socket of the machine changes its
 * state, so it is attached only while many call.
 */
SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(msi2imds_connected, const struct sock *sk, int before, int now)
{
	if (before != BPF_TCP_SYN_SENT || now != BPF_TCP_ESTABLISHED)
		return 0;
	return note_connection(sk);
}

/* The kernel knows this word for "may call GPL-only helpers". */
char LICENSE[] SEC("license") = "Dual MIT/GPL";
