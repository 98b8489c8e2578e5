// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/table/lookup.h"

#include <string.h>

// Ids that were not in the buckets looked at so far, and those whose chain ended.
struct pending {
	const struct node_bucket *at[LOOKUP_MAX]; // by position in ids
	uint8_t i[LOOKUP_MAX], missed[LOOKUP_MAX];
	unsigned count, misses;
};

static void found_set(struct node_lookup *out, unsigned i)
{
	out->found[i / 64] |= 1ULL << (i & 63);
}

// Into the second-level cache: it has room for several times as many misses under way as the first,
// and a burst is more than the first can take.
static void prefetch_all(
    const struct node_table *t, uint64_t state, const uint32_t *ids, unsigned n, struct pending *p)
{
	uint32_t buckets = node_state_buckets(t, state);

	for (unsigned i = 0; i < n; i++) {
		uint32_t hash = node_hash(t->hash_key, ids[i]);

		p->at[i] = &t->buckets[node_bucket_of(hash, buckets)];
		__builtin_prefetch(p->at[i], 0, 2);
		p->i[i] = (uint8_t)i;
	}
	p->count = n;
	p->misses = 0;
}

// Looks at one bucket of each pending id, and prefetches the next of the chain where one is needed.
static void look_once(
    const struct node_table *t, const uint32_t *ids, struct pending *p, struct node_lookup *out)
{
	unsigned count = 0;

	for (unsigned k = 0; k < p->count; k++) {
		uint8_t i = p->i[k];
		uint32_t next;

		// Nine of ten are found at once: let the processor run ahead to the next.
		if (__builtin_expect(node_bucket_find(p->at[i], ids[i], &out->entries[i]), 1)) {
			found_set(out, i);
			continue;
		}
		next = node_bucket_overflow(t, p->at[i]);
		if (next == 0) {
			p->missed[p->misses++] = i;
			continue;
		}
		p->at[i] = &t->overflow[next];
		__builtin_prefetch(p->at[i]);
		p->i[count++] = i;
	}
	p->count = count;
}

void node_lookup_run(
    const struct node_table *t, const uint32_t *ids, unsigned n, struct node_lookup *out)
{
	uint64_t state = node_table_state(t);
	struct pending p;

	memset(out->found, 0, sizeof(out->found));
	prefetch_all(t, state, ids, n, &p);
	for (unsigned round = 0; round <= CHAIN_MAX && p.count; round++)
		look_once(t, ids, &p, out);
	// An entry may have moved while we looked; then the state says so.
	if (p.misses == 0 || node_table_state(t) == state)
		return;
	for (unsigned k = 0; k < p.misses; k++) {
		uint8_t i = p.missed[k];

		if (node_table_find(t, ids[i], &out->entries[i]))
			found_set(out, i);
	}
}
