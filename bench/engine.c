// SPDX-License-Identifier: BSD-3-Clause
// The engine on mem links, beyond the cost of a datagram (bench/path): several workers, latency,
// pauses.
#include "bench/engine.h"

#include "bench/median.h"
#include "bench/spin.h"
#include "bench/traffic.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = MEM_RING, TRIALS = 9, WARM = 200, TIMED = 400 };

// One worker of a trial.
struct lane {
	pthread_t thread;
	pthread_barrier_t *start;
	struct traffic traffic;
	double cost_ns[TIMED];
};

// Goes on after what counts until the others are done, so that all of that is beside others.
static void *lane_run(void *arg)
{
	struct lane *lane = arg;
	struct traffic *t = &lane->traffic;

	spin_pin((int)t->worker);
	pthread_barrier_wait(lane->start);
	for (int i = 0; i < 2 * WARM + TIMED; i++) {
		uint32_t sender, dest;
		uint64_t cost;

		for (unsigned k = 0; k < BATCH; k++)
			traffic_put(t, 0, &sender, &dest);
		cost = traffic_run(t, BATCH);
		traffic_take(t, BATCH);
		if (i >= WARM && i < WARM + TIMED)
			lane->cost_ns[i - WARM] = (double)cost;
	}
	return NULL;
}

// Datagrams a second of all workers together, by the median cost of each.
static double trial(struct rig *rig, uint32_t nodes, unsigned workers)
{
	static struct lane lanes[RIG_WORKERS];
	pthread_barrier_t start;
	double rate = 0;

	pthread_barrier_init(&start, NULL, workers);
	for (unsigned i = 0; i < workers; i++) {
		lanes[i].start = &start;
		lanes[i].traffic =
		    (struct traffic){.rig = rig, .worker = i, .nodes = nodes, .random = 42 + i};
		if (pthread_create(&lanes[i].thread, NULL, lane_run, &lanes[i]))
			errx(1, "cannot start a thread");
	}
	for (unsigned i = 0; i < workers; i++)
		pthread_join(lanes[i].thread, NULL);
	for (unsigned i = 0; i < workers; i++)
		rate += BATCH * 1e9 / median(lanes[i].cost_ns, TIMED);
	pthread_barrier_destroy(&start);
	return rate;
}

// [NODES [CORES]]: datagrams a second of one worker, of two, and so on, trial by trial.
static int engine_cores(int argc, char **argv)
{
	uint32_t nodes = argc > 0 ? (uint32_t)strtoul(argv[0], NULL, 10) : 100000;
	unsigned workers = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 3;
	static struct rig rig;
	double rates[RIG_WORKERS];

	if (nodes == 0 || workers == 0 || workers > RIG_WORKERS)
		return 2;
	traffic_rig(&rig, nodes, nodes, workers);
	printf("{\"nodes\":%u,\"workers\":%u,\"trials\":[", nodes, workers);
	for (int i = 0; i < TRIALS; i++) {
		for (unsigned n = 0; n < workers; n++)
			rates[n] = trial(&rig, nodes, n + 1);
		for (unsigned n = 0; n < workers; n++)
			printf("%s%.0f%s",
			    n	? ","
			    : i ? ",["
				: "[",
			    rates[n], n + 1 < workers ? "" : "]");
	}
	printf("]}\n");
	rig_close(&rig);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(int argc, char **argv);
	} programs[] = {
	    {"cores", engine_cores}, {"latency", engine_latency}, {"growth", engine_growth}};

	spin_cores();
	for (unsigned i = 0; argc > 1 && i < sizeof(programs) / sizeof(programs[0]); i++)
		if (strcmp(argv[1], programs[i].name) == 0)
			return programs[i].run(argc - 2, argv + 2);
	errx(
	    2, "usage: engine cores [NODES [CORES]] | latency [NODES] | growth [FROM TO [ROUNDS]]");
}
