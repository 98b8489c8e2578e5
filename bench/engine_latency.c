// SPDX-License-Identifier: BSD-3-Clause
#include "base/clock.h"
#include "bench/engine.h"
#include "bench/median.h"
#include "bench/spin.h"
#include "bench/traffic.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Datagrams arrive at random (Poisson), whether or not the worker keeps up, on a time line of its
// own on which only the worker's turns take time: making and taking frames stands still there. A
// datagram is under way from its arrival to the end of the turn that sent it.
//
// A virtual machine is slower for seconds and faster for others, so the load is set anew for each
// slice, by what the worker carries just then.

enum {
	SLICES = 41,
	SLICE_NS = 50000000,
	CALIBRATION = 60, // batches
	PAUSE_NS = 10000, // three full bursts
	BINS = 1 << 16,
	BIN_NS = 10,
};

static const double LOAD = 0.8;

struct histogram {
	uint64_t bins[BINS], count;
};

static void histogram_add(struct histogram *h, uint64_t ns)
{
	uint64_t bin = ns / BIN_NS;

	h->bins[bin < BINS ? bin : BINS - 1]++;
	h->count++;
}

static double histogram_us(const struct histogram *h, double share)
{
	uint64_t seen = 0, wanted = (uint64_t)ceil(share * (double)h->count);
	unsigned bin = 0;

	while (bin < BINS - 1 && (seen += h->bins[bin]) < wanted)
		bin++;
	return (bin + 1.0) * BIN_NS * 1e-3;
}

struct run {
	struct traffic traffic;
	double interval_ns; // between arrivals, on average
	double next_ns;	    // when the next datagram arrives
	uint64_t now_ns;
	uint64_t arrived[MEM_RING]; // of the datagrams that wait
	struct histogram latency;   // of one slice
	struct gaps turns;	    // of all
	uint64_t lost;
	double p50_us[SLICES], p99_us[SLICES], p99_9_us[SLICES];
};

static void arrivals(struct run *r, unsigned *waiting)
{
	for (; r->next_ns <= (double)r->now_ns;
	     r->next_ns -=
	     r->interval_ns * log((traffic_random(&r->traffic) + 1.0) / 4294967296.0)) {
		uint32_t sender, dest;

		if (*waiting == MEM_RING) {
			r->lost++;
			continue;
		}
		r->arrived[(*waiting)++] = (uint64_t)r->next_ns;
		traffic_put(&r->traffic, 0, &sender, &dest);
	}
}

// Turns longer than `pause_ns` are taken off the time line: the control shows that the machine
// makes such pauses.
static void slice_run(struct run *r, uint64_t pause_ns)
{
	struct worker *w = r->traffic.rig->workers[0];
	unsigned waiting = 0;

	memset(&r->latency, 0, sizeof(r->latency));
	r->now_ns = 0;
	r->next_ns = 0;
	while (r->now_ns < SLICE_NS) {
		uint64_t start, took;
		unsigned n;

		arrivals(r, &waiting);
		start = clock_mono_ns();
		n = worker_turn_at(w, r->traffic.now_ns);
		took = clock_mono_ns() - start;
		r->traffic.now_ns += took;
		gap_count(&r->turns, took);
		r->now_ns += took < pause_ns ? took : 0;
		for (unsigned i = 0; i < n; i++)
			histogram_add(
			    &r->latency, r->now_ns > r->arrived[i] ? r->now_ns - r->arrived[i] : 0);
		waiting -= n;
		memmove(r->arrived, r->arrived + n, waiting * sizeof(r->arrived[0]));
		rig_take(r->traffic.rig, RAW, 0);
	}
	traffic_run(&r->traffic, waiting);
	rig_take(r->traffic.rig, RAW, 0);
}

// Nanoseconds a datagram when there is always a full burst.
static double cost_now(struct traffic *t)
{
	double costs[CALIBRATION];

	for (int i = 0; i < CALIBRATION; i++) {
		uint32_t sender, dest;

		for (unsigned k = 0; k < MEM_RING; k++)
			traffic_put(t, 0, &sender, &dest);
		costs[i] = (double)traffic_run(t, MEM_RING) / MEM_RING;
		traffic_take(t, MEM_RING);
	}
	return median(costs, CALIBRATION);
}

static void load_run(struct run *r, uint64_t pause_ns, const char *name)
{
	memset(&r->turns, 0, sizeof(r->turns));
	r->lost = 0;
	for (int i = 0; i < SLICES; i++) {
		r->interval_ns = cost_now(&r->traffic) / LOAD;
		slice_run(r, pause_ns);
		r->p50_us[i] = histogram_us(&r->latency, 0.5);
		r->p99_us[i] = histogram_us(&r->latency, 0.99);
		r->p99_9_us[i] = histogram_us(&r->latency, 0.999);
	}
	printf("\"%s\":{\"p50_us\":%.2f,\"p99_us\":%.2f,\"p99_9_us\":%.2f,\"lost\":%lu,", name,
	    median(r->p50_us, SLICES), median(r->p99_us, SLICES), median(r->p99_9_us, SLICES),
	    (unsigned long)r->lost);
	gaps_print("turns", &r->turns);
	printf("}");
}

int engine_latency(int argc, char **argv)
{
	uint32_t nodes = argc > 0 ? (uint32_t)strtoul(argv[0], NULL, 10) : 100000;
	static struct run run;
	static struct rig rig;
	struct spin control;

	if (nodes == 0)
		return 2;
	spin_pin(0);
	traffic_rig(&rig, nodes, nodes, 1);
	run.traffic = (struct traffic){.rig = &rig, .nodes = nodes, .random = 42};
	for (int i = 0; i < 10; i++)
		cost_now(&run.traffic);
	printf("{\"nodes\":%u,\"capacity\":%.0f,", nodes, 1e9 / cost_now(&run.traffic));
	spin_start(&control, 1, NULL);
	load_run(&run, UINT64_MAX, "measured");
	spin_end(&control);
	printf(",");
	gaps_print("control", &control.gaps[0]);
	printf(",");
	load_run(&run, PAUSE_NS, "without_pauses");
	printf("}\n");
	rig_close(&rig);
	return 0;
}
