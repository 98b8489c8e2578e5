// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <pthread.h>
#include <stdint.h>

// How long a thread stood still: the gaps between its clock readings, and of a thread that does
// nothing but read the clock on a core of its own. What that one sees, the machine did to it
// (hypervisor, interrupts, other programs): a gap is the program's own only as far as there are
// more of them than the control has.
//
// What the kernel knows of a long gap says more: others ran on the core (switched), or the thread
// waited for memory it had not touched before (faulted), which is its own doing. What is left
// happened on its core: interrupts, the hypervisor, or the program.

enum { GAP_LONG_NS = 100000 };

struct gaps {
	uint64_t longest_ns;
	uint64_t over_100us, over_10us; // how many
	uint64_t switched, faulted;	// of those over 100 us; both: faulted
	uint64_t longest_faulted_ns, longest_left_ns;
	double seconds;
};

// What happened to the calling thread until now.
struct gap_causes {
	uint64_t faults, switches;
};

struct gap_causes gap_causes_now(void);
// Of a gap over GAP_LONG_NS; `before`: where it began; NULL: causes are not asked for.
void gap_explain(struct gaps *g, uint64_t ns, const struct gap_causes *before);

static inline void gap_count(struct gaps *g, uint64_t ns, const struct gap_causes *before)
{
	g->longest_ns = ns > g->longest_ns ? ns : g->longest_ns;
	g->over_10us += ns > 10000;
	g->seconds += (double)ns * 1e-9;
	if (ns > GAP_LONG_NS)
		gap_explain(g, ns, before);
}

enum { SPIN_PHASES = 3 };

struct spin {
	pthread_t thread;
	int core;
	uint32_t stop;
	const uint32_t *phase; // below SPIN_PHASES, others write it
	struct gaps gaps[SPIN_PHASES];
};

// How many cores the program may use. The main thread asks before it pins itself or starts others:
// what counts is asked for once.
int spin_cores(void);
// Pins the calling thread to one of these, counted from 0; one too many ends the program.
void spin_pin(int core);
// Counts by phase; NULL: all in the first.
void spin_start(struct spin *s, int core, const uint32_t *phase);
void spin_end(struct spin *s);
// As a JSON object.
void gaps_print(const char *name, const struct gaps *g);
