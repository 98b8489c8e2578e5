// SPDX-License-Identifier: BSD-3-Clause
#include "base/clock.h"
#include "bench/engine.h"
#include "bench/spin.h"
#include "bench/traffic.h"
#include "shm/quiescent.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { BATCH = MEM_RING, WORKER_CPU = 0, WRITER_CPU = 1, CONTROL_CPU = 2 };

struct growth {
	struct rig rig;
	uint32_t from, to;
	uint64_t steady_ns; // how long the table is left alone first
	uint32_t stop;
	struct gaps turns[3];
	uint32_t phase; // writer: 0 nothing changes, 1 nodes come, 2 they go
	double seconds[3];
};

// Relays among the first nodes all the time; the longest turn of each phase.
static void *worker_side(void *arg)
{
	struct growth *g = arg;
	struct traffic t = {.rig = &g->rig, .nodes = g->from, .random = 42};
	struct worker *w = g->rig.workers[0];

	spin_pin(WORKER_CPU);
	quiescent_online(&g->rig.memory.workers[0], (int32_t)gettid());
	while (!__atomic_load_n(&g->stop, __ATOMIC_RELAXED)) {
		uint32_t sender, dest;
		unsigned n = 0;

		for (unsigned i = 0; i < BATCH; i++)
			traffic_put(&t, 0, &sender, &dest);
		while (n < BATCH) {
			uint32_t phase = __atomic_load_n(&g->phase, __ATOMIC_RELAXED);
			uint64_t start = clock_mono_ns();

			n += worker_turn(w);
			gap_count(&g->turns[phase], clock_mono_ns() - start);
		}
		traffic_take(&t, BATCH);
	}
	quiescent_offline(&g->rig.memory.workers[0]);
	return NULL;
}

static void phase_begin(struct growth *g, uint32_t phase, uint64_t *since)
{
	uint64_t now = clock_mono_ns();

	g->seconds[g->phase] = (double)(now - *since) * 1e-9;
	*since = now;
	__atomic_store_n(&g->phase, phase, __ATOMIC_RELAXED);
}

// As the control plane: nodes as fast as they come, then all of those expire.
static void writer_side(struct growth *g)
{
	uint64_t since = clock_mono_ns();

	while (clock_mono_ns() - since < g->steady_ns)
		node_writer_run(&g->rig.nodes);
	phase_begin(g, 1, &since);
	for (uint32_t id = g->from + 1; id <= g->to; id++)
		traffic_node_add(&g->rig, id);
	phase_begin(g, 2, &since);
	for (uint32_t id = g->from + 1; id <= g->to; id++) {
		node_writer_remove(&g->rig.nodes, id);
		if (id % 1024 == 0)
			node_writer_run(&g->rig.nodes);
	}
	phase_begin(g, 0, &since);
}

int engine_growth(int argc, char **argv)
{
	static const char *const names[] = {"steady", "growing", "expiring"};
	static struct growth g = {.from = 10000, .to = 1000000, .steady_ns = 2000000000};
	struct spin control;
	struct gaps gaps;
	pthread_t thread;

	if (argc > 1) {
		g.from = (uint32_t)strtoul(argv[0], NULL, 10);
		g.to = (uint32_t)strtoul(argv[1], NULL, 10);
	}
	if (g.from == 0 || g.to <= g.from)
		return 2;
	traffic_rig(&g.rig, g.to, g.from, 1);
	spin_pin(WRITER_CPU);
	spin_start(&control, CONTROL_CPU);
	if (pthread_create(&thread, NULL, worker_side, &g))
		return 1;
	writer_side(&g);
	__atomic_store_n(&g.stop, 1, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	gaps = spin_end(&control);
	printf("{\"from\":%u,\"to\":%u,\"huge_pages\":%u,", g.from, g.to,
	    g.rig.memory.nodes.header->huge_pages);
	for (int i = 0; i < 3; i++) {
		gaps_print(names[i], &g.turns[i]);
		printf(",\"%s_s\":%.2f,", names[i], g.seconds[i]);
	}
	gaps_print("control", &gaps);
	printf("}\n");
	rig_close(&g.rig);
	return 0;
}
