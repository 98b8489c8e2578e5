// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/room.h"

#include "shm/kernel_memory.h"

#include <string.h>

// changed_at is our own sign of life: what we learnt or refreshed ourselves.
static uint32_t alive_at(const struct node_table *t, uint32_t index)
{
	uint32_t seen, changed, relayed;

	if (index > t->index_max)
		return 0;
	seen = __atomic_load_n(&t->last_seen[index], __ATOMIC_RELAXED);
	changed = t->info[index].changed_at;
	seen = seen > changed ? seen : changed;
	relayed = t->kernel ? kernel_state_seen(&t->kernel[index]) : 0;
	return seen > relayed ? seen : relayed;
}

uint32_t node_alive_at(const struct node_table *t, struct node_entry entry)
{
	return alive_at(t, node_entry_index(entry));
}

enum standing node_standing(const struct node_table *t, uint32_t index)
{
	const struct node_info *info = &t->info[index];

	if (info->standing >= STANDING_FAMILIAR)
		return info->standing >= STANDING_PROVEN ? STANDING_PROVEN : STANDING_FAMILIAR;
	return alive_at(t, index) >= info->address_since + STANDING_FAMILIAR_S ? STANDING_FAMILIAR
									       : STANDING_NEW;
}

void node_standing_begin(
    const struct node_table *t, struct node_entry entry, enum standing standing, uint32_t now_s)
{
	struct node_info *info = &t->info[node_entry_index(entry)];

	info->standing = (uint8_t)standing;
	info->address_since = now_s;
}

struct candidate {
	struct node_entry entry;
	enum standing standing;
	uint32_t alive_at;
};

static bool goes_before(const struct candidate *a, const struct candidate *b)
{
	if (a->standing != b->standing)
		return a->standing < b->standing;
	return a->alive_at < b->alive_at;
}

// Of one window; false when all in it stay.
static bool window_find(
    const struct node_table *t, uint64_t *cursor, enum standing below, struct candidate *best)
{
	struct node_entry entries[ROOM_WINDOW];
	unsigned n = node_table_walk(t, cursor, entries, ROOM_WINDOW);
	bool found = false;

	if (*cursor >= NODE_CURSOR_END)
		*cursor = 0;
	for (unsigned i = 0; i < n; i++) {
		struct candidate c = {.entry = entries[i]};

		if (node_entry_flags(c.entry) & NODE_REMOTE)
			continue;
		c.standing = node_standing(t, node_entry_index(c.entry));
		c.alive_at = node_alive_at(t, c.entry);
		if (c.standing < below && (!found || goes_before(&c, best))) {
			*best = c;
			found = true;
		}
	}
	return found;
}

bool room_find(
    const struct node_table *t, uint64_t *cursor, enum standing newcomer, struct node_entry *victim)
{
	enum standing below = newcomer == STANDING_PROVEN ? STANDING_PROVEN : STANDING_FAMILIAR;
	struct candidate best = {.standing = below};

	for (unsigned i = 0; i < ROOM_WINDOWS; i++) {
		if (!window_find(t, cursor, below, &best))
			continue;
		*victim = best.entry;
		return true;
	}
	return false;
}

// Local nodes from the cursor on, ROOM_SAMPLE at most; the order of the walk is that of a hash.
static unsigned sample_take(const struct node_table *t, uint64_t *cursor, struct node_entry *sample)
{
	unsigned count = 0;

	for (unsigned i = 0; i < ROOM_SAMPLE && count + ROOM_WINDOW <= ROOM_SAMPLE; i++) {
		struct node_entry *at = sample + count;
		unsigned n = node_table_walk(t, cursor, at, ROOM_WINDOW);

		if (*cursor >= NODE_CURSOR_END)
			*cursor = 0;
		for (unsigned k = 0; k < n; k++)
			if (!(node_entry_flags(at[k]) & NODE_REMOTE))
				sample[count++] = at[k];
	}
	return count;
}

enum room room_for(const struct node_table *t, uint64_t *cursor, const struct endpoint *from,
    enum standing newcomer, unsigned percent)
{
	uint32_t nodes = __atomic_load_n(&t->header->node_count, __ATOMIC_RELAXED);
	struct node_entry sample[ROOM_SAMPLE];
	unsigned count, same = 0, familiar = 0;

	if (!percent || nodes < t->capacity - t->capacity / ROOM_KEPT_SHARE)
		return ROOM_FREE;
	count = sample_take(t, cursor, sample);
	for (unsigned i = 0; i < count; i++) {
		struct endpoint at;

		same += node_table_endpoint(t, sample[i], &at) && endpoint_same_network(&at, from);
	}
	if (same * 100 <= percent * count)
		return ROOM_FREE;
	if (newcomer == STANDING_NEW)
		return ROOM_KEPT;
	for (unsigned i = 0; i < count; i++)
		familiar += node_standing(t, node_entry_index(sample[i])) >= STANDING_FAMILIAR;
	return familiar * ROOM_KEPT_SHARE < count * (ROOM_KEPT_SHARE - 1) ? ROOM_IN_TURN
									  : ROOM_KEPT;
}
