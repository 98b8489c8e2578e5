// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/registry/sources.h"

#include "base/hash.h"
#include "crypto/identity.h"

#include <stdlib.h>
#include <string.h>

enum { SWEEP_TURNS = 100 };

void sources_init(struct sources *s)
{
	*s = (struct sources){0};
	identity_random(&s->secret, sizeof(s->secret));
}

void sources_free(struct sources *s)
{
	free(s->at);
	index_free(&s->index);
}

static uint64_t net_of(const struct endpoint *e)
{
	return endpoint_is_v4(e) ? load_be32(e->addr + 12) : load_be64(e->addr);
}

static uint32_t hash_net(const struct sources *s, uint64_t net)
{
	return (uint32_t)hash_number(s->secret, net);
}

static struct source *find(const struct sources *s, uint64_t net)
{
	uint32_t hash = hash_net(s, net), place = index_start(&s->index, hash), v;

	while ((v = index_next(&s->index, hash, &place)) != 0)
		if (s->at[v - 1].net == net)
			return &s->at[v - 1];
	return NULL;
}

static struct source *add(struct sources *s, uint64_t net)
{
	uint32_t v = s->unused;

	if (!v && s->used == s->cap) {
		uint32_t cap = s->cap ? s->cap * 2 : 64;
		struct source *more = realloc(s->at, cap * sizeof(*more));

		if (!more)
			return NULL;
		s->at = more;
		s->cap = cap;
	}
	if (!v)
		v = s->used + 1;
	if (index_add(&s->index, hash_net(s, net), v))
		return NULL;
	if (v == s->unused)
		s->unused = s->at[v - 1].next;
	else
		s->used++;
	s->at[v - 1] = (struct source){.net = net, .used = true};
	return &s->at[v - 1];
}

struct source *sources_of(struct sources *s, const struct endpoint *from)
{
	uint64_t net = net_of(from);
	struct source *e = find(s, net);

	return e ? e : add(s, net);
}

void sources_give(struct sources *s, const struct endpoint *from)
{
	struct source *e = find(s, net_of(from));

	if (e && e->count)
		e->count--;
}

static void forget(struct sources *s, struct source *e)
{
	uint32_t v = (uint32_t)(e - s->at) + 1;

	index_remove(&s->index, hash_net(s, e->net), v);
	*e = (struct source){.next = s->unused};
	s->unused = v;
}

void sources_sweep(struct sources *s, uint32_t now, uint32_t a_tick)
{
	for (uint32_t left = s->used / SWEEP_TURNS + 1; left && s->used; left--) {
		struct source *e = &s->at[s->cursor++ % s->used];

		bucket_drain(&e->bucket, now, a_tick);
		if (e->used && !e->count && !e->bucket.used)
			forget(s, e);
	}
}
