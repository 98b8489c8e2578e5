// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "shm/node_table.h"

#include <stdbool.h>
#include <stdint.h>

// Many ids at once: the buckets are prefetched before the first is looked at, so that a burst pays
// the memory's latency about once.

enum { LOOKUP_MAX = 128 }; // sender and destination of a burst

struct node_lookup {
	struct node_entry entries[LOOKUP_MAX]; // by position in ids; node id 0: not found
	struct node_entry *at[LOOKUP_MAX];     // where it was found, or somewhere in the table
};

// Looks up ids[0..n-1], n <= LOOKUP_MAX; id 0 is never found. No allocation, bounded loops. Between
// two quiescent states of the calling worker.
void node_lookup_run(
    const struct node_table *t, const uint32_t *ids, unsigned n, struct node_lookup *out);

// Node id 0 where the id is not known.
static inline struct node_entry node_lookup_entry(const struct node_lookup *l, unsigned i)
{
	return l->entries[i];
}

static inline bool node_lookup_found(const struct node_lookup *l, unsigned i)
{
	// clang 14 does not see that node_lookup_run writes it
	// NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult)
	return node_entry_id(l->entries[i]) != 0;
}
