// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <pthread.h>
#include <stdint.h>

// How long a thread stood still: the gaps between its clock readings, and of a thread that does
// nothing but read the clock on a core of its own. What that one sees, the machine did to it
// (hypervisor, interrupts, other programs): a gap is the program's own only as far as there are
// more of them than the control has.

struct gaps {
	uint64_t longest_ns;
	uint64_t over_100us, over_10us; // how many
	double seconds;
};

static inline void gap_count(struct gaps *g, uint64_t ns)
{
	g->longest_ns = ns > g->longest_ns ? ns : g->longest_ns;
	g->over_10us += ns > 10000;
	g->over_100us += ns > 100000;
	g->seconds += (double)ns * 1e-9;
}

enum { SPIN_PHASES = 3 };

struct spin {
	pthread_t thread;
	int cpu;
	uint32_t stop;
	const uint32_t *phase; // below SPIN_PHASES, others write it
	struct gaps gaps[SPIN_PHASES];
};

// Pins the calling thread; a machine with fewer cores is refused.
void spin_pin(int cpu);
// Counts by phase; NULL: all in the first.
void spin_start(struct spin *s, int cpu, const uint32_t *phase);
void spin_end(struct spin *s);
// As a JSON object.
void gaps_print(const char *name, const struct gaps *g);
