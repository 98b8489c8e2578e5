// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "dataplane/stage/stage.h"
#include "dataplane/trace.h"
#include "dataplane/worker.h"
#include "dataplane/worker_room.h"

#include <pthread.h>
#include <stddef.h>

// The parts of a worker, between themselves: worker.c runs it, worker_sleep.c lets it rest.

struct worker {
	struct worker_config cfg;
	struct worker_block *block;
	struct relay_settings *settings; // shared
	struct link_queue *queues[LINK_MAX];
	const void *buffers[LINK_MAX + 1]; // of the queues, NULL = its own; the last: of no link
	struct ring_consumer inject;
	struct stage_env env;
	struct tracer tracer;
	struct tx_lists lists;
	struct burst burst;
	uint64_t now_ns;
	bool busy;	 // the last turn held something
	bool busy_links; // serves a raw link that polling pays for
	unsigned nap_us; // of the last sleep where a link cannot wake it, 0 = it held something
	unsigned queue_count;
	unsigned idle_turns;
	uint64_t rest_ns[LINK_MAX]; // that a link is not asked after it had nothing
	uint64_t rest_until_ns[LINK_MAX];
	uint64_t window_start_ns, window_count; // of the rate measured now
	uint64_t rate;				// datagrams a second in the last window
	pthread_t thread;
	bool started;
	// main thread writes
	alignas(CACHE_LINE) struct worker_room room; // that this lies in
	uint32_t stop;
};

static_assert(
    offsetof(struct worker, room) % CACHE_LINE == 0 && sizeof(struct worker) % CACHE_LINE == 0,
    "what the main thread writes shares no line with what the worker does");
static_assert(offsetof(struct worker, burst.d) % CACHE_LINE == 0, "a datagram is two lines");

// The time since the last turn was busy if that held something.
static inline void worker_clock(struct worker *w, uint64_t now)
{
	if (w->busy)
		__atomic_store_n(
		    &w->block->busy_ns, w->block->busy_ns + now - w->now_ns, __ATOMIC_RELAXED);
	w->busy = false;
	w->now_ns = now;
	__atomic_store_n(&w->block->now_ns, now, __ATOMIC_RELAXED);
}

// One of those that are counted outside bursts.
static inline void worker_count(struct worker *w, enum counter c)
{
	uint64_t *at = &w->block->counters[c];

	__atomic_store_n(at, *at + 1, __ATOMIC_RELAXED);
}

// worker_sleep.c: the worker's thread.

// Blocks in the only link itself while datagrams come fast; else returns at once.
void worker_wait(struct worker *w);
// Whether it may block, which is also told to whoever reads its block.
bool worker_may_sleep(struct worker *w);
// Blocks until a link has input, the control plane injects, another worker gives it frames, or it
// is to stop.
void worker_sleep(struct worker *w);
