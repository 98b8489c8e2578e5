// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "controlplane/endpoints.h"

#include <stdint.h>
#include <stdio.h>

// STATE/nodes: which local nodes there are and where, for a start on an empty memory: both
// processes were stopped or killed, or the memory is of another version. Without it a node that
// was known is unknown until its next Discover, 25 to 60 s later. Written aside and renamed, once
// in KEEP_S and at the end; a name, not an fsync, makes it whole, since what is lost with the
// machine is learnt again. Main thread.

enum { KEEP_S = 30, KEEP_WALK_S = 60, KEEP_PATH_MAX = 288 };
enum { KEEP_AT_ONCE = 200000 }; // nodes that are written within a tenth of a second or two

struct keep_time {
	uint64_t now_ns; // CLOCK_MONOTONIC
	int64_t unix_s;	 // CLOCK_REALTIME: a start of the machine does not turn it back
};

struct keep {
	char path[KEEP_PATH_MAX]; // "": nothing is kept
	// the writing that is under way
	FILE *file;
	uint64_t cursor;
	uint64_t next_ns; // when the next one begins
};

void keep_init(struct keep *k, const char *state);
// Every 100 ms: goes on writing, a slice of the table at a time.
void keep_tick(
    struct keep *k, const struct node_table *t, const struct local *locals, struct keep_time now);
// Writes all of them now, up to KEEP_AT_ONCE: with more, what was written last stays, since a
// control plane must be back at once when a data plane has ended.
void keep_write(
    struct keep *k, const struct node_table *t, const struct local *locals, struct keep_time now);
// Takes over what was written, as far as admission and admission.ttl allow it and our addresses are
// still the same (endpoints_restore()). Returns how many nodes; a file that is missing or not ours
// holds none.
uint32_t keep_read(
    const struct keep *k, struct endpoints *e, const struct local *locals, struct keep_time now);
