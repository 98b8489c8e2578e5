// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/table/lookup.h"

#include <string.h>

// Ids that were not in the bucket looked at, with the next bucket of their chain.
struct pending {
	const struct node_bucket *at[LOOKUP_MAX];
	uint8_t i[LOOKUP_MAX];
	unsigned count;
};

static void mark_found(struct node_lookup *out, unsigned i)
{
	out->found[i / 64] |= 1ULL << (i & 63);
}

// Looks at the pending buckets; what is not there goes on to the next bucket of its chain.
// Returns how many ids ended without being found.
static unsigned look_once(const struct node_table *t, const uint32_t *ids, struct pending *p,
    struct node_lookup *out, uint8_t *missed, unsigned misses)
{
	unsigned count = p->count;

	p->count = 0;
	for (unsigned k = 0; k < count; k++) {
		const struct node_bucket *b = p->at[k];
		uint8_t i = p->i[k];

		if (node_bucket_find(b, ids[i], &out->entries[i])) {
			mark_found(out, i);
			continue;
		}
		b = node_bucket_next(t, b);
		if (!b) {
			missed[misses++] = i;
			continue;
		}
		__builtin_prefetch(b);
		p->at[p->count] = b;
		p->i[p->count++] = i;
	}
	return misses;
}

void node_lookup_run(
    const struct node_table *t, const uint32_t *ids, unsigned n, struct node_lookup *out)
{
	uint64_t state = node_table_state(t);
	uint32_t buckets = node_state_buckets(t, state);
	uint8_t missed[LOOKUP_MAX];
	unsigned misses = 0;
	struct pending p = {.count = 0};

	memset(out->found, 0, sizeof(out->found));
	for (unsigned i = 0; i < n; i++) {
		uint32_t hash = node_hash(t->hash_key, ids[i]);

		p.at[p.count] = &t->buckets[node_bucket_of(hash, buckets)];
		__builtin_prefetch(p.at[p.count]);
		p.i[p.count] = (uint8_t)i;
		p.count += ids[i] != 0;
	}
	for (unsigned round = 0; round <= CHAIN_MAX && p.count; round++)
		misses = look_once(t, ids, &p, out, missed, misses);
	// An entry may have moved while we looked; then the state says so.
	if (misses == 0 || node_table_state(t) == state)
		return;
	for (unsigned k = 0; k < misses; k++) {
		if (node_table_find(t, ids[missed[k]], &out->entries[missed[k]]))
			mark_found(out, missed[k]);
	}
}
