// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/table/lookup.h"

#include <string.h>

// Ids that were not in the buckets looked at so far, and those whose chain ended.
struct pending {
	const struct node_bucket *at[LOOKUP_MAX]; // by position in ids
	uint8_t i[LOOKUP_MAX], missed[LOOKUP_MAX];
	unsigned count, misses;
};

static void found_set(struct node_lookup *out, unsigned i, bool found)
{
	out->found[i / 64] |= (uint64_t)found << (i & 63);
}

static void prefetch_all(
    const struct node_table *t, uint64_t state, const uint32_t *ids, unsigned n, struct pending *p)
{
	uint32_t buckets = node_state_buckets(t, state);

	for (unsigned i = 0; i < n; i++) {
		uint32_t hash = node_hash(t->hash_key, ids[i]);

		p->at[i] = &t->buckets[node_bucket_of(hash, buckets)];
		__builtin_prefetch(p->at[i]);
		p->i[i] = (uint8_t)i;
	}
	p->count = n;
	p->misses = 0;
}

// Looks at one bucket of each pending id, and prefetches the next of the chain. Whether an id is in
// its bucket cannot be predicted, so no branch depends on it; overflow[0] is never in use and
// takes the prefetches of those that were found.
static void look_once(
    const struct node_table *t, const uint32_t *ids, struct pending *p, struct node_lookup *out)
{
	unsigned count = 0, misses = p->misses;

	for (unsigned k = 0; k < p->count; k++) {
		uint8_t i = p->i[k];
		const struct node_bucket *b = p->at[i];
		bool found = node_bucket_find(b, ids[i], &out->entries[i]);
		uint32_t next = found ? 0 : node_bucket_overflow(t, b);

		p->at[i] = &t->overflow[next];
		__builtin_prefetch(p->at[i]);
		found_set(out, i, found);
		p->i[count] = i;
		count += next != 0;
		p->missed[misses] = i;
		misses += !found && next == 0;
	}
	p->count = count;
	p->misses = misses;
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

		found_set(out, i, node_table_find(t, ids[i], &out->entries[i]));
	}
}
