// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "controlplane/admin.h"
#include "shm/memory.h"

#include <stdint.h>
#include <uv.h>

// Streams traced datagrams to one admin client. Workers are only told to copy what matches; they
// never wait, and what is overwritten before it was read is counted.
struct trace {
	struct admin_client *client; // NULL: off
	uint64_t node, sample;
	bool drops_only;
	const struct memory *memory; // NULL: detached
	struct trace_reader readers[WORKER_MAX];
	uint64_t told_lost; // of what was lost, how much the client knows
	uv_timer_t timer;
};

void trace_init(struct trace *t, uv_loop_t *loop);
// 0 or -EBUSY.
int trace_start(
    struct trace *t, struct admin_client *client, uint64_t node, uint64_t sample, bool drops_only);
// Harmless for another client.
void trace_stop(struct trace *t, const struct admin_client *client);
// A data plane came (memory not NULL) or went.
void trace_attach(struct trace *t, const struct memory *m);
