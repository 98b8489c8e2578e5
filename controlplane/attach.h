// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "shm/kernel_memory.h"
#include "shm/memory.h"

#include <stdbool.h>
#include <sys/un.h>
#include <uv.h>

// The connection to fairway-dp: gets its memory and eventfds, notices when it goes, and tries again
// until it is back. Main thread.

enum { ATTACH_RETRY_MIN_MS = 100, ATTACH_RETRY_MAX_MS = 1000, ATTACH_PATIENCE_MS = 2000 };

// What is there while attached. Everything belongs to attach.c.
struct attachment {
	struct memory memory; // its `kernel` leads to the next where a link relays in the kernel
	struct kernel_memory kernel;
	int wake_fd;		    // eventfd: workers wake us
	int worker_fds[WORKER_MAX]; // eventfds: we wake workers
};

struct attach {
	uv_loop_t *loop;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	// Called with the memory mapped; a negative errno detaches again and tries later.
	int (*attached)(void *ctx);
	// Called before the memory is unmapped.
	void (*detached)(void *ctx);
	// The memory can never be used by this program: the reason. No more tries.
	void (*refused)(void *ctx, const char *why);
	void *ctx;

	bool up;	      // memory is mapped
	bool given_up;	      // refused
	bool failed;	      // a try has
	uint64_t started_ms;  // uv_now()
	struct attachment at; // valid while up
	int sock;
	unsigned retry_ms;
	uv_timer_t retry;
	uv_poll_t poll;
};

// Fill in loop, path, callbacks and ctx before. The first try follows at once.
void attach_start(struct attach *a);
// The first try is under way, for ATTACH_PATIENCE_MS at most: what it brings is worth waiting for.
bool attach_is_pending(const struct attach *a);
// While up: the tables have got more memory, which the data plane then maps for its workers.
void attach_tell_growth(struct attach *a);
// Detaches for good.
void attach_stop(struct attach *a);
