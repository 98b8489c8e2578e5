// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "controlplane/routes.h"
#include "controlplane/stats.h"
#include "shm/memory.h"
#include "shm/quiescent.h"

#include <stdbool.h>
#include <stdint.h>

// Next hops of raw links in shared memory: an index for each (egress, on-link address) in use,
// whose word holds the MAC address while the kernel knows it. An unresolved word is zero: workers
// then send through the companion link, the kernel resolves, and the mirror learns the answer.
//
// An index is given back when a whole walk over the nodes did not ask for it. No I/O, no clock.

enum {
	NEXTHOP_BUCKETS = 16384,
	NEXTHOP_PROBE_S = 10,	// least time between two probes of one neighbour
	NEXTHOP_PROBES_MAX = 64 // a call
};

enum nexthop_use {
	NEXTHOP_FREE,
	NEXTHOP_INHERITED, // of an earlier control plane: nodes may refer to it, its address is
			   // lost
	NEXTHOP_USED,
	NEXTHOP_WAITING, // given back, until the workers have passed
};

struct nexthop_slot {
	uint8_t addr[16];
	uint32_t ifindex;
	uint8_t egress;
	uint8_t use;
	uint16_t next; // in its bucket, 0 = last
	uint32_t walk; // in which it was last asked for
	uint64_t probed_ns;
};

struct nexthops {
	const struct memory *memory; // NULL: closed
	const struct routes *routes;
	struct nexthop_slot slots[NEXTHOP_MAX];
	uint16_t heads[NEXTHOP_BUCKETS];
	uint16_t hint; // where to look for a free index
	uint32_t walk;
	unsigned inherited, used;
	bool exhausted;	 // said so
	uint16_t cursor; // of probing
	struct deferred deferred;
};

// Keeps the words that are there until a walk has shown which are still needed.
void nexthops_open(struct nexthops *h, const struct memory *m, const struct routes *routes);
void nexthops_close(struct nexthops *h);
// Index for an endpoint that is served from a local index; 0: companion.
uint16_t nexthops_resolve(struct nexthops *h, const struct endpoint *at, uint8_t local);
// What the kernel says of a neighbour has changed.
void nexthops_neighbour(struct nexthops *h, const struct neigh *n);
// A walk over all nodes and peers has ended.
void nexthops_walked(struct nexthops *h);
// Gives indexes back that workers have passed. Once a tick.
void nexthops_run(struct nexthops *h);
// Datagrams of raw links do not tell the kernel that a neighbour is in use. Calls `probe` for
// neighbours that it holds for stale: a datagram to them makes it ask whether they are still there.
void nexthops_probe(struct nexthops *h, uint64_t now_ns,
    void (*probe)(void *ctx, uint32_t ifindex, const uint8_t addr[16]), void *ctx);
