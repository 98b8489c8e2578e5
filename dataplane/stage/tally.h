// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "shm/layout.h"

#include <stdint.h>

// Counters are looked through in groups, as few of them change in a burst.
enum { TALLY_GROUP = 8 };
#define TALLY_ROOM(count) (((count) + TALLY_GROUP - 1) / TALLY_GROUP * TALLY_GROUP)

// What one burst counted. Private to the worker, added to its block once a burst.
struct tally {
	uint64_t counters[TALLY_ROOM(COUNTER_COUNT)];
	uint64_t drops[TALLY_ROOM(DROP_COUNT)];
	uint64_t punt_class[TALLY_ROOM(PUNT_CLASS_COUNT)];
};

static inline void tally_count(struct tally *t, enum counter c, uint64_t n)
{
	t->counters[c] += n;
}

// The worker is the only writer of its counters, so the sum needs no atomic addition; the store is
// atomic for the readers' sake.
static inline void tally_add(uint64_t *shared, uint64_t *own, unsigned count)
{
	for (unsigned at = 0; at < count; at += TALLY_GROUP) {
		uint64_t any = 0;

		for (unsigned i = at; i < at + TALLY_GROUP; i++)
			any |= own[i];
		for (unsigned i = at; any && i < count && i < at + TALLY_GROUP; i++) {
			if (own[i] == 0)
				continue;
			__atomic_store_n(&shared[i], shared[i] + own[i], __ATOMIC_RELAXED);
			own[i] = 0;
		}
	}
}

static inline void tally_flush(struct tally *t, struct worker_block *block)
{
	tally_add(block->counters, t->counters, COUNTER_COUNT);
	tally_add(block->drops, t->drops, DROP_COUNT);
	tally_add(block->punt_class, t->punt_class, PUNT_CLASS_COUNT);
}
