// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "controlplane/netlink.h"

#include <stdbool.h>
#include <stdint.h>

// The kernel's neighbour table as it was told to us: a bounded hash of (interface, address).
enum { NEIGHBOUR_MAX = 16384, NEIGHBOUR_BUCKETS = 16384 };

struct neighbours {
	uint64_t secret;		   // hosts on a link choose their addresses
	uint16_t heads[NEIGHBOUR_BUCKETS]; // place + 1, 0 = empty
	uint16_t free;			   // place + 1
	uint16_t round;			   // of the last dump that began
	unsigned count;
	uint64_t refused; // table full
	struct {
		struct neigh n;
		uint16_t next;	// place + 1
		uint16_t round; // dump in which it was last seen
	} at[NEIGHBOUR_MAX];
};

void neighbours_init(struct neighbours *t);
// Where a neighbour stands in tables like this one.
uint64_t neighbours_hash(const struct neighbours *t, uint32_t ifindex, const uint8_t addr[16]);
// NULL when it is not known.
const struct neigh *neighbours_find(
    const struct neighbours *t, uint32_t ifindex, const uint8_t addr[16]);
// True when something changed.
bool neighbours_put(struct neighbours *t, const struct neigh *n);
bool neighbours_remove(struct neighbours *t, uint32_t ifindex, const uint8_t addr[16]);
// A dump begins; what was not put in it when it ends is removed, with a call for each.
void neighbours_dump_begin(struct neighbours *t);
void neighbours_dump_end(
    struct neighbours *t, void (*removed)(void *ctx, const struct neigh *n), void *ctx);
