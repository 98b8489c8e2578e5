// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "shm/kernel_memory.h"
#include "shm/memory.h"
#include "shm/node_writer.h"

// Keeps the maps of the XDP program that relays in step with the shared memory: the control plane's
// main thread, which writes both. Every function leaves the maps valid at each single store, so the
// process may die anywhere; the next one repairs what is left.

struct kernel_writer {
	struct kernel_memory *memory;
	const struct node_table *table; // what is mirrored
	uint32_t *free;			// overflow buckets that were given back
	uint32_t free_count, next;	// from `next` on none was ever used
	uint32_t count;			// nodes in the maps
};

// Takes over the maps of the writer's memory from whoever wrote them before, and mirrors nodes, as
// many as there is room for and those first that were there, next hops and peer relays. From then
// on the writer mirrors its changes. The program starts to relay with kernel_rules_write(). 0 or
// -ENOMEM.
int kernel_writer_open(struct kernel_writer *w, struct node_writer *nodes);
void kernel_writer_close(struct kernel_writer *w);

// Inserts or replaces. False: there is no room, the engine keeps the node.
bool kernel_writer_put(struct kernel_writer *w, struct node_entry e);
// True when it was there.
bool kernel_writer_remove(struct kernel_writer *w, uint32_t id);
bool kernel_writer_has(const struct kernel_writer *w, uint32_t id);
// No room for another node, whoever it is.
static inline bool kernel_writer_is_full(const struct kernel_writer *w)
{
	return w->count >= w->memory->sizes.nodes;
}
// The nodes in the maps, one after the other, round and round: the next one from the bucket and
// place that *cursor names. False: none in a whole round.
bool kernel_writer_next(const struct kernel_writer *w, uint64_t *cursor, struct node_entry *out);
// Tells the program whether it knows all nodes: `total` is how many there are.
void kernel_writer_settle(struct kernel_writer *w, uint32_t total);

// Mirrors a next hop.
static inline void kernel_nexthop_write(struct kernel_memory *k, uint16_t i, nexthop_word word)
{
	__atomic_store_n(&k->nexthops[i % NEXTHOP_MAX], word, __ATOMIC_RELEASE);
}

// What may come from this address is for the engine.
void kernel_peer_add(struct kernel_memory *k, const struct endpoint *at);
// Takes over the settings, and lets the program relay.
void kernel_rules_write(struct kernel_memory *k, const struct relay_settings *set);

// After changes to the settings in the memory.
static inline void settings_published(const struct memory *m)
{
	if (m->kernel)
		kernel_rules_write(m->kernel, m->settings);
}
