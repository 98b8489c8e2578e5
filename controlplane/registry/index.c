// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/registry/index.h"

#include <errno.h>
#include <stdlib.h>

enum { INDEX_FIRST = 64 };

void index_free(struct index *ix)
{
	free(ix->at);
	*ix = (struct index){0};
}

static void place(struct index *ix, struct index_slot slot)
{
	uint32_t i = slot.hash & ix->mask;

	while (ix->at[i].value)
		i = (i + 1) & ix->mask;
	ix->at[i] = slot;
}

static int grow(struct index *ix)
{
	uint32_t old = ix->at ? ix->mask + 1 : 0, cap = old ? old * 2 : INDEX_FIRST;
	struct index bigger = {.at = calloc(cap, sizeof(*ix->at)), .mask = cap - 1};

	if (!bigger.at)
		return -ENOMEM;
	for (uint32_t i = 0; i < old; i++)
		if (ix->at[i].value)
			place(&bigger, ix->at[i]);
	bigger.count = ix->count;
	free(ix->at);
	*ix = bigger;
	return 0;
}

int index_add(struct index *ix, uint32_t hash, uint32_t value)
{
	if ((!ix->at || ix->count >= (ix->mask + 1) / 4 * 3) && grow(ix))
		return -ENOMEM;
	place(ix, (struct index_slot){.hash = hash, .value = value});
	ix->count++;
	return 0;
}

void index_remove(struct index *ix, uint32_t hash, uint32_t value)
{
	uint32_t i = hash & ix->mask, hole;

	if (!ix->at)
		return;
	while (ix->at[i].value && (ix->at[i].hash != hash || ix->at[i].value != value))
		i = (i + 1) & ix->mask;
	if (!ix->at[i].value)
		return;
	ix->count--;
	// Move back what would not be found any more behind the hole.
	for (hole = i;;) {
		i = (i + 1) & ix->mask;
		if (!ix->at[i].value)
			break;
		if (((i - ix->at[i].hash) & ix->mask) >= ((i - hole) & ix->mask)) {
			ix->at[hole] = ix->at[i];
			hole = i;
		}
	}
	ix->at[hole] = (struct index_slot){0};
}
