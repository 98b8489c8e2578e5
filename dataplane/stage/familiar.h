// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Which strangers have asked before. A flood of Discovers with invented sources leaves no room for
// new nodes, neither in the punt class's rate nor in the node table. What tells a daemon from it is
// that it asks again, within a minute. So, while there is a throng, every Discover of an unknown
// node is noted here, and those that were noted already go ahead.
//
// Two Bloom filters, one written for a minute while the other still counts; each has its bits of
// one source and node in one cache line. At 200,000 strangers a second one in ten is mistaken.

enum {
	FAMILIAR_LINES = 1 << 17, // of 64 bytes, in each generation
	FAMILIAR_GENERATION_S = 64,
	FAMILIAR_SIZE = 2 * FAMILIAR_LINES * 64,
};

// Private to the worker.
struct familiar {
	uint64_t *lines[2];	     // by generation, odd and even
	uint32_t generation, before; // the last ones that anybody was noted in
};

// FAMILIAR_SIZE bytes of zeroed memory, the caller's and there as long as f is used. Pages are
// touched in a throng only.
void familiar_init(struct familiar *f, void *room);

// Notes a source and node by their keyed hash. True if they were noted 0 to 128 s ago.
bool familiar_meet(struct familiar *f, uint64_t hash, uint64_t now_ns);
