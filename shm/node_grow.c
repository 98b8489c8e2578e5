// SPDX-License-Identifier: BSD-3-Clause
#include "shm/node_grow.h"

#include "shm/pages.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

enum { SMALL_UNIT = 64 << 10 };

static_assert(
    NODES_AHEAD * sizeof(struct node_bucket) == HUGE_PAGE / 4, "of the array that grows fastest");

static const struct node_entry empty;

// Memory comes in units of this size, and the next one when a quarter of the last is left.
static uint64_t unit_size(const struct node_writer *w)
{
	return w->huge_pages ? HUGE_PAGE : SMALL_UNIT;
}

// The unit that begins at, or around, an address in which nothing is used yet.
static void unit_take(struct node_writer *w, uint8_t *at, uint64_t size)
{
	struct node_table_header *h = w->table.header;
	int err;

	if (!w->huge_pages) {
		pages_ready(at, size, true);
		return;
	}
	err = pages_join(at);
	w->huge_pages = err != -EINVAL;
	__atomic_store_n(err ? &h->huge_missed : &h->huge_pages,
	    (err ? h->huge_missed : h->huge_pages) + 1, __ATOMIC_RELAXED);
}

// Element i is used for the first time, and those before it were: sees to it that it and some
// after it have memory, before anybody reads there, and tells who maps it for the workers.
static void element_enter(struct node_writer *w, const struct index_array *a, uint32_t i)
{
	uint64_t wanted = (i + 1ULL) * a->size + unit_size(w) / 4, ready = *a->ready;

	wanted = wanted < a->bytes ? wanted : a->bytes;
	if (ready >= wanted)
		return;
	while (ready < wanted) {
		uint64_t unit = unit_size(w), left = unit - (uintptr_t)(a->at + ready) % unit;

		left = left < a->bytes - ready ? left : a->bytes - ready;
		unit_take(w, a->at + ready, left);
		ready += left;
		__atomic_store_n(a->ready, ready, __ATOMIC_RELEASE);
	}
	if (w->grown)
		w->grown(w->grown_ctx);
}

uint32_t index_pool_take(struct node_writer *w, struct index_pool *p)
{
	if (p->count)
		return p->free[--p->count];
	if (p->next > p->last)
		return 0;
	for (int i = 0; i < POOL_ARRAYS && p->arrays[i].size; i++)
		element_enter(w, &p->arrays[i], p->next);
	return p->next++;
}

static void state_publish(struct node_writer *w, uint32_t buckets)
{
	uint64_t *state = &w->table.header->state;
	uint64_t version = (*state >> 32) + 1;

	__atomic_store_n(state, version << 32 | buckets, __ATOMIC_RELEASE);
}

static void version_raise(struct node_writer *w)
{
	state_publish(w, (uint32_t)w->table.header->state);
}

static void bucket_clear(struct node_bucket *b)
{
	for (unsigned i = 0; i < BUCKET_ENTRIES; i++)
		node_entry_store(&b->entries[i], empty);
	__atomic_store_n(&b->overflow, 0, __ATOMIC_RELEASE);
}

// An empty overflow bucket; 0 when there is none.
static uint32_t overflow_take(struct node_writer *w)
{
	uint32_t index = index_pool_take(w, &w->overflow);

	if (index)
		bucket_clear(&w->table.overflow[index]);
	return index;
}

int node_table_append(struct node_writer *w, struct node_entry e)
{
	const struct node_table *t = &w->table;
	uint32_t hash = node_hash(t->hash_key, node_entry_id(e));
	struct node_chain chain;
	uint32_t index;

	node_chain_load(&chain, t, node_bucket_of(hash, (uint32_t)node_table_state(t)));
	for (unsigned i = 0; i < chain.count * BUCKET_ENTRIES; i++) {
		struct node_entry *slot = node_chain_slot(&chain, i);

		if (node_entry_id(*slot) == 0) {
			node_entry_store(slot, e);
			return 0;
		}
	}
	if (chain.count > CHAIN_MAX)
		return -ENOSPC;
	index = overflow_take(w);
	if (index == 0)
		return -ENOSPC;
	node_entry_store(&t->overflow[index].entries[0], e);
	__atomic_store_n(&chain.buckets[chain.count - 1]->overflow, index, __ATOMIC_RELEASE);
	return 0;
}

