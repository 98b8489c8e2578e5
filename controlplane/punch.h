// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "controlplane/endpoints.h"

// PunchRequest: learns the requester's endpoint, tells each side where the other one is. No limit
// over all nodes: a worker's police limits each source, and here a pair that asks again within
// PUNCH_PACE_NS is not answered again.
#define PUNCH_PACE_NS 200000000ULL
enum { PUNCH_RECENT = 4096 };

struct punch {
	struct endpoints *endpoints;
	struct {
		uint64_t pair; // requester and target
		uint64_t at_ns;
	} recent[PUNCH_RECENT];
};

void punch_init(struct punch *p, struct endpoints *endpoints);
void punch_request(struct punch *p, const struct punt *punt);
