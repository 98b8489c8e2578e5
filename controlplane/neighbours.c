// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/neighbours.h"

#include "base/hash.h"
#include "crypto/identity.h"

#include <string.h>

void neighbours_init(struct neighbours *t)
{
	identity_random(&t->secret, sizeof(t->secret));
	memset(t->heads, 0, sizeof(t->heads));
	t->round = 0;
	t->count = 0;
	t->refused = 0;
	t->free = 1;
	for (unsigned i = 0; i < NEIGHBOUR_MAX; i++)
		t->at[i].next = i + 1 < NEIGHBOUR_MAX ? (uint16_t)(i + 2) : 0;
}

uint64_t neighbours_hash(const struct neighbours *t, uint32_t ifindex, const uint8_t addr[16])
{
	return hash_address(t->secret, addr, ifindex);
}

static uint16_t *link_of(struct neighbours *t, uint32_t ifindex, const uint8_t addr[16])
{
	uint16_t *link = &t->heads[neighbours_hash(t, ifindex, addr) % NEIGHBOUR_BUCKETS];

	while (*link) {
		const struct neigh *n = &t->at[*link - 1].n;

		if (n->ifindex == ifindex && memcmp(n->addr, addr, 16) == 0)
			break;
		link = &t->at[*link - 1].next;
	}
	return link;
}

const struct neigh *neighbours_find(
    const struct neighbours *t, uint32_t ifindex, const uint8_t addr[16])
{
	uint16_t place = *link_of((struct neighbours *)t, ifindex, addr);

	return place ? &t->at[place - 1].n : NULL;
}

static bool neigh_equal(const struct neigh *a, const struct neigh *b)
{
	return a->usable == b->usable && a->stale == b->stale && memcmp(a->mac, b->mac, 6) == 0;
}

bool neighbours_put(struct neighbours *t, const struct neigh *n)
{
	uint16_t *link = link_of(t, n->ifindex, n->addr);
	uint16_t place = *link;
	bool changed = true;

	if (!place) {
		place = t->free;
		if (!place) {
			t->refused++;
			return false;
		}
		t->free = t->at[place - 1].next;
		t->at[place - 1].next = 0;
		*link = place;
		t->count++;
	} else {
		changed = !neigh_equal(&t->at[place - 1].n, n);
	}
	t->at[place - 1].n = *n;
	t->at[place - 1].round = t->round;
	return changed;
}

static void place_free(struct neighbours *t, uint16_t *link)
{
	uint16_t place = *link;

	*link = t->at[place - 1].next;
	t->at[place - 1].next = t->free;
	t->free = place;
	t->count--;
}

bool neighbours_remove(struct neighbours *t, uint32_t ifindex, const uint8_t addr[16])
{
	uint16_t *link = link_of(t, ifindex, addr);

	if (!*link)
		return false;
	place_free(t, link);
	return true;
}

void neighbours_dump_begin(struct neighbours *t)
{
	t->round++;
}

void neighbours_dump_end(
    struct neighbours *t, void (*removed)(void *ctx, const struct neigh *n), void *ctx)
{
	for (unsigned b = 0; b < NEIGHBOUR_BUCKETS; b++) {
		uint16_t *link = &t->heads[b];

		while (*link) {
			struct neigh gone = t->at[*link - 1].n;

			if (t->at[*link - 1].round == t->round) {
				link = &t->at[*link - 1].next;
				continue;
			}
			place_free(t, link);
			removed(ctx, &gone);
		}
	}
}
