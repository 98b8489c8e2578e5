// SPDX-License-Identifier: BSD-3-Clause
#include "crypto/key_cache.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { PLACES_A_KEY = 4, WAYS = 2 };

struct key_cache {
	pthread_mutex_t lock;
	struct key_powers *ring;
	uint32_t *places; // by hash of the key: index in the ring, and one; 0 = none
	uint32_t size, next;
};

struct key_cache *key_cache_new(uint32_t keys)
{
	struct key_cache *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	pthread_mutex_init(&c->lock, NULL);
	c->size = keys;
	c->ring = calloc(keys, sizeof(*c->ring));
	c->places = calloc((size_t)keys * PLACES_A_KEY, sizeof(*c->places));
	if (c->ring && c->places)
		return c;
	key_cache_free(c);
	return NULL;
}

void key_cache_free(struct key_cache *c)
{
	if (!c)
		return;
	free(c->ring);
	free(c->places);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

// Where a key may be, the newer one first. Keys that meet here push each other out; that costs time
// only.
static uint32_t *places_of(const struct key_cache *c, const uint8_t key[32])
{
	uint32_t hash;

	memcpy(&hash, key, sizeof(hash));
	return &c->places[hash & (c->size * PLACES_A_KEY - WAYS)];
}

static const struct key_powers *find(const struct key_cache *c, const uint8_t key[32])
{
	const uint32_t *places = places_of(c, key);

	for (int way = 0; way < WAYS; way++) {
		const struct key_powers *p = places[way] ? &c->ring[places[way] - 1] : NULL;

		if (p && !memcmp(p->y[0], key, sizeof(p->y[0])))
			return p;
	}
	return NULL;
}

bool key_cache_find(struct key_cache *c, const uint8_t key[32], struct key_powers *powers)
{
	const struct key_powers *known;

	if (!c)
		return false;
	pthread_mutex_lock(&c->lock);
	known = find(c, key);
	if (known)
		*powers = *known;
	pthread_mutex_unlock(&c->lock);
	return known;
}

void key_cache_add(struct key_cache *c, const struct key_powers *powers)
{
	uint32_t *places = places_of(c, powers->y[0]);

	pthread_mutex_lock(&c->lock);
	if (!find(c, powers->y[0])) {
		places[1] = places[0];
		places[0] = c->next + 1;
		c->ring[c->next] = *powers;
		c->next = (c->next + 1) & (c->size - 1);
	}
	pthread_mutex_unlock(&c->lock);
}
