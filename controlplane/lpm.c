// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/lpm.h"

#include "base/hash.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 2 * LPM_ROUTE_MAX, NONE = 0xffff };

struct lpm_slot {
	struct route route;
	uint16_t next; // in its bucket
};

struct lpm {
	uint16_t heads[BUCKETS];
	unsigned count;
	uint64_t lengths[3]; // bit n: a route of that length exists
	struct lpm_slot slots[LPM_ROUTE_MAX];
};

static_assert((int)LPM_ROUTE_MAX < (int)NONE, "slot numbers");

struct lpm *lpm_new(void)
{
	struct lpm *t = malloc(sizeof(*t));

	if (t)
		lpm_clear(t);
	return t;
}

void lpm_free(struct lpm *t)
{
	free(t);
}

void lpm_clear(struct lpm *t)
{
	memset(t->heads, 0xff, sizeof(t->heads));
	memset(t->lengths, 0, sizeof(t->lengths));
	t->count = 0;
}

static void mask_to(const uint8_t addr[16], unsigned length, uint8_t out[16])
{
	memset(out, 0, 16);
	memcpy(out, addr, length / 8);
	if (length % 8)
		out[length / 8] = addr[length / 8] & (uint8_t)(0xff << (8 - length % 8));
}

static unsigned bucket_of(const uint8_t prefix[16], unsigned length)
{
	return hash_address(0, prefix, length) % BUCKETS;
}

int lpm_add(struct lpm *t, const struct route *route)
{
	uint8_t prefix[16];
	uint16_t *link;

	if (t->count == LPM_ROUTE_MAX)
		return -ENOSPC;
	mask_to(route->prefix, route->length, prefix);
	link = &t->heads[bucket_of(prefix, route->length)];
	while (*link != NONE)
		link = &t->slots[*link].next;
	*link = (uint16_t)t->count;
	t->slots[t->count] = (struct lpm_slot){.route = *route, .next = NONE};
	memcpy(t->slots[t->count].route.prefix, prefix, sizeof(prefix));
	t->lengths[route->length / 64] |= 1ULL << route->length % 64;
	t->count++;
	return 0;
}

static bool route_before(const struct route *a, const struct route *b)
{
	if (a->metric != b->metric)
		return a->metric < b->metric;
	return !a->ifindex && b->ifindex;
}

static bool route_beside(const struct route *a, const struct route *b)
{
	return b->weight && a->length == b->length && a->metric == b->metric &&
	       memcmp(a->prefix, b->prefix, 16) == 0;
}

// Of the ways that `best` is one of, the one for this address: always the same, each of them used
// by its weight, as the kernel does with a hash of its own.
static const struct route *pick_way(
    const struct lpm *t, uint16_t head, const struct route *best, const uint8_t addr[16])
{
	unsigned weights = 0;
	int turn;

	for (uint16_t i = head; i != NONE; i = t->slots[i].next)
		if (route_beside(best, &t->slots[i].route))
			weights += t->slots[i].route.weight;
	turn = (int)(hash_address(0, addr, 0) % weights);
	for (uint16_t i = head; i != NONE; i = t->slots[i].next) {
		const struct route *r = &t->slots[i].route;

		if (!route_beside(best, r))
			continue;
		turn -= r->weight;
		if (turn < 0)
			return r;
	}
	return best;
}

static const struct route *find_length(const struct lpm *t, const uint8_t addr[16], unsigned length)
{
	const struct route *best = NULL;
	uint8_t prefix[16];
	uint16_t head;

	mask_to(addr, length, prefix);
	head = t->heads[bucket_of(prefix, length)];
	for (uint16_t i = head; i != NONE; i = t->slots[i].next) {
		const struct route *r = &t->slots[i].route;

		if (r->length == length && memcmp(r->prefix, prefix, 16) == 0 &&
		    (!best || route_before(r, best)))
			best = r;
	}
	return best && best->weight ? pick_way(t, head, best, addr) : best;
}

const struct route *lpm_find(const struct lpm *t, const uint8_t addr[16])
{
	for (int word = 2; word >= 0; word--)
		for (uint64_t left = t->lengths[word]; left;) {
			unsigned bit = 63 - (unsigned)__builtin_clzll(left);
			const struct route *r = find_length(t, addr, word * 64 + bit);

			if (r)
				return r;
			left &= ~(1ULL << bit);
		}
	return NULL;
}

unsigned lpm_count(const struct lpm *t)
{
	return t->count;
}

bool lpm_equal(const struct lpm *a, const struct lpm *b)
{
	// The kernel dumps its table in the same order each time.
	if (a->count != b->count)
		return false;
	for (unsigned i = 0; i < a->count; i++)
		if (memcmp(&a->slots[i].route, &b->slots[i].route, sizeof(struct route)) != 0)
			return false;
	return true;
}
