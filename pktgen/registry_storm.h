// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "pktgen/registry_client.h"

// What happens after a restart of the registry: every daemon connects again, on a connection of its
// own, registers, sends a heartbeat and polls, evenly within some seconds. Connections stay open
// until descriptors run out; then the oldest closes for the next.
struct storm_result {
	uint64_t done,
	    failed;    // each daemon is one of them; one that lost its connection has failed
	uint32_t open; // connections at once
	double seconds;
	struct histogram latency; // ns from a daemon's turn to the answer to its poll
};

// The crowd has registered and signed. 0 or a negative errno.
int storm_run(struct load *c, uint32_t seconds, struct storm_result *result);
