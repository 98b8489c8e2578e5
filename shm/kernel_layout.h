// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "shm/constants.h"
#include "shm/counters.h"
#include "shm/nexthop_word.h"
#include "shm/node_word.h"
#include "shm/rate_limit.h"

// The memory shared with the XDP program that relays (bpf/relay.bpf.c): BPF array maps that both
// processes map. What the program reads is a mirror of the shared memory's tables, written by
// whoever writes those, at the same time; what the program writes stands apart. All of it is gone
// with the last process that holds the maps, and made anew by the next data plane.
//
// Publication: an entry is one 16-byte atomic store. The program, which has no such load, reads the
// first word twice around the rest and hands the datagram to the engine when it changed.

// Order of the descriptors in the data plane's greeting.
enum kernel_map {
	KERNEL_PLACES,
	KERNEL_RULES,
	KERNEL_NODES,
	KERNEL_V6,
	KERNEL_STATES,
	KERNEL_NEXTHOPS,
	KERNEL_COUNTS,
	KERNEL_SAMPLES,
	KERNEL_MAP_COUNT,
};

enum {
	KERNEL_BUCKET_ENTRIES = 3,
	KERNEL_CHAIN_MAX = 4, // overflow buckets behind one bucket
	KERNEL_PEER_BITS = 4096,
	KERNEL_SEEN_SHIFT = 30, // unit of kernel_state.seen: 2^30 ns
	KERNEL_SAMPLE_SLOTS = 256,
};

// --- written by the data plane ---

// A local address that datagrams leave from; by local index. In network order, IPv4 mapped.
struct kernel_local {
	uint32_t words[4];
	uint32_t port; // 0: not one that the program can send from
};

enum kernel_egress_flags {
	KERNEL_EGRESS_TX = 1 << 0,	 // XDP_TX works: what came in here can leave here
	KERNEL_EGRESS_REDIRECT = 1 << 1, // so does XDP_REDIRECT, from any interface
};

// By egress index. ifindex 0: the engine sends.
struct kernel_egress {
	uint64_t mac; // first byte lowest
	uint32_t ifindex;
	uint16_t mtu; // IP packet bytes
	uint8_t link;
	uint8_t flags;
};

// Sizes in elements.
struct kernel_sizes {
	uint32_t buckets;	// that ids are hashed to
	uint32_t buckets_total; // with overflow buckets, which follow; index 0 is none of them
	uint32_t index_max, v6_max;
	uint32_t cpus;	// possible ones: elements of the counts
	uint32_t nodes; // at most
};

struct kernel_places {
	struct kernel_sizes sizes; // set before anybody else maps it
	struct kernel_local locals[LOCAL_MAX];
	struct kernel_egress egress[EGRESS_MAX];
};

// --- written by the control plane ---

// Each field is valid alone.
struct kernel_rules {
	uint32_t on;	   // 0: the engine gets everything
	uint32_t complete; // every node of the shared table is here: who is not, is unknown
	uint32_t moves;	   // raised before an entry is put where a look-up may have passed already
	uint32_t sender_check;
	uint32_t ttl;
	uint32_t trace_on, trace_node; // datagrams that the engine traces
	uint32_t sample_gap;	       // one in so many relay datagrams is noted; 0 = none
	struct rate_limit sender;
	uint64_t peers[KERNEL_PEER_BITS / 64]; // a bit per hash of an address of a peer relay
};

struct kernel_entry {
	uint64_t w[2]; // shm/node_word.h
};

// One cache line, as struct node_bucket.
struct kernel_bucket {
	uint32_t overflow; // index of the next bucket of the chain, 0 = last
	uint32_t pad[3];
	struct kernel_entry entries[KERNEL_BUCKET_ENTRIES];
};

struct kernel_v6 {
	uint32_t words[4]; // network order
};

// --- written by the program ---

// Of a node, by index.
struct kernel_state {
	uint64_t full_at; // token bucket of its relay datagrams
	uint32_t seen;	  // last relay datagram from the stored endpoint: CLOCK_MONOTONIC >> 30
	uint32_t pad;
};

struct kernel_link_counts {
	uint64_t rx_datagrams, rx_bytes, tx_datagrams, tx_bytes; // bytes of frames
};

// Of one processor.
struct __attribute__((aligned(64))) kernel_counts {
	uint64_t counters[COUNTER_COUNT];
	uint64_t drops[DROP_COUNT];
	struct kernel_link_counts links[LINK_MAX];
	uint64_t ip_id; // identification of the next IPv4 packet
};

// A relay datagram that the program relayed, or would have if both nodes had been in the tables. Of
// the latter nobody has checked the sender. Addresses and ports in network order, IPv4 mapped.
struct __attribute__((aligned(32))) kernel_sample {
	uint32_t sender, dest; // node ids, host order
	uint32_t from[4];
	uint32_t from_port;
};

// Of one processor: the last ones, for whoever chooses the nodes that are here.
struct __attribute__((aligned(64))) kernel_samples {
	uint64_t head; // samples ever written; the next goes to at[head % KERNEL_SAMPLE_SLOTS]
	uint32_t left; // datagrams until the next
	struct kernel_sample at[KERNEL_SAMPLE_SLOTS];
};

_Static_assert(
    sizeof(struct kernel_entry) == 16 && sizeof(struct kernel_v6) == 16, "a quarter line");
_Static_assert(sizeof(struct kernel_state) == 16, "of no node on two lines");
_Static_assert(sizeof(struct kernel_samples) % 64 == 0, "processors share no line");
_Static_assert(sizeof(struct kernel_sample) == 32, "no more than half a line");
_Static_assert(sizeof(struct kernel_bucket) == 64, "one cache line");
_Static_assert(sizeof(struct kernel_counts) % 64 == 0, "processors share no line");

static inline uint32_t kernel_bucket_of(uint32_t hash, uint32_t buckets)
{
	return (uint32_t)((uint64_t)hash * buckets >> 32);
}

// The bit of an address in kernel_rules.peers; several addresses may share one.
static inline uint32_t kernel_peer_bit(const uint32_t words[4])
{
	uint32_t x = words[0] ^ words[1] * 3 ^ words[2] * 5 ^ words[3];

	return x * 0x9e3779b1U >> 20;
}
