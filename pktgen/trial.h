// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "pktgen/run.h"

#include <sched.h>

// What the two kinds of trial share: frames made here (run.c), or by the kernel (blast.c).

enum {
	DRAIN_MS = 200, // silence after which nothing more is expected
	DRAIN_MAX_MS = 3000,
	PROGRESS_MS = 500,
};

// Nothing where the label is NULL.
void progress_show(const char *label, uint64_t sent, uint64_t received);
void progress_end(const char *label);

// Where the user has chosen processors (taskset) and given two or more, the sending thread has the
// first for itself and the other one the rest: sharing one, they would wait for each other and lose
// frames. `all`: those of the process.
void processors_take(const cpu_set_t *all, bool sending);

// As trial_relay, for backends with `blast`.
int trial_blast(
    struct trial *t, struct traffic *traffic, struct backend *b, const char *label, char *error);
