// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "dataplane/stage/police.h"

#include <stddef.h>
#include <stdint.h>

// The memory that one worker alone uses, near its core. A page that the worker itself asks for
// costs it two faults, microseconds each, and a burst may need 64 of them. So what relay datagrams
// and Discovers of any source need is there from the start, and what grows with the nodes is asked
// for by the main thread ahead of them. What only a throng of strangers needs costs pages when it
// comes.
struct worker_room {
	void *own; // zeroed, on a cache line of its own
	struct police_room police;
	void *familiar; // FAMILIAR_SIZE
	uint64_t hot_size, cold_size;
	uint32_t ready; // senders' buckets whose pages are there
};

enum { ROOM_AHEAD = 1 << 16 }; // nodes

// cpu: core that the worker is pinned to, -1 = none. 0 or a negative errno.
int worker_room_open(struct worker_room *r, size_t own_size, uint32_t node_index_max, int cpu);
// Main thread, while the worker runs: has pages for ROOM_AHEAD / 2 more nodes than there are.
void worker_room_follow(struct worker_room *r, uint32_t nodes);
void worker_room_close(struct worker_room *r);
