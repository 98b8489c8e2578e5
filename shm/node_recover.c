// SPDX-License-Identifier: BSD-3-Clause
#include "shm/node_grow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// What the scan found in use, a bit for each place.
struct used {
	uint64_t *indexes, *v6, *overflow;
};

static bool bit_set(uint64_t *bits, uint32_t i)
{
	uint64_t mask = 1ULL << (i & 63);
	bool was = bits[i >> 6] & mask;

	bits[i >> 6] |= mask;
	return was;
}

static uint64_t *bits_make(uint32_t last)
{
	return calloc(last / 64 + 1, sizeof(uint64_t));
}

static void used_free(struct used *u)
{
	free(u->indexes);
	free(u->v6);
	free(u->overflow);
}

static int used_make(struct used *u, const struct node_table *t)
{
	u->indexes = bits_make(t->index_max);
	u->v6 = bits_make(t->v6_max);
	u->overflow = bits_make(t->overflow_max);
	if (u->indexes && u->v6 && u->overflow)
		return 0;
	used_free(u);
	return -ENOMEM;
}

// All below the highest used place that are not used are free; above, none was ever used.
static int pool_fill(struct index_pool *p, const uint64_t *bits, uint32_t last)
{
	uint32_t high = 0;

	p->free = malloc((last + 1ULL) * sizeof(uint32_t));
	if (!p->free)
		return -ENOMEM;
	for (uint32_t i = 0; i <= last; i++) {
		if (bits[i >> 6] >> (i & 63) & 1)
			high = i;
	}
	p->count = 0;
	p->last = last;
	p->next = high + 1;
	for (uint32_t i = high; i > 0; i--) {
		if (!(bits[i >> 6] >> (i & 63) & 1))
			index_pool_give(p, i);
	}
	return 0;
}

static bool entry_is_good(const struct node_table *t, struct node_entry e, uint32_t bucket,
    uint32_t buckets, const struct node_chain *c, unsigned slot)
{
	uint32_t id = node_entry_id(e), index = node_entry_index(e);
	uint32_t v6 = node_entry_flags(e) & NODE_V6 ? node_entry_address(e) : 1;

	if (node_bucket_of(node_hash(t->hash_key, id), buckets) != bucket)
		return false;
	for (unsigned i = 0; i < slot; i++) {
		if (node_entry_id(*node_chain_slot(c, i)) == id)
			return false;
	}
	return index != 0 && index <= t->index_max && v6 != 0 && v6 <= t->v6_max;
}

// Cuts the chain where it leads into a bucket of another chain.
static void chain_mark(struct node_chain *c, const struct node_table *t, struct used *u)
{
	for (unsigned i = 1; i < c->count; i++) {
		if (bit_set(u->overflow, (uint32_t)(c->buckets[i] - t->overflow))) {
			__atomic_store_n(&c->buckets[i - 1]->overflow, 0, __ATOMIC_RELEASE);
			c->count = i;
			return;
		}
	}
	__atomic_store_n(&c->buckets[c->count - 1]->overflow, 0, __ATOMIC_RELEASE);
}

// A kill between a key and the flag that shows it.
static void key_repair(const struct node_table *t, struct node_entry *at)
{
	bool keyed = node_is_keyed(t, *at);

	if (keyed != !!(node_entry_flags(*at) & NODE_KEYED))
		node_entry_store(at, node_entry_keyed(*at, keyed));
}

static void chain_repair(
    struct node_writer *w, struct node_chain *c, uint32_t bucket, struct used *u)
{
	const struct node_table *t = &w->table;
	uint32_t buckets = (uint32_t)node_table_state(t);

	for (unsigned i = 0; i < c->count * BUCKET_ENTRIES; i++) {
		struct node_entry e = *node_chain_slot(c, i);
		bool good;

		if (node_entry_id(e) == 0)
			continue;
		good = entry_is_good(t, e, bucket, buckets, c, i) &&
		       !bit_set(u->indexes, node_entry_index(e));
		if (good && (node_entry_flags(e) & NODE_V6))
			good = !bit_set(u->v6, node_entry_address(e));
		if (!good) {
			node_entry_store(node_chain_slot(c, i), (struct node_entry){0});
			continue;
		}
		key_repair(t, node_chain_slot(c, i));
		w->node_count++;
		w->remote_count += (node_entry_flags(e) & NODE_REMOTE) != 0;
	}
}

// Chains whose holes are worth closing; only after all overflow buckets in use are known.
static void chains_compact(struct node_writer *w)
{
	const struct node_table *t = &w->table;
	uint32_t buckets = (uint32_t)node_table_state(t);
	struct node_chain chain;

	for (uint32_t b = 0; b < buckets; b++) {
		if (t->buckets[b].overflow == 0)
			continue;
		node_chain_load(&chain, t, b);
		node_chain_compact(w, &chain);
	}
}

static int table_scan(struct node_writer *w)
{
	const struct node_table *t = &w->table;
	uint32_t buckets = (uint32_t)node_table_state(t);
	struct node_chain chain;
	struct used used;
	int err = used_make(&used, t);

	if (err)
		return err;
	for (uint32_t b = 0; b < buckets; b++) {
		node_chain_load(&chain, t, b);
		chain_mark(&chain, t, &used);
		chain_repair(w, &chain, b, &used);
	}
	err = pool_fill(&w->indexes, used.indexes, t->index_max);
	if (!err)
		err = pool_fill(&w->v6, used.v6, t->v6_max);
	if (!err)
		err = pool_fill(&w->overflow, used.overflow, t->overflow_max);
	used_free(&used);
	if (!err)
		chains_compact(w);
	return err;
}

static struct index_array array_of(const struct node_table *t, enum node_array array, uint32_t size)
{
	struct index_array a = {.ready = &t->header->ready[array], .size = size};

	a.bytes = node_array_place(t, array, &a.at);
	return a;
}

static void arrays_set(struct node_writer *w)
{
	const struct node_table *t = &w->table;

	w->buckets = array_of(t, NODE_ARRAY_BUCKETS, sizeof(*t->buckets));
	w->indexes.arrays[0] = array_of(t, NODE_ARRAY_SEEN, sizeof(*t->last_seen));
	w->indexes.arrays[1] = array_of(t, NODE_ARRAY_INFO, sizeof(*t->info));
	w->v6.arrays[0] = array_of(t, NODE_ARRAY_V6, sizeof(*t->v6));
	w->overflow.arrays[0] = array_of(t, NODE_ARRAY_OVERFLOW, sizeof(*t->overflow));
}

int node_writer_open(struct node_writer *w, const struct memory *m)
{
	struct node_table_header *h = m->nodes.header;
	int err;

	memset(w, 0, sizeof(*w));
	w->memory = m;
	w->table = m->nodes;
	w->huge_pages = m->header->huge_pages;
	arrays_set(w);
	err = table_scan(w);
	if (!err)
		err = quiescent_wait(m);
	if (err) {
		node_writer_close(w);
		return err;
	}
	__atomic_store_n(&h->node_count, w->node_count, __ATOMIC_RELAXED);
	__atomic_store_n(&h->remote_count, w->remote_count, __ATOMIC_RELAXED);
	__atomic_store_n(&h->huge_pages, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&h->huge_missed, 0, __ATOMIC_RELAXED);
	return 0;
}

void node_writer_close(struct node_writer *w)
{
	free(w->indexes.free);
	free(w->v6.free);
	free(w->overflow.free);
	deferred_free(&w->deferred);
	memset(w, 0, sizeof(*w));
}
