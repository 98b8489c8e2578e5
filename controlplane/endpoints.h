// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "controlplane/admission.h"
#include "controlplane/challenge.h"
#include "controlplane/punt.h"
#include "controlplane/stats.h"
#include "shm/node_writer.h"
#include "wire/beacon.h"

#include <stdbool.h>
#include <stdint.h>

// Where local nodes are: learns endpoints from punted messages, forgets silent ones, and keeps
// their next hops current. No I/O and no clock: time, sending, signatures and routes are given.

struct endpoints_config {
	enum admission_policy policy;
	uint64_t silence_ns;	// admission.silence
	uint64_t ttl_ns;	// admission.ttl
	unsigned network_share; // admission.network-share
};

// A signed Discover that waits for its verification.
struct verify_job {
	uint32_t node;
	bool ex;
	uint8_t local;
	bool unanswered;
	struct endpoint from;
	uint8_t key[BEACON_KEY_SIZE];
	uint8_t nonce[BEACON_NONCE_SIZE];
	uint8_t signature[BEACON_SIGNATURE_SIZE];
};

// What endpoints need from the others.
struct endpoints_hooks {
	void *ctx;
	struct emitter emit;
	// Next hop index for an endpoint that is served from a local index; 0 = companion.
	uint16_t (*resolve)(void *ctx, const struct endpoint *at, uint8_t local);
	// Where the registry says that a node is; NULL: there is none.
	enum admission_anchor (*anchor)(void *ctx, uint32_t node, const struct endpoint *from);
	// Whether the key is the one that a registry knows for the node; NULL: none is asked.
	enum admission_identity (*identity)(void *ctx, uint32_t node, const uint8_t key[32]);
	// Starts a verification, whose end calls endpoints_verified(); -EAGAIN: too many wait.
	int (*verify)(void *ctx, const struct verify_job *job);
	// A node is local (also called for each in every walk), or is about to be forgotten.
	void (*present)(void *ctx, uint32_t id, uint32_t index, uint64_t now_ns);
	void (*forgotten)(void *ctx, uint32_t id, uint32_t index, uint64_t now_ns);
	// Does the peer relay that a remote entry names still claim the node?
	bool (*remote_held)(void *ctx, struct node_entry entry);
	// Which peer relay claims a node? Fills in the route to it.
	bool (*remote_owner)(void *ctx, uint32_t id, struct node_route *route);
};

struct endpoints {
	struct node_writer *nodes;
	struct endpoints_config config;
	struct endpoints_hooks hooks;
	struct challenge challenge;
	struct cp_stats *stats;
	// the walk over all nodes
	uint64_t cursor;
	uint64_t walks; // completed
	unsigned hurry; // walks to end at full speed: routes changed
	uint64_t room_cursor;
};

void endpoints_init(struct endpoints *e, struct node_writer *nodes, struct cp_stats *stats,
    const struct endpoints_hooks *hooks);

// Discover and DiscoverEx. What the worker left unanswered is answered when the workers can see
// what was learnt, whatever was decided.
void endpoints_discover(struct endpoints *e, const struct punt *p);
void endpoints_verified(
    struct endpoints *e, const struct verify_job *job, bool valid, uint64_t now_ns);
// Admits an unproven source for a node id: true when the id's stored endpoint is the source now.
bool endpoints_admit(struct endpoints *e, uint32_t id, const struct punt *p);

// A node as it was known before we started. Times are seconds of CLOCK_MONOTONIC.
struct kept_node {
	uint32_t node;
	struct endpoint at;
	uint8_t local;
	bool carry, familiar;
	const uint8_t *key; // the one that was bound, or NULL
	uint32_t alive_s, first_s;
};
// Takes it over as though we had never been away: its last sign of life stays what it was. Not
// where a Discover from there would not be taken for one now (policy, anchor, another key), nor if
// the node is known already. True when it is stored.
bool endpoints_restore(struct endpoints *e, const struct kept_node *kept);

// Every 100 ms: goes on with the walk that forgets silent nodes and renews next hops; at full speed
// while the table is crowded, when nodes that were heard once are forgotten sooner. Bounded by
// ENDPOINTS_SLICE buckets. Returns true when a walk ended.
enum { ENDPOINTS_SLICE = 8192, ENDPOINTS_WALK_S = 60 };
bool endpoints_tick(struct endpoints *e, uint64_t now_ns);
// Next hops must be looked up anew: the walk under way and the next one go at full speed. It does
// not start again, or routes that never settle would keep silent nodes alive.
void endpoints_reroute(struct endpoints *e);
