// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "dataplane/stage/police.h"

#include <stddef.h>
#include <stdint.h>

// The memory that one worker alone uses, near its core. What every relay datagram needs is there
// from the start, in huge pages: taking one later would stop the worker while it is cleared. What
// only floods need costs pages when they come.
struct worker_room {
	void *own; // zeroed, on a cache line of its own
	struct police_room police;
	void *familiar; // FAMILIAR_SIZE
	uint64_t hot_size, cold_size;
};

// cpu: core that the worker is pinned to, -1 = none. 0 or a negative errno.
int worker_room_open(struct worker_room *r, size_t own_size, uint32_t node_index_max, int cpu);
void worker_room_close(struct worker_room *r);
