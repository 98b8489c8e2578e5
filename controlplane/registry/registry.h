// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "controlplane/registry/directory.h"
#include "controlplane/registry/fleet.h"
#include "controlplane/registry/inbox.h"
#include "controlplane/registry/network.h"
#include "controlplane/registry/pairs.h"
#include "controlplane/registry/sig_cache.h"
#include "controlplane/registry/sources.h"
#include "controlplane/registry/store.h"
#include "crypto/key_cache.h"

#include <stdbool.h>
#include <stdint.h>

// What the registry knows and how it changes. No I/O and no clock: time is an argument, changes
// are put into a store (NULL: none, for tests). docs/registry.md describes the rules. One thread.

struct registry_time {
	uint32_t now_s; // CLOCK_MONOTONIC, never 0
	int64_t unix_s; // CLOCK_REALTIME
};

enum {
	STALE_S = 300,	   // a node that is silent so long has gone
	REAP_SLICE = 2000, // nodes that may go in one turn
	REAP_SCAN = 65536, // nodes looked at in one turn
	BEACON_MAX = 256,
	BEACON_SOURCE_MAX = 32, // of an address
	BEACON_TTL_S = 60,
	CONSENT_MAX = 1000, // trust that a node may declare without an answer
	ADMIN_TOKEN_MAX = 256,
};

struct registry_config {
	uint32_t capacity;
	uint32_t source_nodes; // of an address: without proof of their keys, or since a day; 0: no
			       // limit
	char admin_token[ADMIN_TOKEN_MAX]; // "": administrative requests are refused
};

struct beacon {
	uint32_t id, seen_s;
	struct endpoint from; // who registered it
	char addr[64];
};

// X(NAME, name, help)
#define REGISTRY_COUNTER_LIST(X)                                                               \
	X(REQUESTS, requests, "requests answered")                                             \
	X(ERRORS, errors, "requests answered with an error")                                   \
	X(UNKNOWN, unknown, "requests of a type that is not known")                            \
	X(REGISTERED, registered, "nodes that registered")                                     \
	X(CREATED, created, "node ids given out")                                              \
	X(EXPIRED, expired, "nodes that went silent")                                          \
	X(FORGOTTEN, forgotten, "nodes forgotten: silent, and their key was never proven")     \
	X(UNLOGGED, unlogged, "changes that the audit log only counts: too many of a network") \
	X(VERIFIED, verified, "signatures verified")                                           \
	X(REMEMBERED, remembered, "signatures known from before")                              \
	X(FORGED, forged, "signatures that were wrong")                                        \
	X(CONNECTIONS, connections, "connections accepted")                                    \
	X(REFUSED, refused, "connections refused: registry-connections, or too many a source") \
	X(BROKEN, broken, "connections closed because of broken or oversized frames")          \
	X(SLOW, slow, "connections closed because the client did not read or send")            \
	X(PACED, paced, "requests that waited because their connection asked too fast")

enum registry_counter {
#define X(NAME, name, help) REGISTRY_##NAME,
	REGISTRY_COUNTER_LIST(X)
#undef X
	    REGISTRY_COUNTER_COUNT,
};
extern const char *const registry_counter_names[REGISTRY_COUNTER_COUNT];
extern const char *const registry_counter_helps[REGISTRY_COUNTER_COUNT];

enum { REGISTRY_TYPES_MAX = 96 };

struct registry {
	struct registry_config config;
	struct directory nodes;
	struct pairs pairs;
	struct networks networks;
	struct fleets fleets;
	struct sig_cache sigs;
	struct key_cache *keys;	  // for verifying more of the same node
	struct sources newcomers; // nodes by the address that they first registered from
	struct sources writers;	  // texts of handshake requests by network
	struct sources changers;  // lines of the audit log by network
	uint32_t told_s;	  // when it was last told of lines that were left out
	// Where the relay hears a node; false: not at all. May be NULL.
	bool (*heard_at)(void *ctx, uint32_t node, struct endpoint *at);
	void *heard_ctx;
	struct store *store;
	struct beacon beacons[BEACON_MAX];
	uint64_t inbox_seq;
	size_t inbox_bytes; // of texts in inboxes
	int64_t created;    // seconds since 1970, of the backbone
	uint32_t reap_cursor;
	uint64_t count[REGISTRY_COUNTER_COUNT];
	struct type_count {
		uint64_t requests, errors; // answered; of these with an error
	} types[REGISTRY_TYPES_MAX];	   // of the types in call.h
};

// 0 or -ENOMEM.
int registry_init(struct registry *r, const struct registry_config *config);
void registry_free(struct registry *r);
// Opens the store, reads it back and keeps writing to it. Every node that was live when it was
// written is given STALE_S to come back.
int registry_attach(
    struct registry *r, const char *path, struct registry_time t, struct parse_error *error);

// Every 100 ms: lets silent nodes go, a bounded number of them.
void registry_tick(struct registry *r, struct registry_time t);

// Another node of an address. False: too many, or no memory.
bool registry_admits(struct registry *r, const struct endpoint *from, struct registry_time t);
// A node has signed with its key: it counts for a day only.
void registry_prove(struct registry *r, struct dir_node *n);
// A node goes: hostname and endpoint are freed, and who never proved its key is forgotten.
void registry_let_go(struct registry *r, struct dir_node *n);
// Both nodes trust each other.
bool registry_trusts(const struct registry *r, uint32_t a, uint32_t b);
// May `a` learn where `b` is, when `b` is private?
bool registry_may_see(const struct registry *r, const struct dir_node *a, const struct dir_node *b);
// Declares a's side of the trust in b. 0, -ENOSPC (too many without answer) or -ENOMEM.
int registry_declare(struct registry *r, struct dir_node *a, struct dir_node *b);
void registry_revoke(struct registry *r, uint32_t a, uint32_t b);

// An entry for a node's inbox; the text is copied, or left out when those of all nodes are too
// long. 0, -ENOSPC or -ENOMEM.
int registry_deliver(struct registry *r, struct dir_node *to, struct inbox_entry entry);
void registry_take(struct registry *r, struct dir_node *n, struct inbox_entry *entry);

// Membership in both directions. A member whose external id has been given a role gets that one.
// NULL without memory.
struct member *registry_join(
    struct registry *r, struct network *net, struct dir_node *n, enum role role);
void registry_leave(struct registry *r, struct network *net, uint32_t node);
void registry_delete_network(struct registry *r, struct network *net);

// Puts the record into the store as it is now.
void save_node(struct registry *r, const struct dir_node *n);
void save_network(struct registry *r, const struct network *net);
void save_member(struct registry *r, const struct network *net, const struct member *m);
void save_meta(struct registry *r);
// `actor`: who did it ("node 17", "admin", "fairway"); `details` may be "".
struct audit {
	int64_t unix_s;
	const char *action, *actor, *details;
	uint32_t node;
	uint16_t network;
};
void save_audit(struct registry *r, const struct audit *a);
