// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "controlplane/punt.h"
#include "controlplane/stats.h"
#include "shm/node_writer.h"
#include "shm/peer_table.h"

#include <stdbool.h>
#include <stdint.h>

// What peer relays tell us (Sync, wire-tunnel.md 3.6): which nodes are theirs. Taken only from
// allowed IP addresses. Each source endpoint has a set that its next Sync replaces and that is
// dropped PEER_EXPIRY_S after the last one. Our own nodes win; among peers the last to add a node
// to its set. No I/O, no clock.
//
// Peer table: an entry with port 0 for each allowed address (workers take gossip from any port of
// it), one for each configured ADDR:PORT, one for each source heard.

enum {
	PEER_EXPIRY_S = 90,
	PEER_SOURCES_MAX = 64, // source ports of one address
	PEER_SYNC_RATE = 64,   // Syncs a second from one address; as many again at once
	PEER_OWN_RATE = 1,     // and from each port of it that was heard beside them,
	PEER_OWN_BURST = 5,    // so many at once; from a configured port as from an address
};

struct peer_config {
	struct endpoint at; // port 0: allowed, not gossiped to
	uint64_t full_ns;   // when its bucket of Syncs is full again
};

// By peer index, beside struct peer in shared memory.
struct peer_state {
	bool used, configured;
	bool draining;	   // expired: waits for a walk that ends without a node of it
	uint64_t full_ns;  // when its own bucket of Syncs is full again
	uint64_t heard_ns; // last Sync, 0 = none; after an attach the time of attaching
	bool heard;	   // a Sync came since we attached: ids is what it said
	uint32_t *ids;	   // ascending
	uint32_t count;
	uint32_t beacon_id;
	uint64_t drained_walk; // walk number in which draining began
};

struct peers {
	struct node_writer *nodes;
	struct peer_writer *writer;
	const struct memory *memory;
	struct cp_stats *stats;
	uint16_t (*resolve)(void *ctx, const struct endpoint *at, uint8_t local);
	void *ctx;
	uint64_t walks; // completed over the node table
	struct peer_state state[PEER_MAX];
	int high; // states from here on are unused
	struct peer_config *config;
	unsigned config_count;
};

// Fill in nodes, writer, memory, stats, resolve, ctx before. Takes over the peers that are in
// memory.
void peers_open(struct peers *p, uint64_t now_ns);
void peers_close(struct peers *p);
// The allow-list; entries that are not in it any more lose their nodes. 0 or -ENOMEM.
int peers_configure(
    struct peers *p, const struct peer_config *config, unsigned count, uint64_t now_ns);

// A Sync.
void peers_sync(struct peers *p, const struct punt *punt);
// Every second or so: expiry.
void peers_tick(struct peers *p, uint64_t now_ns);

// For the walk over all nodes: false when this remote entry is nobody's any more.
bool peers_holds(const struct peers *p, struct node_entry entry);
// The walk ended.
void peers_walked(struct peers *p);
// The peer that claims a node, as a route to it; the one heard last wins. False: nobody.
bool peers_owner(const struct peers *p, uint32_t id, struct node_route *route);
// Next hops have changed.
void peers_reroute(struct peers *p);
