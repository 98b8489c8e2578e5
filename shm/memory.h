// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "shm/layout.h"
#include "shm/node_table.h"
#include "shm/ring.h"
#include "shm/trace_ring.h"

#include <stdbool.h>
#include <stdint.h>

// The shared memory, mapped into this process. Every pointer below was checked to lie within the
// mapping; code uses these and never the offsets in the header, which the other process may have
// damaged since.
//
// Functions return 0 or a negative errno with a sentence in err (what failed, which value, what to
// do). Main threads only; the pointers may be used by all threads.

enum { MEMORY_ERROR_MAX = 256, RING_SIZE_MIN = 4096, RING_SIZE_MAX = 1 << 26 };

struct memory_error {
	char text[MEMORY_ERROR_MAX];
};

// Sizes in bytes, powers of two. A ring carries records up to half its size.
struct memory_config {
	uint32_t node_capacity; // 1 to NODE_CAPACITY_MAX
	uint32_t worker_count;	// 1 to WORKER_MAX
	uint64_t punt_size, inject_size, trace_size;
	bool huge_pages; // for the node table, where the kernel can
};

struct memory {
	int fd; // owned; -1 when not mapped
	uint8_t *base;
	uint64_t size;
	int huge_error; // data plane: why there are no huge pages, as pages_join; 0 = there are
	uint32_t worker_count;
	uint64_t punt_size, inject_size, trace_size;
	struct shm_header *header;
	struct relay_settings *settings;
	struct local *locals;	// LOCAL_MAX
	struct egress *egress;	// EGRESS_MAX
	nexthop_word *nexthops; // NEXTHOP_MAX
	struct peer *peers;	// PEER_MAX
	struct peer_index *peer_index;
	struct worker_block *workers; // worker_count
	uint8_t *rings;
	struct node_table nodes;
	struct kernel_memory *kernel; // maps of the XDP program that relays, or NULL. Not owned
};

// Data plane: a new memory. header.dp_pid and dp_started_ns are set; settings are zero. When
// header.huge_pages is 0 though configured, the kernel refused: see huge_error.
int memory_create(struct memory *m, const struct memory_config *cfg, struct memory_error *err);
// Data plane: takes over the memory of an earlier data plane. Nodes, peers, next hops and locals
// stay; worker blocks and rings are laid out anew for cfg and zeroed; egress entries become
// invalid. -EPROTO: another layout version; -EINVAL: not our memory, damaged, or another capacity.
// fd is owned by m on success only.
int memory_adopt(
    struct memory *m, int fd, const struct memory_config *cfg, struct memory_error *err);
// Control plane: maps what the data plane handed over. Errors and fd as in memory_adopt; -EPROTO
// also when the data plane has other counters or drops.
int memory_map(struct memory *m, int fd, struct memory_error *err);
// Unmaps and closes the descriptor; the memory lives on while others hold it.
void memory_unmap(struct memory *m);

// Ends of the rings of one worker. A producer or consumer belongs to one thread.
struct ring_producer memory_punt_producer(const struct memory *m, uint32_t worker);
struct ring_consumer memory_punt_consumer(const struct memory *m, uint32_t worker);
struct ring_producer memory_inject_producer(const struct memory *m, uint32_t worker);
struct ring_consumer memory_inject_consumer(const struct memory *m, uint32_t worker);
struct trace_writer memory_trace_writer(const struct memory *m, uint32_t worker);
struct trace_reader memory_trace_reader(const struct memory *m, uint32_t worker);
