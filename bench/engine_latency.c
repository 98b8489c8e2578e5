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
	SLICES = 101,
	SLICE_NS = 20000000,
	CALIBRATION = 500, // bursts
	PAUSE_NS = 10000,  // three full bursts
	AWAY_NS = 500,	   // ten readings of the clock
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

// Who serves the datagrams: the worker, all its time counted; an even server that takes as long for
// each as the worker does and does nothing but count that time, so that what it shows is the
// machine's; the worker with turns over PAUSE_NS taken off the time line.
enum server { WORKER, EVEN, WITHOUT_PAUSES, SERVERS };

struct outcome {
	double p50_us[SLICES], p99_us[SLICES], p99_9_us[SLICES];
	struct gaps turns;
	uint64_t lost;
};

struct run {
	struct traffic traffic;
	enum server server;
	double cost_ns; // of a datagram, in full bursts
	double next_ns; // when the next datagram arrives
	uint64_t now_ns;
	uint64_t arrived[MEM_RING]; // of the datagrams that wait
	struct histogram latency;   // of one slice
	struct outcome outcomes[SERVERS];
};

static void arrivals(struct run *r, unsigned *waiting)
{
	double interval_ns = r->cost_ns / LOAD;

	for (; r->next_ns <= (double)r->now_ns;
	     r->next_ns -= interval_ns * log((traffic_random(&r->traffic) + 1.0) / 4294967296.0)) {
		uint32_t sender, dest;

		if (*waiting == MEM_RING) {
			r->outcomes[r->server].lost++;
			histogram_add(&r->latency, UINT64_MAX); // later than all that are served
			continue;
		}
		r->arrived[(*waiting)++] = (uint64_t)r->next_ns;
		if (r->server != EVEN)
			traffic_put(&r->traffic, 0, &sender, &dest);
	}
}

// Works for so long, without what the machine takes meanwhile.
static void even_work(double ns)
{
	uint64_t last = clock_mono_ns();

	for (double done = 0; done < ns;) {
		uint64_t now = clock_mono_ns();

		if (now - last < AWAY_NS)
			done += (double)(now - last);
		last = now;
	}
}

// Serves some of those that wait; how many.
static unsigned turn(struct run *r, unsigned waiting, uint64_t *took_ns)
{
	struct worker *w = r->traffic.rig->workers[0];
	unsigned n = waiting < BURST_MAX ? waiting : BURST_MAX;
	uint64_t start = clock_mono_ns();

	if (r->server == EVEN)
		even_work(n * r->cost_ns);
	else
		n = worker_turn_at(w, r->traffic.now_ns);
	*took_ns = clock_mono_ns() - start;
	return n;
}

static void slice_run(struct run *r)
{
	uint64_t pause_ns = r->server == WITHOUT_PAUSES ? PAUSE_NS : UINT64_MAX;
	unsigned waiting = 0;

	memset(&r->latency, 0, sizeof(r->latency));
	r->now_ns = 0;
	r->next_ns = 0;
	while (r->now_ns < SLICE_NS) {
		uint64_t took;
		unsigned n;

		arrivals(r, &waiting);
		n = turn(r, waiting, &took);
		r->traffic.now_ns += took;
		gap_count(&r->outcomes[r->server].turns, took, NULL);
		r->now_ns += took < pause_ns ? took : 0;
		for (unsigned i = 0; i < n; i++)
			histogram_add(
			    &r->latency, r->now_ns > r->arrived[i] ? r->now_ns - r->arrived[i] : 0);
		waiting -= n;
		memmove(r->arrived, r->arrived + n, waiting * sizeof(r->arrived[0]));
		rig_take(r->traffic.rig, RAW, 0);
	}
	if (r->server != EVEN)
		traffic_run(&r->traffic, waiting);
	rig_take(r->traffic.rig, RAW, 0);
}

// Nanoseconds a datagram when there is always a full burst, with frames made between the bursts as
// in a slice: their making takes the worker's code out of the first-level cache.
static double cost_now(struct run *r)
{
	double costs[CALIBRATION];
	unsigned waiting = 0;

	for (int i = 0; i < CALIBRATION; i++) {
		uint32_t sender, dest;
		uint64_t took;
		unsigned n;

		for (; waiting < MEM_RING; waiting++)
			traffic_put(&r->traffic, 0, &sender, &dest);
		n = turn(r, waiting, &took);
		r->traffic.now_ns += took;
		waiting -= n;
		costs[i] = (double)took / n;
		rig_take(r->traffic.rig, RAW, 0);
	}
	traffic_run(&r->traffic, waiting);
	rig_take(r->traffic.rig, RAW, 0);
	return median(costs, CALIBRATION);
}

// The servers take turns, at the same load and every other time in reversed order: a machine is not
// the same for long. The worker and the even server are neighbours.
static void servers_run(struct run *r)
{
	for (int i = 0; i < SLICES; i++) {
		r->server = WORKER;
		r->cost_ns = cost_now(r);
		for (int k = 0; k < SERVERS; k++) {
			struct outcome *o;

			r->server = (enum server)(i % 2 ? SERVERS - 1 - k : k);
			o = &r->outcomes[r->server];
			slice_run(r);
			o->p50_us[i] = histogram_us(&r->latency, 0.5);
			o->p99_us[i] = histogram_us(&r->latency, 0.99);
			o->p99_9_us[i] = histogram_us(&r->latency, 0.999);
		}
	}
}

static void outcome_print(const char *name, struct outcome *o)
{
	printf(",\"%s\":{\"p99_9_us_slices\":[", name);
	for (int i = 0; i < SLICES; i++)
		printf("%s%.2f", i ? "," : "", o->p99_9_us[i]);
	printf("],\"p50_us\":%.2f,\"p99_us\":%.2f,\"p99_9_us\":%.2f,\"lost\":%lu,",
	    median(o->p50_us, SLICES), median(o->p99_us, SLICES), median(o->p99_9_us, SLICES),
	    (unsigned long)o->lost);
	gaps_print("turns", &o->turns);
	printf("}");
}

int engine_latency(int argc, char **argv)
{
	static const char *const names[SERVERS] = {"measured", "even", "without_pauses"};
	uint32_t nodes = argc > 0 ? (uint32_t)strtoul(argv[0], NULL, 10) : 100000;
	static struct run run;
	static struct rig rig;
	bool controlled = spin_cores() > 1;
	struct spin control;

	if (nodes == 0)
		return 2;
	spin_pin(0);
	traffic_rig(&rig, nodes, nodes, 1);
	run.traffic =
	    (struct traffic){.rig = &rig, .nodes = nodes, .random = 42, .now_ns = clock_mono_ns()};
	for (int i = 0; i < 10; i++)
		cost_now(&run);
	if (controlled)
		spin_start(&control, 1, NULL);
	servers_run(&run);
	printf("{\"nodes\":%u,\"capacity\":%.0f,\"limit_us\":%.2f", nodes, 1e9 / run.cost_ns,
	    BINS * BIN_NS * 1e-3);
	if (controlled) {
		spin_end(&control);
		printf(",");
		gaps_print("control", &control.gaps[0]);
	}
	for (int i = 0; i < SERVERS; i++)
		outcome_print(names[i], &run.outcomes[i]);
	printf("}\n");
	rig_close(&rig);
	return 0;
}
