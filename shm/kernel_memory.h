// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "shm/kernel_layout.h"
#include "shm/node_table.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// This process's view of the maps of the XDP program that relays. The data plane makes them
// (dataplane/io/xdp_kernel.h) and hands their descriptors to the control plane; mapping and using
// them needs no privileges and no system call. Main threads; the counts may be read by any.

struct kernel_memory {
	int fds[KERNEL_MAP_COUNT]; // owned
	void *maps[KERNEL_MAP_COUNT];
	struct kernel_sizes sizes;
	// the same by name
	struct kernel_places *places;
	struct kernel_rules *rules;
	struct kernel_bucket *nodes;	// sizes.buckets_total
	struct kernel_v6 *v6;		// sizes.v6_max + 1
	struct kernel_state *states;	// sizes.index_max + 1
	uint64_t *nexthops;		// NEXTHOP_MAX
	struct kernel_counts *counts;	// sizes.cpus
	struct kernel_samples *samples; // sizes.cpus
};

struct kernel_shape {
	uint32_t value_size; // bytes of an element
	uint32_t entries;
};

// Room for so many nodes beside a table of this shape.
struct kernel_sizes kernel_sizes_for(
    const struct node_table_header *table, uint32_t nodes, uint32_t cpus);
struct kernel_shape kernel_map_shape(enum kernel_map map, const struct kernel_sizes *s);

// Maps what the descriptors, in the order of enum kernel_map, lead to; sizes are taken from the
// places. The descriptors belong to k on success only; else k is zero. 0; -EINVAL: sizes that do
// not fit the table or the maps; or another negative errno of mmap(2).
int kernel_memory_map(struct kernel_memory *k, const int *fds, const struct node_table *table);
void kernel_memory_unmap(struct kernel_memory *k);

// Seconds of CLOCK_MONOTONIC of a node's last relay datagram from its stored endpoint, rounded
// down; 0: never. Any thread.
static inline uint32_t kernel_state_seen(const struct kernel_state *s)
{
	uint64_t seen = __atomic_load_n(&s->seen, __ATOMIC_RELAXED);

	return (uint32_t)((seen << KERNEL_SEEN_SHIFT) / 1000000000);
}

// Whether the program has a way to send to a node by itself, by its next hop.
bool kernel_sends_to(const struct kernel_memory *k, struct node_entry e);

// Copies what a processor noted since *tail, and moves that on; what was written over meanwhile is
// left out. How many are in `out`.
unsigned kernel_samples_take(
    const struct kernel_samples *s, uint64_t *tail, struct kernel_sample out[KERNEL_SAMPLE_SLOTS]);

// Sums over all processors.
uint64_t kernel_counter(const struct kernel_memory *k, enum counter c);
uint64_t kernel_drop(const struct kernel_memory *k, enum drop d);
void kernel_link(const struct kernel_memory *k, unsigned link, struct kernel_link_counts *out);
