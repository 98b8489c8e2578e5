// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "controlplane/attach.h"
#include "controlplane/punt.h"
#include "controlplane/stats.h"
#include "shm/ring.h"

#include <stdbool.h>
#include <uv.h>

// The rings between us and the workers: takes punted datagrams in bounded batches, sends through
// inject rings, and wakes whoever sleeps. Main thread.

enum { HUB_BATCH = 256 }; // punts taken from one worker before the next one's turn

struct hub {
	// Fill in before hub_open().
	struct cp_stats *stats;
	void (*punted)(void *ctx, const struct punt *p);
	void *ctx;

	struct attachment *at; // NULL: not open
	struct ring_consumer punts[WORKER_MAX];
	struct ring_producer injects[WORKER_MAX];
	uint64_t wake; // bit per worker that got something since the last flush
	uint32_t turn; // worker whose punts are being handled: answers go through it
	uv_poll_t poll;
	uv_prepare_t prepare;
	uv_check_t check;
	uv_idle_t idle; // runs while punts wait
};

// `at` must stay until hub_close().
void hub_open(struct hub *h, uv_loop_t *loop, struct attachment *at);
// Sends nothing more. The descriptors may be closed at once; the structure must outlive the
// loop's next turn.
void hub_close(struct hub *h);
// An emitter that sends through the worker whose punt is being handled.
struct emitter hub_emitter(struct hub *h);
