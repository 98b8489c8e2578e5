// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "shm/node_table.h"

// A bucket with its overflow buckets as one array of slots; for walks and for the writer.

enum { NODE_CHAIN_ENTRIES = (1 + CHAIN_MAX) * BUCKET_ENTRIES };

struct node_chain {
	struct node_bucket *buckets[1 + CHAIN_MAX];
	unsigned count;
};

static inline void node_chain_load(
    struct node_chain *c, const struct node_table *t, uint32_t bucket)
{
	const struct node_bucket *b = &t->buckets[bucket];

	for (c->count = 0; b && c->count <= CHAIN_MAX; b = node_bucket_next(t, b))
		c->buckets[c->count++] = (struct node_bucket *)b;
}

static inline struct node_entry *node_chain_slot(const struct node_chain *c, unsigned i)
{
	return &c->buckets[i / BUCKET_ENTRIES]->entries[i % BUCKET_ENTRIES];
}
