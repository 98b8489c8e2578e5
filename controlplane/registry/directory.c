// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/registry/directory.h"

#include "controlplane/registry/names.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

static uint32_t hash_id(uint32_t id)
{
	uint32_t h = id * 0x9e3779b1u;

	return h ^ h >> 15;
}

static uint32_t hash_bytes(const struct directory *d, const void *data, size_t len)
{
	uint64_t h;

	crypto_shorthash((uint8_t *)&h, data, len, d->secret);
	return (uint32_t)h;
}

static uint32_t hash_text(const struct directory *d, const char *text)
{
	return hash_bytes(d, text, strlen(text));
}

void directory_init(struct directory *d, uint32_t capacity)
{
	*d = (struct directory){.capacity = capacity, .next_id = 1};
	identity_random(d->secret, sizeof(d->secret));
}

int text_set(char **place, const char *value)
{
	char *copy = NULL;

	if (value && *value) {
		copy = strdup(value);
		if (!copy)
			return -ENOMEM;
	}
	free(*place);
	*place = copy;
	return 0;
}

static struct dir_node *at_slot(const struct directory *d, uint32_t slot)
{
	return &d->chunks[slot / DIRECTORY_CHUNK][slot % DIRECTORY_CHUNK];
}

struct dir_node *directory_slot(const struct directory *d, uint32_t slot)
{
	struct dir_node *n = slot < d->slots ? at_slot(d, slot) : NULL;

	return n && n->id ? n : NULL;
}

struct dir_node *directory_find(const struct directory *d, uint32_t id)
{
	uint32_t hash = hash_id(id), place = index_start(&d->by_id, hash), v;

	while ((v = index_next(&d->by_id, hash, &place)) != 0)
		if (at_slot(d, v - 1)->id == id)
			return at_slot(d, v - 1);
	return NULL;
}

struct dir_node *directory_live(const struct directory *d, uint32_t id)
{
	struct dir_node *n = directory_find(d, id);

	return n && n->live ? n : NULL;
}

static struct dir_node *find_key(const struct directory *d, const uint8_t *key, uint32_t hash)
{
	uint32_t place = index_start(&d->by_key, hash), v;

	while ((v = index_next(&d->by_key, hash, &place)) != 0)
		if (!memcmp(at_slot(d, v - 1)->key, key, IDENTITY_KEY_SIZE))
			return at_slot(d, v - 1);
	return NULL;
}

struct dir_node *directory_by_key(const struct directory *d, const uint8_t key[IDENTITY_KEY_SIZE])
{
	return find_key(d, key, hash_bytes(d, key, IDENTITY_KEY_SIZE));
}

struct dir_node *directory_by_hostname(const struct directory *d, const char *hostname)
{
	uint32_t hash = hash_text(d, hostname), place = index_start(&d->by_name, hash), v;

	while ((v = index_next(&d->by_name, hash, &place)) != 0)
		if (!strcmp(at_slot(d, v - 1)->hostname, hostname))
			return at_slot(d, v - 1);
	return NULL;
}

// One more slot at the end.
static int slots_grow(struct directory *d)
{
	uint32_t cap = d->slots_cap + DIRECTORY_CHUNK;
	struct dir_node **chunks;
	uint32_t *seen;

	// NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers
	chunks = realloc(d->chunks, cap / DIRECTORY_CHUNK * sizeof(*chunks));
	if (!chunks)
		return -ENOMEM;
	d->chunks = chunks;
	seen = realloc(d->seen, cap * sizeof(*seen));
	if (!seen)
		return -ENOMEM;
	d->seen = seen;
	chunks[d->slots_cap / DIRECTORY_CHUNK] = calloc(DIRECTORY_CHUNK, sizeof(**chunks));
	if (!chunks[d->slots_cap / DIRECTORY_CHUNK])
		return -ENOMEM;
	memset(seen + d->slots_cap, 0, DIRECTORY_CHUNK * sizeof(*seen));
	d->slots_cap = cap;
	return 0;
}

static int slot_take(struct directory *d, uint32_t *slot)
{
	if (d->free_count) {
		*slot = d->free_slots[--d->free_count];
		return 0;
	}
	if (d->slots == d->slots_cap && slots_grow(d))
		return -ENOMEM;
	*slot = d->slots++;
	return 0;
}

// A slot that cannot be noted as free is lost until the next start.
static void slot_give(struct directory *d, uint32_t slot)
{
	if (d->free_count == d->free_cap) {
		uint32_t cap = d->free_cap ? d->free_cap * 2 : 256;
		uint32_t *bigger = realloc(d->free_slots, cap * sizeof(*bigger));

		if (!bigger)
			return;
		d->free_slots = bigger;
		d->free_cap = cap;
	}
	d->free_slots[d->free_count++] = slot;
}

struct dir_node *directory_add(
    struct directory *d, uint32_t id, const uint8_t key[IDENTITY_KEY_SIZE])
{
	uint32_t hash = hash_bytes(d, key, IDENTITY_KEY_SIZE), slot;
	struct dir_node *n;

	errno = EEXIST;
	if (id == 0 || directory_find(d, id) || find_key(d, key, hash))
		return NULL;
	errno = ENOSPC;
	if (d->count >= d->capacity)
		return NULL;
	errno = ENOMEM;
	if (slot_take(d, &slot))
		return NULL;
	n = at_slot(d, slot);
	*n = (struct dir_node){.id = id, .slot = slot};
	memcpy(n->key, key, IDENTITY_KEY_SIZE);
	if (index_add(&d->by_id, hash_id(id), slot + 1))
		goto no_id;
	if (index_add(&d->by_key, hash, slot + 1))
		goto no_key;
	d->count++;
	return n;
no_key:
	index_remove(&d->by_id, hash_id(id), slot + 1);
no_id:
	n->id = 0;
	slot_give(d, slot);
	errno = ENOMEM;
	return NULL;
}

