// SPDX-License-Identifier: BSD-3-Clause
#include "bench/spin.h"

#include "base/clock.h"

#include <err.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

static cpu_set_t allowed; // to the program at its start

enum { WORTH_A_LOOK_NS = 5000 }; // no switch to another thread and back is shorter here

int spin_cores(void)
{
	if (CPU_COUNT(&allowed) == 0 && sched_getaffinity(0, sizeof(allowed), &allowed))
		err(1, "sched_getaffinity");
	return CPU_COUNT(&allowed);
}

void spin_pin(int core)
{
	cpu_set_t one;
	int cpu = -1;

	if (core >= spin_cores())
		errx(1, "no core %d: this needs one for each thread", core);
	for (int left = core + 1; left; left -= CPU_ISSET(cpu, &allowed) != 0)
		cpu++;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	if (pthread_setaffinity_np(pthread_self(), sizeof(one), &one))
		errx(1, "cannot pin a thread to cpu %d", cpu);
}

struct gap_causes gap_causes_now(void)
{
	struct rusage r;

	getrusage(RUSAGE_THREAD, &r);
	return (struct gap_causes){
	    .faults = (uint64_t)(r.ru_minflt + r.ru_majflt),
	    .switches = (uint64_t)(r.ru_nvcsw + r.ru_nivcsw),
	};
}

static void longest_keep(uint64_t *longest, uint64_t ns)
{
	*longest = ns > *longest ? ns : *longest;
}

void gap_explain(struct gaps *g, uint64_t ns, const struct gap_causes *before)
{
	struct gap_causes now;

	g->over_100us++;
	if (!before)
		return;
	now = gap_causes_now();
	if (now.faults != before->faults) {
		g->faulted++;
		longest_keep(&g->longest_faulted_ns, ns);
	} else if (now.switches != before->switches) {
		g->switched++;
	} else {
		longest_keep(&g->longest_left_ns, ns);
	}
}

static void *spin_run(void *arg)
{
	struct spin *s = arg;
	struct gap_causes causes;
	uint64_t last;

	spin_pin(s->core);
	causes = gap_causes_now();
	last = clock_mono_ns();
	while (!__atomic_load_n(&s->stop, __ATOMIC_RELAXED)) {
		uint64_t now = clock_mono_ns(), gap = now - last;

		gap_count(&s->gaps[__atomic_load_n(s->phase, __ATOMIC_RELAXED)], gap, &causes);
		last = now;
		if (gap > WORTH_A_LOOK_NS) {
			causes = gap_causes_now();
			last = clock_mono_ns();
		}
	}
	return NULL;
}

void spin_start(struct spin *s, int core, const uint32_t *phase)
{
	static const uint32_t first;

	memset(s, 0, sizeof(*s));
	s->core = core;
	s->phase = phase ? phase : &first;
	if (pthread_create(&s->thread, NULL, spin_run, s))
		errx(1, "cannot start a thread");
}

void spin_end(struct spin *s)
{
	__atomic_store_n(&s->stop, 1, __ATOMIC_RELAXED);
	pthread_join(s->thread, NULL);
}

void gaps_print(const char *name, const struct gaps *g)
{
	uint64_t left = g->over_100us - g->switched - g->faulted;

	printf(
	    "\"%s\":{\"longest_us\":%.1f,\"over_10us_a_second\":%.2f,\"over_100us_a_second\":%.2f,",
	    name, (double)g->longest_ns * 1e-3, (double)g->over_10us / g->seconds,
	    (double)g->over_100us / g->seconds);
	printf("\"switched_a_second\":%.2f,\"faulted_a_second\":%.2f,\"left_a_second\":%.2f,"
	       "\"longest_faulted_us\":%.1f,\"longest_left_us\":%.1f}",
	    (double)g->switched / g->seconds, (double)g->faulted / g->seconds,
	    (double)left / g->seconds, (double)g->longest_faulted_ns * 1e-3,
	    (double)g->longest_left_ns * 1e-3);
}
