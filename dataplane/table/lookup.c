// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/table/lookup.h"

// Positions of ids that were not in the buckets looked at so far. Those whose chain ended move to
// `missed`.
struct pending {
	struct node_bucket *bucket[LOOKUP_MAX]; // where to look, by position
	uint8_t i[LOOKUP_MAX], missed[LOOKUP_MAX];
	unsigned count, misses;
};

// A loop of its own, in which the compiler takes four ids at a time.
static void buckets_choose(const struct node_table *t, uint64_t state, const uint32_t *restrict ids,
    unsigned n, struct node_bucket **restrict out)
{
	const uint32_t buckets = node_state_buckets(t, state);
	const uint32_t key[4] = {t->hash_key[0], t->hash_key[1], t->hash_key[2], t->hash_key[3]};
	struct node_bucket *first = t->buckets;

	for (unsigned i = 0; i < n; i++)
		out[i] = first + node_bucket_of(node_hash(key, ids[i]), buckets);
}

// Position i is not in its bucket: prefetches the next of the chain.
static void look_on(const struct node_table *t, uint8_t i, struct pending *p, struct node_lookup *l)
{
	uint32_t next = node_bucket_overflow(t, p->bucket[i]);

	l->entries[i] = (struct node_entry){0};
	if (next == 0) {
		p->missed[p->misses++] = i;
		return;
	}
	p->bucket[i] = &t->overflow[next];
	__builtin_prefetch(p->bucket[i]);
	p->i[p->count++] = i;
}

static bool look(struct node_bucket *b, uint32_t id, struct node_lookup *l, unsigned i)
{
	struct node_entry *at = node_bucket_slot(b, id);
	struct node_entry e = node_entry_load(at);

	l->at[i] = at;
	l->entries[i] = e;
	return node_entry_id(e) == id;
}

// Nearly all are in the first bucket: let the processor run ahead to the next id.
static void look_first(const struct node_table *t, const uint32_t *ids, unsigned n,
    struct pending *p, struct node_lookup *l)
{
	p->count = 0;
	p->misses = 0;
#pragma GCC unroll 2
	for (unsigned i = 0; i < n; i++)
		if (__builtin_expect(!look(p->bucket[i], ids[i], l, i), 0))
			look_on(t, (uint8_t)i, p, l);
}

static void look_again(
    const struct node_table *t, const uint32_t *ids, struct pending *p, struct node_lookup *l)
{
	unsigned count = p->count;

	p->count = 0;
	for (unsigned k = 0; k < count; k++) {
		uint8_t i = p->i[k];

		if (!look(p->bucket[i], ids[i], l, i))
			look_on(t, i, p, l);
	}
}

void node_lookup_run(
    const struct node_table *t, const uint32_t *ids, unsigned n, struct node_lookup *out)
{
	uint64_t state = node_table_state(t);
	struct pending p;

	buckets_choose(t, state, ids, n, p.bucket);
	// Into the second-level cache: it has room for several times as many misses under way as
	// the first, and a burst is more than the first can take.
#pragma GCC unroll 8
	for (unsigned i = 0; i < n; i++)
		__builtin_prefetch(p.bucket[i], 0, 2);
	look_first(t, ids, n, &p, out);
	for (unsigned round = 0; round < CHAIN_MAX && p.count; round++)
		look_again(t, ids, &p, out);
	// An entry may have moved while we looked; then the state says so.
	if (p.misses == 0 || node_table_state(t) == state)
		return;
	for (unsigned k = 0; k < p.misses; k++)
		node_table_find(t, ids[p.missed[k]], &out->entries[p.missed[k]]);
}
