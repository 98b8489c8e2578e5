// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "controlplane/peel.h"
#include "controlplane/stats.h"
#include "shm/kernel_writer.h"

#include <stdbool.h>
#include <stdint.h>

// With fewer places in the tables of the XDP program that relays than nodes (xdp.kernel-nodes), the
// places go to those that relay the most among themselves. The program notes a sample of the relay
// datagrams that it relays, and of those that it would with both nodes in its tables; what was
// noted in the last seconds decides. Both ways count alike, so a node that has a place and one that
// has none are compared by the same measure. The workers have no part in it. No I/O, no clock.

enum {
	HOT_WINDOW_S = 8,
	HOT_SAMPLES = 32768,	// remembered at most
	HOT_TICK_SAMPLES = 256, // wanted in a tick of 100 ms, of all processors
	HOT_GAP_MAX = 1 << 20,
	HOT_DECIDE_TICKS = 10,
	HOT_LEAVERS = 8, // nodes of no use that are compared for one that leaves
};

// A datagram whose nodes may have places.
struct hot_pair {
	uint32_t sender, dest;
	uint32_t at_ms; // CLOCK_MONOTONIC
};

struct hot {
	struct kernel_writer *kernel; // NULL: nothing to choose
	const struct node_writer *nodes;
	struct cp_stats *stats;
	uint64_t *tails;	// by processor
	struct hot_pair *pairs; // HOT_SAMPLES
	uint32_t head, count;	// of pairs; the next goes to head
	unsigned ticks;
	uint64_t cursor; // where the search for who leaves goes on
	struct peel peel;
};

// Begins to choose for the writer's kernel tables, if there are some with fewer places than the
// node table. 0 or -ENOMEM.
int hot_open(struct hot *h, const struct node_writer *nodes, struct cp_stats *stats);
// Also of one that is all zeros.
void hot_close(struct hot *h);
// Every 100 ms.
void hot_tick(struct hot *h, uint64_t now_ns);
