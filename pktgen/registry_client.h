// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "pktgen/histogram.h"
#include "pktgen/registry_crowd.h"

#include <stdbool.h>
#include <stdint.h>

// Load on a registry: a crowd on shared TCP connections, one kind of request after the other. One
// thread.
enum phase {
	PHASE_REGISTER,
	PHASE_FIRST, // everybody's first heartbeat and poll: new signatures
	PHASE_PUBLISH,
	PHASE_HEARTBEAT,
	PHASE_POLL,
	PHASE_LOOKUP,
	PHASE_RESOLVE, // everybody's peers, once: new signatures
	PHASE_AGAIN,   // the same peers again and again
	PHASE_MIX,     // what daemons send in some minutes, with peers not resolved before
	PHASE_COUNT,
};

const char *phase_name(enum phase phase);

struct phase_result {
	uint64_t answers, refused;
	double seconds;
	struct histogram latency; // ns
};

struct crowd_link;

struct load {
	// Fill in before load_open().
	struct endpoint to;
	struct crowd crowd;
	uint32_t connections, window, seconds;
	uint32_t rate; // requests a second of all, from PHASE_HEARTBEAT on; 0: no limit

	struct crowd_link *link;
	uint64_t random;
	int epoll;
};

// 0 or a negative errno.
int load_open(struct load *c);
void load_close(struct load *c);
// Phases with a number of requests end when all are answered, others and paced ones after
// load.seconds. 0 or a negative errno: -ECONNRESET, -ETIMEDOUT (no answer for 30 s), -EBADMSG.
int load_run(struct load *c, enum phase phase, struct phase_result *result);

// A connection of its own, from the address on loopback that the number gives: an address has only
// so many ports. The descriptor or a negative errno.
int load_socket(const struct endpoint *target, uint32_t number);
