// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/registry/pairs.h"

#include "base/hash.h"
#include "crypto/identity.h"

#include <errno.h>
#include <stdlib.h>

void pairs_init(struct pairs *p)
{
	*p = (struct pairs){0};
	identity_random(&p->secret, sizeof(p->secret));
}

void pairs_free(struct pairs *p)
{
	free(p->at);
	index_free(&p->index);
}

static uint32_t hash_pair(const struct pairs *p, uint32_t low, uint32_t high)
{
	return (uint32_t)hash_number(p->secret, (uint64_t)low << 32 | high);
}

// Place + 1, or 0.
static uint32_t find(const struct pairs *p, uint32_t low, uint32_t high)
{
	uint32_t hash = hash_pair(p, low, high), place = index_start(&p->index, hash), v;

	while ((v = index_next(&p->index, hash, &place)) != 0)
		if (p->at[v - 1].low == low && p->at[v - 1].high == high)
			return v;
	return 0;
}

uint8_t pairs_get(const struct pairs *p, uint32_t a, uint32_t b)
{
	uint32_t v = find(p, a < b ? a : b, a < b ? b : a);

	return v ? p->at[v - 1].sides : 0;
}

static int add(struct pairs *p, uint32_t low, uint32_t high, uint32_t *v)
{
	if (p->free_head) {
		*v = p->free_head;
	} else {
		if (p->used == p->cap) {
			uint32_t cap = p->cap ? p->cap * 2 : 64;
			struct pair *more = realloc(p->at, cap * sizeof(*more));

			if (!more)
				return -ENOMEM;
			p->at = more;
			p->cap = cap;
		}
		*v = p->used + 1;
	}
	if (index_add(&p->index, hash_pair(p, low, high), *v))
		return -ENOMEM;
	if (p->free_head)
		p->free_head = p->at[*v - 1].high;
	else
		p->used++;
	p->at[*v - 1] = (struct pair){.low = low, .high = high};
	return 0;
}

static void count(struct pairs *p, uint8_t sides, uint32_t by)
{
	if (sides == PAIR_BOTH)
		p->count += by;
	else if (sides)
		p->one_sided += by;
}

int pairs_set(struct pairs *p, uint32_t a, uint32_t b, uint8_t sides)
{
	uint32_t low = a < b ? a : b, high = a < b ? b : a, v = find(p, low, high);

	if (!v && !sides)
		return 0;
	if (!v && add(p, low, high, &v))
		return -ENOMEM;
	count(p, p->at[v - 1].sides, (uint32_t)-1);
	count(p, sides, 1);
	p->at[v - 1].sides = sides;
	if (!sides) {
		index_remove(&p->index, hash_pair(p, low, high), v);
		p->at[v - 1] = (struct pair){.high = p->free_head};
		p->free_head = v;
	}
	return 0;
}
