// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <stddef.h>
#include <stdint.h>

// A hash index from 32-bit hashes to 32-bit values other than 0. Linear probing; the hash stands
// beside the value, so growth touches nothing else. The caller compares what a value stands for.
// One thread.
struct index_slot {
	uint32_t hash, value; // value 0: empty
};

struct index {
	struct index_slot *at;
	uint32_t mask; // places - 1
	uint32_t count;
};

void index_free(struct index *ix);
// 0 or -ENOMEM. A value may be added once for a hash only.
int index_add(struct index *ix, uint32_t hash, uint32_t value);
void index_remove(struct index *ix, uint32_t hash, uint32_t value);

// Walks the values of a hash: `place` from index_start(), 0 at the end.
static inline uint32_t index_start(const struct index *ix, uint32_t hash)
{
	return hash & ix->mask;
}

static inline uint32_t index_next(const struct index *ix, uint32_t hash, uint32_t *place)
{
	while (ix->at && ix->at[*place].value) {
		const struct index_slot *s = &ix->at[*place];

		*place = (*place + 1) & ix->mask;
		if (s->hash == hash)
			return s->value;
	}
	return 0;
}