void directory_remove(struct directory *d, struct dir_node *n)
{
	directory_set_live(d, n, false, 0);
	directory_set_hostname(d, n, "");
	directory_set_tags(d, n, "");
	index_remove(&d->by_id, hash_id(n->id), n->slot + 1);
	index_remove(&d->by_key, hash_bytes(d, n->key, IDENTITY_KEY_SIZE), n->slot + 1);
	free(n->owner);
	free(n->external_id);
	free(n->lan_addrs);
	free(n->endpoints);
	free(n->claim);
	free(n->networks);
	n->id = 0;
	d->count--;
	slot_give(d, n->slot);
}

void directory_set_live(struct directory *d, struct dir_node *n, bool live, uint32_t now_s)
{
	if (n->live != live) {
		if (live)
			d->live++;
		else
			d->live--;
	}
	n->live = live;
	if (live)
		directory_touch(d, n, now_s);
	else
		d->seen[n->slot] = 0;
}

int directory_set_key(struct directory *d, struct dir_node *n, const uint8_t key[IDENTITY_KEY_SIZE])
{
	uint32_t before = hash_bytes(d, n->key, IDENTITY_KEY_SIZE);
	uint32_t after = hash_bytes(d, key, IDENTITY_KEY_SIZE);
	const struct dir_node *owner = directory_by_key(d, key);

	if (owner)
		return owner == n ? 0 : -EEXIST;
	if (index_add(&d->by_key, after, n->slot + 1))
		return -ENOMEM;
	// With equal hashes one of two equal entries goes: either will do.
	index_remove(&d->by_key, before, n->slot + 1);
	memcpy(n->key, key, IDENTITY_KEY_SIZE);
	return 0;
}

int directory_set_hostname(struct directory *d, struct dir_node *n, const char *hostname)
{
	const struct dir_node *holder = *hostname ? directory_by_hostname(d, hostname) : NULL;
	char *copy = NULL;

	if (holder)
		return holder == n ? 0 : -EEXIST;
	if (*hostname) {
		copy = strdup(hostname);
		if (!copy || index_add(&d->by_name, hash_text(d, copy), n->slot + 1)) {
			free(copy);
			return -ENOMEM;
		}
	}
	if (n->hostname)
		index_remove(&d->by_name, hash_text(d, n->hostname), n->slot + 1);
	free(n->hostname);
	n->hostname = copy;
	return 0;
}

int directory_set_version(struct directory *d, struct dir_node *n, const char *version)
{
	char *copy;

	for (uint32_t i = 0; i < d->version_count; i++)
		if (!strcmp(d->versions[i], version)) {
			n->version = d->versions[i];
			return 0;
		}
	// Versions are what daemons say; a liar's thousand of them are not worth keeping.
	if (d->version_count == VERSION_MAX || strlen(version) > VERSION_LEN_MAX)
		return 0;
	copy = strdup(version);
	if (!copy)
		return -ENOMEM;
	d->versions[d->version_count++] = copy;
	n->version = copy;
	return 0;
}

static uint32_t network_place(const struct dir_node *n, uint16_t network)
{
	uint32_t i = 0;

	while (i < n->network_count && n->networks[i] < network)
		i++;
	return i;
}

bool directory_in_network(const struct dir_node *n, uint16_t network)
{
	uint32_t i = network_place(n, network);

	return i < n->network_count && n->networks[i] == network;
}

int directory_join(struct dir_node *n, uint16_t network)
{
	uint32_t i = network_place(n, network);
	uint16_t *more;

	if (directory_in_network(n, network))
		return 0;
	more = realloc(n->networks, (n->network_count + 1u) * sizeof(*more));
	if (!more)
		return -ENOMEM;
	memmove(more + i + 1, more + i, (n->network_count - i) * sizeof(*more));
	more[i] = network;
	n->networks = more;
	n->network_count++;
	return 0;
}

void directory_leave(struct dir_node *n, uint16_t network)
{
	uint32_t i = network_place(n, network);

	if (!directory_in_network(n, network))
		return;
	n->network_count--;
	memmove(
	    n->networks + i, n->networks + i + 1, (n->network_count - i) * sizeof(*n->networks));
}

bool directory_share_network(const struct dir_node *a, const struct dir_node *b)
{
	uint32_t i = 0, j = 0;

	while (i < a->network_count && j < b->network_count) {
		if (a->networks[i] == b->networks[j])
			return true;
		if (a->networks[i] < b->networks[j])
			i++;
		else
			j++;
	}
	return false;
}

void directory_free(struct directory *d)
{
	for (uint32_t i = 0; i < d->slots; i++)
		if (directory_slot(d, i))
			directory_remove(d, at_slot(d, i));
	for (uint32_t i = 0; i < d->slots_cap / DIRECTORY_CHUNK; i++)
		free(d->chunks[i]);
	for (uint32_t i = 0; i < d->version_count; i++)
		free(d->versions[i]);
	for (uint32_t i = 0; i < d->tag_count; i++) {
		free(d->tags[i].name);
		free(d->tags[i].nodes.at);
	}
	free(d->chunks);
	free(d->seen);
	free(d->free_slots);
	free(d->tags);
	index_free(&d->by_id);
	index_free(&d->by_key);
	index_free(&d->by_name);
	index_free(&d->by_tag);
}
