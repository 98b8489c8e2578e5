// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "controlplane/registry/index.h"
#include "crypto/identity.h"
#include "wire/endpoint.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Every node that the registry knows, in memory: found by id, key, hostname and tag. Nodes that
// have gone stay (their id is their key's for ever), without hostname and endpoint. No I/O, no
// clock. One thread. Changes here are not stored; registry.h does that.

// Relayed handshakes of a node; inbox.h.
struct inbox;

// Texts are owned, NULL when empty.
struct dir_node {
	uint8_t key[IDENTITY_KEY_SIZE];
	uint8_t anchor[16]; // address that its last signed request came from; zero = none
	struct endpoint at; // port 0: none
	uint32_t id, slot;
	uint32_t rotations;
	int32_t polo;
	int64_t created, rotated, expires; // of the key; seconds since 1970, 0 = never
	bool live, public, task_exec;
	bool proven;	// has signed a request with its key
	bool ratcheted; // has signed a registration: unsigned ones are refused
	uint8_t inbox_full;
	uint16_t network_count;
	uint16_t consents; // one-sided trust that it declared
	char *hostname;
	char *owner;
	char *external_id;
	char *tags;	     // "gpu,llm"
	char *lan_addrs;     // one a line
	char *endpoints;     // "network address", one a line
	char *claim;	     // another address of its datagrams, place.h
	const char *version; // shared between nodes, or NULL
	uint16_t *networks;  // sorted, without the backbone
	struct inbox *inbox; // or NULL
};

// Nodes with a tag, by slot in ascending order.
struct slot_set {
	uint32_t *at;
	uint32_t count, cap;
};

struct tag_entry {
	char *name;
	struct slot_set nodes;
};

enum { DIRECTORY_CHUNK = 1024, VERSION_MAX = 256, VERSION_LEN_MAX = 32 };

struct directory {
	struct dir_node **chunks; // DIRECTORY_CHUNK nodes each
	uint32_t *seen;		  // by slot: seconds of CLOCK_MONOTONIC; 0 = gone or not used
	uint32_t slots, slots_cap;
	uint32_t *free_slots;
	uint32_t free_count, free_cap;
	struct index by_id, by_key, by_name, by_tag;
	struct tag_entry *tags;
	uint32_t tag_count, tag_cap;
	char *versions[VERSION_MAX];
	uint32_t version_count;
	uint8_t secret[16]; // hashes cannot be aimed at
	uint32_t next_id;   // the next node that is new gets it
	uint32_t count, live, capacity;
};

void directory_init(struct directory *d, uint32_t capacity);
void directory_free(struct directory *d);

// NULL when unknown. `find` gives nodes that have gone too, `live` does not.
struct dir_node *directory_find(const struct directory *d, uint32_t id);
struct dir_node *directory_live(const struct directory *d, uint32_t id);
struct dir_node *directory_by_key(const struct directory *d, const uint8_t key[IDENTITY_KEY_SIZE]);
struct dir_node *directory_by_hostname(const struct directory *d, const char *hostname);
// By slot; NULL when it is not in use.
struct dir_node *directory_slot(const struct directory *d, uint32_t slot);
// NULL when no node has the tag.
const struct slot_set *directory_tagged(const struct directory *d, const char *tag);

// A new node that is not live. NULL with errno ENOSPC (full), EEXIST (id or key known) or ENOMEM.
struct dir_node *directory_add(
    struct directory *d, uint32_t id, const uint8_t key[IDENTITY_KEY_SIZE]);
// Forgets it; its inbox must be gone.
void directory_remove(struct directory *d, struct dir_node *n);

void directory_set_live(struct directory *d, struct dir_node *n, bool live, uint32_t now_s);
static inline void directory_touch(struct directory *d, const struct dir_node *n, uint32_t now_s)
{
	d->seen[n->slot] = now_s ? now_s : 1;
}
// 0, -EEXIST (another key's owner), -ENOMEM.
int directory_set_key(
    struct directory *d, struct dir_node *n, const uint8_t key[IDENTITY_KEY_SIZE]);
// "" frees the name. 0, -EEXIST or -ENOMEM.
int directory_set_hostname(struct directory *d, struct dir_node *n, const char *hostname);
// 0 or -ENOMEM.
int directory_set_tags(struct directory *d, struct dir_node *n, const char *tags);
int directory_set_version(struct directory *d, struct dir_node *n, const char *version);
int directory_join(struct dir_node *n, uint16_t network);
void directory_leave(struct dir_node *n, uint16_t network);
bool directory_in_network(const struct dir_node *n, uint16_t network);
// Both are in a network other than the backbone.
bool directory_share_network(const struct dir_node *a, const struct dir_node *b);
// Replaces an owned text; NULL or "" empties. 0 or -ENOMEM.
int text_set(char **place, const char *value);
