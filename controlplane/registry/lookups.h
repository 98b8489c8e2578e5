// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "wire/endpoint.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// What an existing registry knows of node ids: a cache of its lookup answers, and what is to be
// asked. Bounded, with entries for ids that it does not know, which go first when room is short:
// who invents ids pushes out no others. No I/O, no clock; times are seconds that only grow. Main
// thread.

enum {
	LOOKUP_SETS = 16384, // of LOOKUP_WAYS entries
	LOOKUP_WAYS = 4,
	LOOKUP_WAITING_MAX = 1024, // questions that wait; more are not asked
	LOOKUP_KNOWN_S = 300,
	LOOKUP_ABSENT_S = 60,
	LOOKUP_ASKED_S = 5, // for an answer
	LOOKUP_DOUBT_S = 5, // so old an answer may be doubted
	LOOKUP_ANCHORS = 3,
};

enum lookup_state { LOOKUP_NONE, LOOKUP_ASKED, LOOKUP_ABSENT, LOOKUP_KNOWN };

struct lookup {
	uint32_t node;
	uint32_t until_s;
	uint32_t doubted_s; // when a known one was last asked again; 0 = not since its answer
	uint8_t state;	    // enum lookup_state
	// Where the registry says that it is, the addresses alone: of public nodes, and of all if
	// it is Fairway's and we have its token.
	uint8_t anchor_count;
	bool told; // of the addresses as such, not as a public node's endpoint
	uint8_t anchors[LOOKUP_ANCHORS][16];
	uint8_t key[32];
};

struct lookups {
	struct lookup *entries; // owned
	uint64_t secret;
	bool untold; // the last answer about a known node named no addresses as such
	uint32_t waiting[LOOKUP_WAITING_MAX];
	unsigned first, count; // of waiting
};

// 0 or -ENOMEM.
int lookups_open(struct lookups *l);
void lookups_close(struct lookups *l);

// What is known of the node: LOOKUP_KNOWN (then `out` is filled in) or LOOKUP_ABSENT; LOOKUP_ASKED
// while nothing is, and then it is asked, if there is room.
enum lookup_state lookups_find(
    struct lookups *l, uint32_t node, uint32_t now_s, struct lookup *out);

// Whether a datagram from there may speak for a known node.
bool lookup_is_from(const struct lookup *e, const struct endpoint *from);

// Somebody shows another key than the one that is known, or comes from elsewhere: the node may have
// changed it. True while a newer answer is to come, of which at most one in LOOKUP_DOUBT_S is asked
// for; the known one stays.
bool lookups_doubt(struct lookups *l, uint32_t node, uint32_t now_s);

// The node to ask for next, 0: none.
uint32_t lookups_next(struct lookups *l);
// The registry's answer about a node, as JSON. False when it says nothing of it: it is asked again
// later.
bool lookups_answer(struct lookups *l, uint32_t node, const void *json, size_t len, uint32_t now_s);
