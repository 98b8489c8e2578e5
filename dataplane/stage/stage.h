// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/clock.h"
#include "dataplane/burst.h"
#include "dataplane/stage/familiar.h"
#include "dataplane/stage/police.h"
#include "dataplane/stage/tally.h"
#include "dataplane/table/lookup.h"
#include "shm/node_table.h"
#include "shm/peer_table.h"
#include "shm/ring.h"
#include "wire/constants.h"

#include <emmintrin.h>
#include <stdbool.h>
#include <stdint.h>

// The stages. Each is a function over a burst without system call, log, allocation or lock, and
// every loop in it is bounded; time comes in with the burst. Order:
//   classify -> police -> relay -> discover -> punt -> answer -> encap -> egress
// A stage looks at datagrams whose verdict is still open (VERDICT_NONE) and decides those that are
// its business. After egress each datagram is sent, punted or has a drop.

struct stage_link {
	bool raw; // delivers and sends Ethernet frames
};

// The relay datagrams of a burst as classify met them, and their nodes, sender and destination in
// turn, looked up together so that their cache misses overlap.
struct relay_batch {
	unsigned count; // datagrams
	struct dgram *d[BURST_MAX];
	uint32_t ids[2 * BURST_MAX];
	struct node_lookup nodes;
	bool met_v6; // nodes with IPv6 addresses were among those of the last burst
	unsigned alive_count;
	struct node_entry alive[BURST_MAX]; // senders whose signs of life are to be written
};

static_assert(2 * BURST_MAX <= LOOKUP_MAX, "one look-up a burst");

// A burst that leaves as it came, whole and through one raw link: nearly every one.
struct departure {
	bool whole;
	uint8_t link;
	uint64_t bytes; // UDP payloads
};

// What frames to one local address have in common (stage/usual.h). A zeroed one fits none.
struct usual {
	__m128i low, high, to; // bytes of a frame; to: the IPv6 address
	uint64_t to_sum;       // of `to` and the protocol
	uint32_t sizes;	       // how many sizes, from the least on, a frame may have
	uint8_t local;
};

// What the stages of one worker work with. Private to the worker, but for the shared tables behind
// the pointers.
struct stage_env {
	// shared memory, read
	const struct local *locals;   // LOCAL_MAX
	const struct egress *egress;  // EGRESS_MAX
	const nexthop_word *nexthops; // NEXTHOP_MAX
	const struct peer *peers;     // PEER_MAX
	const struct peer_index *peer_index;
	const struct node_table *nodes; // last_seen is written
	// set up once
	struct stage_link links[LINK_MAX];
	uint8_t companion; // index of the sock link
	uint8_t worker;	   // index of this worker
	// read once a burst
	struct relay_settings set;
	// the worker's own
	struct usual usual4, usual6; // of frames to where the last one of their family went
	struct relay_batch relay;
	struct departure departure; // encap writes, egress reads
	struct police police;
	struct familiar familiar;
	struct ring_producer punt;
	bool punted;		    // records wait for ring_commit
	uint16_t ip_id, ip_id_step; // identification of the next IPv4 packet
	struct tally tally;
};

// Where a burst goes: per link a list in order of arrival, and what is given back.
struct tx_lists {
	uint32_t used; // bit per link that has a list
	uint16_t count[LINK_MAX];
	uint16_t released;
	uint64_t bytes[LINK_MAX]; // UDP payloads
	struct dgram *list[LINK_MAX][BURST_MAX];
	struct dgram *release[BURST_MAX];
};

// UDP payload bytes of a datagram that leaves through a raw link or another.
static inline uint32_t dgram_payload_on(const struct dgram *d, bool raw)
{
	return raw ? d->len - (uint32_t)(d->data - d->l2) : d->len;
}

// The same of a datagram on its way out, whether or not its headers are built.
static inline uint32_t dgram_payload_size(const struct dgram *d, const struct stage_env *env)
{
	return dgram_payload_on(d, env->links[d->out_link].raw);
}

// Parses headers (raw links) and the message: data, len, src, local, type, sender, dest,
// header_sum, rx_len. Drops what is malformed or no message for a relay, and collects relay
// datagrams in env->relay. Returns how many others there are.
unsigned stage_classify(struct burst *b, struct stage_env *env);

// Token buckets by source address, for all but relay.
void stage_police(struct burst *b, struct stage_env *env);

// Relay: sender check, destination, header rewritten in place. Sets to and route.
void stage_relay(struct burst *b, struct stage_env *env);

// Writes the senders' signs of life, in memory that relay had prefetched: after all other stages.
void relay_signs(const struct burst *b, struct stage_env *env);

// Discover: refreshes the node or marks the datagram for the control plane (DGRAM_F_PUNT, and
// DGRAM_F_ASK if that answers); where the answer goes. The bytes stay as received until
// stage_answer.
void stage_discover(struct burst *b, struct stage_env *env);

// Copies what the control plane handles into the punt ring. A Discover that it should answer is
// dropped when its copy finds no room.
void stage_punt(struct burst *b, struct stage_env *env);

// Writes the DiscoverReply over the Discover.
void stage_answer(struct burst *b, struct stage_env *env);

// Bursts of raw links: headers for what leaves through a raw link; the rest is for the companion.
void stage_encap(struct burst *b, struct stage_env *env);

// Sorts by link, and counts the drops.
void stage_egress(struct burst *b, struct stage_env *env, struct tx_lists *out);

// Takes back (-1) what the stages counted of a datagram that its link refused or that another
// worker sends, or counts that of one taken over (1). One that the control plane injected was not
// counted.
void egress_recount(struct stage_env *env, const struct dgram *d, int by);

// All of them.
void stages_run(struct burst *b, struct stage_env *env, struct tx_lists *out);
