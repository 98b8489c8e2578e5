// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/registry/directory.h"
#include "controlplane/registry/names.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

// The directory's index of tags. A tag that nobody has any more keeps its entry for the next one.

static uint32_t hash_tag(const struct directory *d, const char *tag)
{
	uint64_t h;

	crypto_shorthash((uint8_t *)&h, (const uint8_t *)tag, strlen(tag), d->secret);
	return (uint32_t)h;
}

static struct tag_entry *find_entry(const struct directory *d, const char *tag)
{
	uint32_t hash = hash_tag(d, tag), place = index_start(&d->by_tag, hash), v;

	while ((v = index_next(&d->by_tag, hash, &place)) != 0)
		if (!strcmp(d->tags[v - 1].name, tag))
			return &d->tags[v - 1];
	return NULL;
}

// The name of an entry that no node needs is given to another tag.
static struct tag_entry *reuse_entry(struct directory *d)
{
	for (uint32_t i = 0; i < d->tag_count; i++)
		if (d->tags[i].nodes.count == 0) {
			index_remove(&d->by_tag, hash_tag(d, d->tags[i].name), i + 1);
			free(d->tags[i].name);
			d->tags[i].name = NULL;
			return &d->tags[i];
		}
	return NULL;
}

static struct tag_entry *new_entry(struct directory *d)
{
	struct tag_entry *more;
	uint32_t cap;

	if (d->tag_count < d->tag_cap)
		return &d->tags[d->tag_count++];
	more = reuse_entry(d);
	if (more)
		return more;
	cap = d->tag_cap ? d->tag_cap * 2 : 64;
	more = realloc(d->tags, cap * sizeof(*more));
	if (!more)
		return NULL;
	memset(more + d->tag_cap, 0, (cap - d->tag_cap) * sizeof(*more));
	d->tags = more;
	d->tag_cap = cap;
	return &d->tags[d->tag_count++];
}

static struct tag_entry *get_entry(struct directory *d, const char *tag)
{
	struct tag_entry *e = find_entry(d, tag);
	char *name;

	if (e)
		return e;
	name = strdup(tag);
	if (!name)
		return NULL;
	e = new_entry(d);
	if (!e) {
		free(name);
		return NULL;
	}
	e->name = name;
	// Without memory the entry is there, empty and not found; it is used again.
	if (index_add(&d->by_tag, hash_tag(d, tag), (uint32_t)(e - d->tags) + 1))
		return NULL;
	return e;
}

static uint32_t set_place(const struct slot_set *s, uint32_t slot)
{
	uint32_t low = 0, high = s->count;

	if (s->count && s->at[s->count - 1] < slot)
		return s->count;
	while (low < high) {
		uint32_t mid = (low + high) / 2;

		if (s->at[mid] < slot)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static int set_add(struct slot_set *s, uint32_t slot)
{
	uint32_t i = set_place(s, slot);

	if (i < s->count && s->at[i] == slot)
		return 0;
	if (s->count == s->cap) {
		uint32_t cap = s->cap ? s->cap * 2 : 4;
		uint32_t *more = realloc(s->at, cap * sizeof(*more));

		if (!more)
			return -ENOMEM;
		s->at = more;
		s->cap = cap;
	}
	memmove(s->at + i + 1, s->at + i, (s->count - i) * sizeof(*s->at));
	s->at[i] = slot;
	s->count++;
	return 0;
}

static void set_remove(struct slot_set *s, uint32_t slot)
{
	uint32_t i = set_place(s, slot);

	if (i == s->count || s->at[i] != slot)
		return;
	s->count--;
	memmove(s->at + i, s->at + i + 1, (s->count - i) * sizeof(*s->at));
	if (s->count == 0) {
		free(s->at);
		*s = (struct slot_set){0};
	}
}

// Calls for each tag of a text.
static int each_tag(struct directory *d, const struct dir_node *n, const char *tags, bool add)
{
	int rc = 0;

	while (tags && *tags) {
		size_t len = strcspn(tags, ",");
		char tag[TAG_LEN_MAX + 1];
		struct tag_entry *e;

		memcpy(tag, tags, len < TAG_LEN_MAX ? len : TAG_LEN_MAX);
		tag[len < TAG_LEN_MAX ? len : TAG_LEN_MAX] = 0;
		e = add ? get_entry(d, tag) : find_entry(d, tag);
		if (!e)
			rc = -ENOMEM;
		else if (!add)
			set_remove(&e->nodes, n->slot);
		else if (set_add(&e->nodes, n->slot))
			rc = -ENOMEM;
		tags += len + (tags[len] == ',');
	}
	return rc;
}

int directory_set_tags(struct directory *d, struct dir_node *n, const char *tags)
{
	char *copy = NULL;
	int rc = text_set(&copy, tags);

	if (rc)
		return rc;
	each_tag(d, n, n->tags, false);
	free(n->tags);
	n->tags = copy;
	return each_tag(d, n, copy, true);
}

const struct slot_set *directory_tagged(const struct directory *d, const char *tag)
{
	const struct tag_entry *e = find_entry(d, tag);

	return e && e->nodes.count ? &e->nodes : NULL;
}