// Cuts empty overflow buckets off the end.
static void chain_trim(struct node_writer *w, struct node_chain *c, unsigned entries)
{
	unsigned keep = entries ? (entries + BUCKET_ENTRIES - 1) / BUCKET_ENTRIES : 1;

	while (c->count > keep) {
		struct node_bucket *b = c->buckets[--c->count];

		__atomic_store_n(&c->buckets[c->count - 1]->overflow, 0, __ATOMIC_RELEASE);
		index_pool_give(&w->overflow, (uint32_t)(b - w->table.overflow));
	}
}

void node_chain_compact(struct node_writer *w, struct node_chain *c)
{
	unsigned slots = c->count * BUCKET_ENTRIES;
	unsigned to = 0, from = slots, entries = 0;
	unsigned moved[NODE_CHAIN_ENTRIES], moves = 0;

	if (c->count == 1)
		return;
	for (unsigned i = 0; i < slots; i++)
		entries += node_entry_id(*node_chain_slot(c, i)) != 0;
	while (to < entries) {
		if (node_entry_id(*node_chain_slot(c, to)) != 0) {
			to++;
			continue;
		}
		do
			from--;
		while (node_entry_id(*node_chain_slot(c, from)) == 0);
		node_entry_store(node_chain_slot(c, to), *node_chain_slot(c, from));
		moved[moves++] = from;
		to++;
	}
	if (moves)
		version_raise(w);
	for (unsigned i = 0; i < moves; i++)
		node_entry_store(node_chain_slot(c, moved[i]), empty);
	chain_trim(w, c, entries);
}

void node_table_take(struct node_writer *w, struct node_entry *at, uint32_t hash)
{
	const struct node_table *t = &w->table;
	struct node_chain chain;

	node_entry_store(at, empty);
	node_chain_load(&chain, t, node_bucket_of(hash, (uint32_t)node_table_state(t)));
	node_chain_compact(w, &chain);
}

// Writes the entries that move into the bucket that comes next, which no reader looks at yet.
static int split_fill(
    struct node_writer *w, uint32_t bucket, const struct node_entry *e, unsigned n)
{
	const struct node_table *t = &w->table;
	struct node_bucket *b = &t->buckets[bucket];

	element_enter(w, &w->buckets, bucket);
	bucket_clear(b);
	for (unsigned i = 0; i < n; i++) {
		if (i && i % BUCKET_ENTRIES == 0) {
			b->overflow = overflow_take(w);
			if (b->overflow == 0)
				return -ENOSPC;
			b = &t->overflow[b->overflow];
		}
		node_entry_store(&b->entries[i % BUCKET_ENTRIES], e[i]);
	}
	return 0;
}

static void split_undo(struct node_writer *w, uint32_t bucket)
{
	struct node_chain chain;

	node_chain_load(&chain, &w->table, bucket);
	chain_trim(w, &chain, 0);
	bucket_clear(&w->table.buckets[bucket]);
}

int node_table_split(struct node_writer *w)
{
	const struct node_table *t = &w->table;
	uint32_t buckets = (uint32_t)t->header->state;
	unsigned level = 31 - (unsigned)__builtin_clz(buckets);
	struct node_entry moving[NODE_CHAIN_ENTRIES];
	struct node_entry *from[NODE_CHAIN_ENTRIES];
	struct node_chain chain;
	unsigned n = 0;

	if (buckets >= t->bucket_max)
		return -ENOSPC;
	node_chain_load(&chain, t, buckets - (1U << level));
	for (unsigned i = 0; i < chain.count * BUCKET_ENTRIES; i++) {
		struct node_entry *slot = node_chain_slot(&chain, i);
		uint32_t id = node_entry_id(*slot);

		if (id && (node_hash(t->hash_key, id) >> level & 1)) {
			moving[n] = *slot;
			from[n++] = slot;
		}
	}
	if (split_fill(w, buckets, moving, n)) {
		split_undo(w, buckets);
		return -ENOSPC;
	}
	state_publish(w, buckets + 1);
	for (unsigned i = 0; i < n; i++)
		node_entry_store(from[i], empty);
	node_chain_compact(w, &chain);
	return 0;
}
