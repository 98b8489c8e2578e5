// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "dataplane/stage/stage.h"
#include "shm/trace_ring.h"

#include <stdint.h>

// Tracing, when an operator turned it on: a worker copies chosen datagrams into its trace ring, at
// most TRACE_BURST_MAX of a burst, and without their bytes those whose drop shows only after a link
// refused them. The choice: settings trace_node, trace_sample, trace_drops_only. One per worker,
// private to it.

enum { TRACE_BURST_MAX = 16 };

struct trace_item {
	const struct dgram *d;
	struct trace_record record;
	uint8_t bytes[TRACE_CAPTURE_MAX];
};

struct tracer {
	struct trace_writer out;
	uint64_t matched; // since the start
	uint64_t open;	  // bit per datagram of the burst that may yet be dropped by a link
	unsigned count;
	struct trace_item items[TRACE_BURST_MAX];
};

// Before sending, while the bytes are still ours.
void trace_capture(struct tracer *t, const struct burst *b, const struct stage_env *env);
// After sending, when every verdict is final.
void trace_emit(struct tracer *t, const struct burst *b, struct stage_env *env);
