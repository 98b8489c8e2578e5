// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "controlplane/endpoints.h"
#include "shm/rate_limit.h"

// PunchRequest: learns the requester's endpoint, tells each side where the other one is. No limit
// over all nodes, so nobody can use it up: a worker's police limits each source, and here a pair
// that asks again within PUNCH_PACE_NS is not answered again, and no address is told of more
// requesters than one source may send datagrams, or invented ones would flood it through us.
#define PUNCH_PACE_NS 200000000ULL
enum { PUNCH_RECENT = 4096, PUNCH_TARGETS = 4096 };

enum asker {
	ASKER_STRANGER, // not known at this endpoint
	ASKER_NEW,	// known, heard once
	ASKER_FAMILIAR, // came again, or is proven
	ASKER_COUNT
};

struct punch {
	struct endpoints *endpoints;
	uint64_t secret; // nobody can choose ids or addresses that share a place
	struct {
		uint64_t pair; // requester and target
		uint64_t at_ns;
	} recent[PUNCH_RECENT];
	struct rate_limit told; // of an address
	// By the target's address and the requester's kind: invented ones use up their own only.
	uint64_t targets[PUNCH_TARGETS][ASKER_COUNT];
};

void punch_init(struct punch *p, struct endpoints *endpoints);
// police.source-rate and -burst
void punch_limit(struct punch *p, uint64_t rate, uint64_t burst);
void punch_request(struct punch *p, const struct punt *punt);
