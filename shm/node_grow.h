// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "shm/node_chain.h"
#include "shm/node_writer.h"

// Inside of the writer: moving entries so that readers never miss one. An entry is first copied,
// then the version in `state` rises, then the original is cleared (see shm/node_table.h).

enum node_place { NODE_PLACE_INDEX, NODE_PLACE_V6 };

// 0 when empty.
uint32_t index_pool_take(struct node_writer *w, struct index_pool *p);

static inline void index_pool_give(struct index_pool *p, uint32_t index)
{
	p->free[p->count++] = index;
}

// Stores an entry whose id is not in the table. 0 or -ENOSPC.
int node_table_append(struct node_writer *w, struct node_entry e);
// Removes the entry at `at`, whose id has this hash, and keeps its chain short.
void node_table_take(struct node_writer *w, struct node_entry *at, uint32_t hash);
// Grows the table by one bucket. 0 or -ENOSPC.
int node_table_split(struct node_writer *w);
// Moves the entries of a chain to its front and gives empty overflow buckets back.
void node_chain_compact(struct node_writer *w, struct node_chain *c);
