// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/registry/lookups.h"

#include "base/hash.h"
#include "controlplane/registry/field.h"
#include "controlplane/registry/object.h"
#include "crypto/identity.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int lookups_open(struct lookups *l)
{
	*l = (struct lookups){.entries = calloc(LOOKUP_SETS * LOOKUP_WAYS, sizeof(*l->entries))};
	identity_random(&l->secret, sizeof(l->secret));
	return l->entries ? 0 : -ENOMEM;
}

void lookups_close(struct lookups *l)
{
	free(l->entries);
	*l = (struct lookups){.entries = NULL};
}

static struct lookup *set_of(struct lookups *l, uint32_t node)
{
	return &l->entries[hash_number(l->secret, node) % LOOKUP_SETS * LOOKUP_WAYS];
}

static struct lookup *entry_of(struct lookups *l, uint32_t node)
{
	struct lookup *set = set_of(l, node);

	for (unsigned i = 0; i < LOOKUP_WAYS; i++)
		if (set[i].node == node && set[i].state != LOOKUP_NONE)
			return &set[i];
	return NULL;
}

static enum lookup_state state_at(const struct lookup *e, uint32_t now_s)
{
	return e->until_s > now_s ? e->state : LOOKUP_NONE;
}

// The least of the set: what has expired, then questions, absent nodes, known ones; of these the
// one that expires first.
static struct lookup *place_for(struct lookups *l, uint32_t node, uint32_t now_s)
{
	struct lookup *set = set_of(l, node), *least = set;

	for (unsigned i = 1; i < LOOKUP_WAYS; i++) {
		enum lookup_state a = state_at(&set[i], now_s), b = state_at(least, now_s);

		if (a < b || (a == b && set[i].until_s < least->until_s))
			least = &set[i];
	}
	return least;
}

static void ask_for(struct lookups *l, uint32_t node)
{
	l->waiting[(l->first + l->count++) % LOOKUP_WAITING_MAX] = node;
}

enum lookup_state lookups_find(struct lookups *l, uint32_t node, uint32_t now_s, struct lookup *out)
{
	struct lookup *e = entry_of(l, node);
	enum lookup_state state = e ? state_at(e, now_s) : LOOKUP_NONE;

	if (state != LOOKUP_NONE) {
		*out = *e;
		return state;
	}
	if (l->count == LOOKUP_WAITING_MAX)
		return LOOKUP_ASKED;
	if (!e)
		e = place_for(l, node, now_s);
	*e =
	    (struct lookup){.node = node, .state = LOOKUP_ASKED, .until_s = now_s + LOOKUP_ASKED_S};
	ask_for(l, node);
	return LOOKUP_ASKED;
}

bool lookups_doubt(struct lookups *l, uint32_t node, uint32_t now_s)
{
	struct lookup *e = entry_of(l, node);

	if (!e || state_at(e, now_s) != LOOKUP_KNOWN)
		return false;
	if (e->doubted_s && now_s - e->doubted_s < LOOKUP_DOUBT_S)
		return true;
	if (now_s + LOOKUP_KNOWN_S - e->until_s < LOOKUP_DOUBT_S || l->count == LOOKUP_WAITING_MAX)
		return false;
	e->doubted_s = now_s;
	ask_for(l, node);
	return true;
}

uint32_t lookups_next(struct lookups *l)
{
	uint32_t node;

	if (l->count == 0)
		return 0;
	node = l->waiting[l->first];
	l->first = (l->first + 1) % LOOKUP_WAITING_MAX;
	l->count--;
	return node;
}

static void add_anchor(struct lookup *e, const char *text)
{
	struct endpoint at;

	if (e->anchor_count < LOOKUP_ANCHORS && endpoint_parse(text, 1, &at) == 0)
		memcpy(e->anchors[e->anchor_count++], at.addr, sizeof(at.addr));
}

static bool read_known(const json_t *o, struct lookup *e)
{
	const json_t *anchors = json_object_get(o, "anchors"), *v;
	size_t i;

	if (!key_parse(object_text(o, "public_key"), e->key))
		return false;
	e->told = json_is_array(anchors);
	json_array_foreach(anchors, i, v) add_anchor(e, json_string_value(v) ?: "");
	if (!e->told)
		add_anchor(e, object_text(o, "real_addr"));
	return true;
}

bool lookup_is_from(const struct lookup *e, const struct endpoint *from)
{
	for (unsigned i = 0; i < e->anchor_count; i++)
		if (memcmp(e->anchors[i], from->addr, sizeof(from->addr)) == 0)
			return true;
	return false;
}

bool lookups_answer(struct lookups *l, uint32_t node, const void *json, size_t len, uint32_t now_s)
{
	struct lookup next = {.node = node};
	json_t *o = object_parse(json, len);
	struct lookup *e = entry_of(l, node);
	const char *error = object_text(o, "error");
	bool good = true;

	if (strstr(error, "not found"))
		next.state = LOOKUP_ABSENT;
	else if (!*error && object_u32(o, "node_id") == node && read_known(o, &next))
		next.state = LOOKUP_KNOWN;
	else
		good = false;
	l->untold = next.state == LOOKUP_KNOWN && !next.told;
	json_decref(o);
	next.until_s = now_s + (next.state == LOOKUP_KNOWN ? LOOKUP_KNOWN_S : LOOKUP_ABSENT_S);
	if (good)
		*(e ? e : place_for(l, node, now_s)) = next;
	return good;
}
