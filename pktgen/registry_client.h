// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "pktgen/histogram.h"
#include "wire/endpoint.h"

#include <stdbool.h>
#include <stdint.h>

// A crowd of simulated daemons on shared TCP connections. One thread.
enum phase {
	PHASE_REGISTER,
	PHASE_HEARTBEAT,
	PHASE_POLL,
	PHASE_LOOKUP,
	PHASE_RESOLVE,
	PHASE_COUNT,
};

const char *phase_name(enum phase phase);

struct phase_result {
	uint64_t answers, refused;
	double seconds;
	struct histogram latency; // ns
};

struct crowd_node;
struct crowd_link;

struct crowd {
	// Fill in before crowd_open().
	struct endpoint to;
	uint32_t nodes, connections, window, seed, seconds;

	struct crowd_node *node;
	struct crowd_link *link;
	int epoll;
};

// 0 or a negative errno.
int crowd_open(struct crowd *c);
void crowd_close(struct crowd *c);
// PHASE_REGISTER ends when every node has its id, the others after crowd.seconds. 0 or a negative
// errno: -ECONNRESET, -ETIMEDOUT (no answer for 30 s), -EBADMSG.
int crowd_run(struct crowd *c, enum phase phase, struct phase_result *result);
