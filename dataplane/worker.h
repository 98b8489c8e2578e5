// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "dataplane/handoff.h"
#include "dataplane/io/link.h"
#include "shm/memory.h"

#include <stdint.h>

// A worker: one thread that takes bursts from its queue of every link, runs the stages over them
// and sends what comes out. It shares nothing with the other workers but the tables, and
// frames for links of which it has no queue (dataplane/handoff.h).

struct worker;

struct worker_config {
	uint32_t index;
	const struct memory *memory; // outlives the worker
	struct link *const *links;   // opened; outlive the worker
	unsigned link_count;
	unsigned companion;	       // index of the sock link
	struct handoff_ends *handoff;  // its own; NULL: every link has a queue for it
	int event_fd;		       // ours: wakes the worker. Not owned
	int cp_event_fd;	       // wakes the control plane. Not owned
	int cpu;		       // core to pin to, -1 = none
	const uint64_t *police_secret; // POLICE_SECRET_WORDS, copied; NULL = random
};

// Main thread. 0 or a negative errno.
int worker_open(struct worker **out, const struct worker_config *cfg);
int worker_start(struct worker *w);
// Asks the thread to end; any thread. Then worker_close waits for it and frees all.
void worker_stop(struct worker *w);
void worker_close(struct worker *w);

// Once a second, main thread: has the memory ready that the worker needs for so many nodes.
void worker_follow(struct worker *w, uint32_t nodes);

// One turn of the loop without sleeping; returns the number of datagrams received and injected.
// For tests and benchmarks, which then do not start the thread.
unsigned worker_turn(struct worker *w);
// The same at a given CLOCK_MONOTONIC time in nanoseconds, which must not go back.
unsigned worker_turn_at(struct worker *w, uint64_t now_ns);
