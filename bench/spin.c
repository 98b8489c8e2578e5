// SPDX-License-Identifier: BSD-3-Clause
#include "bench/spin.h"

#include "base/clock.h"

#include <err.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

void spin_pin(int cpu)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET((unsigned)cpu, &cpus);
	if (pthread_setaffinity_np(pthread_self(), sizeof(cpus), &cpus))
		errx(1, "no core %d: this needs one for each thread", cpu);
}

static void *spin_run(void *arg)
{
	struct spin *s = arg;
	uint64_t last;

	spin_pin(s->cpu);
	last = clock_mono_ns();
	while (!__atomic_load_n(&s->stop, __ATOMIC_RELAXED)) {
		uint64_t now = clock_mono_ns();

		gap_count(&s->gaps[__atomic_load_n(s->phase, __ATOMIC_RELAXED)], now - last);
		last = now;
	}
	return NULL;
}

void spin_start(struct spin *s, int cpu, const uint32_t *phase)
{
	static const uint32_t first;

	memset(s, 0, sizeof(*s));
	s->cpu = cpu;
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
	printf(
	    "\"%s\":{\"longest_us\":%.1f,\"over_10us_a_second\":%.2f,\"over_100us_a_second\":%.2f}",
	    name, (double)g->longest_ns * 1e-3, (double)g->over_10us / g->seconds,
	    (double)g->over_100us / g->seconds);
}
