/* SPDX-License-Identifier: (MIT OR GPL-2.0-only) */
/* What the BPF programs and user space agree on. */
#ifndef MSI2IMDS_ABI_H
#define MSI2IMDS_ABI_H

#include <linux/types.h>

#ifdef __cplusplus
#define ABI_ASSERT(condition, text) static_assert(condition, text)
#else
#define ABI_ASSERT(condition, text) _Static_assert(condition, text)
#endif

/* Slots of the listeners map: which socket takes connections of which address family. */
enum listener_slot {
	LISTENER_IPV4 = 0,
	LISTENER_IPV6 = 1,
	LISTENER_SLOTS = 2,
};

/* One bit for each TCP port: constant cost, whatever the number of legacy ports. */
enum {
	PORT_SET_WORD_BITS = 64,
	PORT_SET_WORDS = 65536 / PORT_SET_WORD_BITS,
};

struct port_set {
	__u64 words[PORT_SET_WORDS];
};
ABI_ASSERT(sizeof(struct port_set) == 8192, "port_set layout");

/* What the connect programs redirect, and where to. In a map: kernels before 5.2 have no global
 * data. */
struct connect_plan {
	struct port_set legacy_ports;
	__u32 mark; /* of our listeners, where only that tells them from others */
	__be16 listen_port;
	__u16 pad;
	__u64 owner; /* inode of the network namespace of who attached them, for user space */
};
ABI_ASSERT(sizeof(struct connect_plan) == 8208, "connect_plan layout");

/* What a client dialled whose connection was redirected; by socket cookie. */
struct dialled {
	__be32 address[4]; /* IPv4 is the first alone */
	__be16 port;
	__u16 is_ipv6;
};
ABI_ASSERT(sizeof(struct dialled) == 20, "dialled layout");

/* What the observer looks at. Its own maps only, so it may have global data. */
struct observer_plan {
	struct port_set ports; /* the legacy ports, and ours, which a redirected client dials */
	__be16 listen_port;
	__u16 is_reporting; /* each connect() goes to the ring buffer, too */
	__u32 pad;
	__u64 own_socket;  /* cookie of the UDP socket whose connect() tells our namespace */
	__u64 established; /* counts connections to these ports, while they are noted */
};
ABI_ASSERT(sizeof(struct observer_plan) == 8216, "observer_plan layout");

/* Where only those may connect to who are in the map open_to. */
enum { MAX_CLOSED = 2 };

struct closed_address {
	__be32 address[4]; /* IPv4 is mapped: ::ffff:a.b.c.d */
	__be16 port;
	__u16 is_closed; /* 0: an empty slot */
};
ABI_ASSERT(sizeof(struct closed_address) == 20, "closed_address layout");

struct barrier_plan {
	struct closed_address closed[MAX_CLOSED];
	__u64 own_socket; /* cookie of the UDP socket whose connect() tells our namespace */
	__u64 owner;	  /* inode of the network namespace of who attached them, for user space */
};
ABI_ASSERT(sizeof(struct barrier_plan) == 56, "barrier_plan layout");

enum {
	COMM_SIZE = 16,
	MAX_GROUPS = 32,
};

/* Who called connect(). */
struct dialler {
	__u64 cookie; /* of the socket */
	__u64 cgroup_id;
	__u64 since_boot; /* ns, CLOCK_BOOTTIME */
	__u32 pid;	  /* the process */
	__u32 uid;	  /* real */
	__u32 gid;	  /* real */
	char comm[COMM_SIZE];
	struct dialled dialled;
	/* What follows is known where the kernel's own structures may be read. */
	__u64 started;	      /* the process, ns since boot; 0: nothing of this is known */
	__u64 program_inode;  /* of its executable; 0: it has none */
	__u32 program_device; /* the kernel's number of the file system's device */
	__u32 acting_uid;     /* as whom the process makes files and sockets */
	__u32 acting_gid;     /* effective */
	__u32 group_count;    /* may be larger than MAX_GROUPS */
	__u32 groups[MAX_GROUPS];
};
ABI_ASSERT(sizeof(struct dialler) == 232, "dialler layout");

/*
 * Who dialled a connection, for whoever accepts it: a slot of an array that is mapped, by the
 * client's port. It is about the last connection from one of its ports that was established, and
 * good for one that is accepted. The first sequence number is no secret: a client can choose its
 * own.
 */
enum { SEEN_CONNECTIONS = 1024 };

struct seen_connection {
	__u64 version;	  /* odd while somebody writes */
	__be32 client[4]; /* IPv4 is the first alone */
	__be32 server[4];
	__be16 client_port;
	__be16 server_port;
	__u16 is_ipv6;
	__u16 pad;
	__u32 first_sequence; /* of the client's SYN */
	__u32 maker;	      /* uid of who made the socket */
	__u64 maker_cgroup;   /* where it was made; 0: not known, which agrees with nothing */
	struct dialler who;
};
ABI_ASSERT(sizeof(struct seen_connection) == 296, "seen_connection layout");

/* Which slot: Linux gives out even ports first. */
static inline __u32 slot_of_client_port(__u32 port)
{
	return (port >> 1 ^ (port & 1) << 9) % SEEN_CONNECTIONS;
}

#endif
