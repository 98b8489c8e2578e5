// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "dataplane/io/link.h"
#include "shm/layout.h"
#include "shm/ring.h"

#include <stdbool.h>

// Frames that a worker sends through another's queue, where a raw link has fewer queues than there
// are workers: from each worker without a queue of a link leads a ring to one that has, always the
// same, so that flows stay in order. Frames are copied into it and again out of it.

enum { HANDOFF_SIZE = 1 << 20 }; // bytes of a ring

struct handoff_from {
	struct ring_consumer ring;
	uint8_t link; // what comes out is sent there
};

// One worker's ends. Zeroed, it has none.
struct handoff_ends {
	struct ring_producer to[LINK_MAX]; // by link; without data: it has a queue, or nobody has
	const uint32_t *to_sleeping[LINK_MAX]; // of the worker there
	int to_event_fd[LINK_MAX];
	struct handoff_from *from;
	unsigned from_count;
};

struct handoff {
	struct handoff_ends of[WORKER_MAX];
	struct handoff_from *from; // of all workers
	void *rings;
	uint64_t rings_size;
};

struct handoff_config {
	struct link *const *links; // opened
	unsigned link_count, worker_count;
	const struct worker_block *blocks; // of all workers; outlive the handoff
	const int *event_fds;		   // wake the workers; not owned
};

// Main thread. Nothing is allocated where all links have a queue for each worker. 0 or -ENOMEM.
int handoff_open(struct handoff *h, const struct handoff_config *cfg);
// After the workers have ended.
void handoff_close(struct handoff *h);

// Worker, of its own ends, as all below.
static inline bool handoff_reaches(const struct handoff_ends *e, unsigned link)
{
	return e && e->to[link].data;
}

// Frames with their headers: l2, len, data, rx_len, type and flags reach the other worker, which is
// woken. Those for which there is no room have drop set; returns how many had room. The buffers
// stay the caller's.
unsigned handoff_give(struct handoff_ends *e, unsigned link, struct dgram **d, unsigned n);

// The next ones that others gave, up to `max`. Their bytes stay until handoff_release.
unsigned handoff_take(struct handoff_from *from, struct dgram *d, unsigned max);

static inline void handoff_release(struct handoff_from *from)
{
	ring_release(&from->ring);
}

// Whether frames wait to be taken.
bool handoff_waits(const struct handoff_ends *e);
