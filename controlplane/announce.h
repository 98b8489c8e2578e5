// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "controlplane/punt.h"
#include "controlplane/room.h"
#include "controlplane/stats.h"
#include "shm/layout.h"
#include "shm/node_table.h"
#include "wire/beacon.h"

#include <stdbool.h>
#include <stdint.h>

// Tells peer relays which nodes are ours (Sync, wire-tunnel.md 3.6). A Sync holds BEACON_SYNC_MAX
// ids and replaces what its source port said before, so each source port has a shard of the nodes:
// the port we serve has the first, gossip.extra-ports the others. A node stays in its shard, so
// that a shard's Sync changes only when its nodes do. When all are full, a node takes the place of
// one of lower standing (room.h), so invented nodes do not keep others out. No I/O, no clock.

enum {
	SHARD_MAX = LOCAL_MAX,
	ANNOUNCE_DEBOUNCE_MS = 200, // from a change to the early Sync that tells of it
	ANNOUNCE_PER_TICK = 32,	    // Syncs
	ANNOUNCE_LOOKS = 256,	    // places that are looked at to find one for a node
};

struct announce_shard {
	uint32_t *ids; // host order
	uint32_t count, size;
	uint16_t port;	   // source port
	bool used;	   // has held nodes: says so when it is empty
	uint64_t dirty_ns; // first change that was not sent yet, 0 = none
	uint64_t sent_ns;
};

// Looking for a place that a node of one standing may take.
struct announce_seek {
	uint32_t next;	 // place, counted over all shards
	uint32_t looked; // places in this walk: each once
};

struct announce_target {
	struct endpoint at;
	uint64_t pending; // bit per shard that is to be sent
	uint64_t next_ns; // when all of them are
	uint64_t sent_ns; // last Sync, 0 = none
};

struct announce {
	// Set by the owner at any time.
	uint32_t beacon_id;
	uint64_t interval_ns;
	struct emitter emit;
	struct cp_stats *stats;

	const struct local *locals; // LOCAL_MAX
	const struct node_table *nodes;
	struct announce_shard shards[SHARD_MAX];
	unsigned shard_count;
	uint32_t *positions; // by node index: shard * BEACON_SYNC_MAX + place + 1; 0 = in none
	uint32_t *indexes[SHARD_MAX]; // node index of each place, beside ids
	uint32_t index_count;
	struct announce_seek seeks[STANDING_COUNT];
	uint32_t unplaced; // nodes that found no room in this walk
	bool ready;	   // a walk has added all nodes: before, a Sync would take some back
	struct announce_target *targets;
	unsigned target_count;
	uint8_t *message; // UDP_PAYLOAD_MAX
};

// 0 or -ENOMEM.
int announce_open(struct announce *a, const struct local *locals, const struct node_table *nodes);
void announce_close(struct announce *a);
// Whom to gossip to; those that were targets before keep their times. 0 or -ENOMEM.
int announce_set_targets(struct announce *a, const struct endpoint *at, unsigned count);

// Idempotent: may be called again for a node that is in.
void announce_add(struct announce *a, uint32_t id, uint32_t index, uint64_t now_ns);
void announce_remove(struct announce *a, uint32_t index, uint64_t now_ns);

// A walk over all nodes has ended, in which announce_add() was called for each local one.
void announce_walked(struct announce *a);

// Every 100 ms: sends what is due.
void announce_tick(struct announce *a, uint64_t now_ns);

// Local index with this port (0: any that is not extra) from which `to` can be reached; -1: none.
int announce_local(const struct local *locals, uint16_t port, const struct endpoint *to);
