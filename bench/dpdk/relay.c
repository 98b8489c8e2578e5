// SPDX-License-Identifier: BSD-3-Clause
// The whole relay on one core or several and a dpdk device without a cable (net_null, net_ring):
// rx, all stages, tx; and less than that (bench/dpdk/turns.h). What fill takes longer than free is
// what filling costs, which a card does itself.
#include "base/clock.h"
#include "bench/dpdk/filler.h"
#include "bench/dpdk/turns.h"
#include "wire/inet.h"

#include <err.h>
#include <getopt.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	TURNS = 256, // between two looks at the clock
	MEM_FRAMES = 1024,
	SEEDS = 15, // bursts that go around in a net_ring
};

struct options {
	uint32_t nodes, senders, frames;
	double seconds;
	const char *devices[RIG_WORKERS], *mode, *eal;
	unsigned device_count, workers;
	bool police;
};

// A worker's core, which runs one kind of turn for a while together with the others.
struct core {
	const struct turn *turn;
	unsigned worker;
	double seconds;
	pthread_barrier_t *together;
	pthread_t thread;
	uint64_t datagrams, ns, total; // total: with those before the clock ran
};

static const double WARM_SECONDS = 0.3;

static struct rig rig;

static void tables_fill(const struct options *o)
{
	struct memory *m = &rig.memory;

	*m->settings = (struct relay_settings){.ttl = 64, .trace_sample = 1};
	if (o->police) { // the defaults
		m->settings->source_rate = 200;
		m->settings->source_burst = 400;
		m->settings->sender_rate = 100000;
		m->settings->sender_burst = 20000;
	}
	if (endpoint_parse("192.0.2.1:9001", 0, &m->locals[0].at))
		errx(1, "no address");
	m->locals[0].valid = 1;
	rig_route(&rig, 1);
	if (node_writer_open(&rig.nodes, m))
		errx(1, "cannot open the node table");
	for (uint32_t i = 0; i < o->nodes; i++) {
		struct node_route r = {
		    .at = endpoint_from_v4(filler_address(i), NODE_PORT), .nexthop = 1};

		if (node_writer_put(&rig.nodes, filler_node(i), &r, 1) < 0)
			errx(1, "node %u does not fit", i);
	}
}

static void devices_open(const struct options *o)
{
	for (unsigned i = 0; i < o->device_count; i++) {
		const struct link_config device = {.spec = o->devices[i],
		    .frame_count = o->frames,
		    .dpdk_queues = (uint16_t)(o->workers / o->device_count),
		    .dpdk_eal = o->eal};

		rig_raw(&rig, &link_dpdk_ops, &device);
	}
	if (rig.raw.queue_count < o->workers)
		errx(1, "%s has %u queues", o->devices[0], rig.raw.queue_count);
}

static bool loops(const struct options *o)
{
	return strncmp(o->devices[0], "net_ring", 8) == 0;
}

// What goes around in a loop must be put there first.
static void loop_seed(const struct options *o)
{
	static uint8_t frame[FRAME];
	struct dgram d = {.l2 = frame, .len = FRAME}, *list = &d;

	for (unsigned i = 0; loops(o) && i < SEEDS * BURST_MAX * o->workers; i++)
		if (rig.raw.ops->tx_copy(rig.raw.queues[i % o->workers], &list, 1) != 1)
			errx(1, "the device does not take %u frames", i + 1);
}

// Time that this thread had the core: others run on the machine too.
static uint64_t cpu_ns(void)
{
	return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

// Counts datagrams for so many seconds of the thread's time; the nanoseconds it took.
static uint64_t turns_run(
    const struct turn *turn, unsigned worker, double seconds, uint64_t *datagrams)
{
	uint64_t start = cpu_ns(), now = start;

	*datagrams = 0;
	while ((double)(now - start) < seconds * 1e9) {
		for (int i = 0; i < TURNS; i++)
			*datagrams += turn->run(&rig, worker);
		now = cpu_ns();
	}
	return now - start;
}

static void core_take(unsigned index)
{
	cpu_set_t all, one;
	int cpu = -1;

	sched_getaffinity(0, sizeof(all), &all);
	if ((unsigned)CPU_COUNT(&all) <= index)
		return;
	for (unsigned left = index + 1; left; left -= CPU_ISSET(cpu, &all) != 0)
		cpu++;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	sched_setaffinity(0, sizeof(one), &one);
}

// Everything is met once before it counts, as on a relay that has run for a while.
static void *core_run(void *arg)
{
	struct core *c = arg;
	uint64_t met;

	core_take(c->worker);
	rig.raw.ops->thread_start(rig.raw.queues[c->worker]);
	turns_run(c->turn, c->worker, WARM_SECONDS, &met);
	pthread_barrier_wait(c->together);
	c->ns = turns_run(c->turn, c->worker, c->seconds, &c->datagrams);
	c->total = met + c->datagrams;
	pthread_barrier_wait(c->together);
	rig.raw.ops->thread_end(rig.raw.queues[c->worker]);
	return NULL;
}

// What came in was relayed, all of it.
static void relay_verify(unsigned worker, uint64_t count, uint64_t relayed_before)
{
	const struct worker_block *b = &rig.memory.workers[worker];
	uint64_t drops = 0, relayed = b->counters[COUNTER_RELAYED] - relayed_before;

	for (int i = 0; i < DROP_COUNT; i++)
		drops += b->drops[i];
	if (relayed != count || drops)
		errx(1, "worker %u: of %llu datagrams %llu were relayed, %llu dropped", worker,
		    (unsigned long long)count, (unsigned long long)relayed,
		    (unsigned long long)drops);
}

static void measure(const struct options *o, const struct turn *turn)
{
	struct core cores[RIG_WORKERS];
	uint64_t relayed[RIG_WORKERS];
	pthread_barrier_t together;
	double rate = 0, ns = 0;

	pthread_barrier_init(&together, NULL, o->workers);
	for (unsigned i = 0; i < o->workers; i++) {
		relayed[i] = rig.memory.workers[i].counters[COUNTER_RELAYED];
		cores[i] = (struct core){
		    .turn = turn, .worker = i, .seconds = o->seconds, .together = &together};
		if (pthread_create(&cores[i].thread, NULL, core_run, &cores[i]))
			errx(1, "no thread");
	}
	for (unsigned i = 0; i < o->workers; i++) {
		pthread_join(cores[i].thread, NULL);
		if (strcmp(turn->name, "relay") == 0)
			relay_verify(i, cores[i].total, relayed[i]);
		rate += (double)cores[i].datagrams / (double)cores[i].ns * 1e9;
		ns += (double)cores[i].ns / (double)cores[i].datagrams / o->workers;
	}
	pthread_barrier_destroy(&together);
	printf("{\"mode\": \"%s\", \"nodes\": %u, \"senders\": %u, \"workers\": %u, "
	       "\"rate\": %.0f, \"ns\": %.1f}\n",
	    turn->name, o->nodes, o->senders, o->workers, rate, ns);
	fflush(stdout);
}

static struct options options_read(int argc, char **argv)
{
	struct options o = {.nodes = 1000000,
	    .senders = 1000000,
	    .frames = 8192,
	    .seconds = 3,
	    .mode = "relay,swap,floor,fill,free",
	    .workers = 1};
	int c;

	while ((c = getopt(argc, argv, "n:s:t:f:d:e:m:w:p")) != -1) {
		if (c == 'n')
			o.nodes = (uint32_t)strtoul(optarg, NULL, 10);
		else if (c == 's')
			o.senders = (uint32_t)strtoul(optarg, NULL, 10);
		else if (c == 't')
			o.seconds = strtod(optarg, NULL);
		else if (c == 'f')
			o.frames = (uint32_t)strtoul(optarg, NULL, 10);
		else if (c == 'd' && o.device_count < RIG_WORKERS)
			o.devices[o.device_count++] = optarg;
		else if (c == 'e')
			o.eal = optarg;
		else if (c == 'm')
			o.mode = optarg;
		else if (c == 'w')
			o.workers = (unsigned)strtoul(optarg, NULL, 10);
		else if (c == 'p')
			o.police = true;
		else
			errx(2,
			    "usage: dpdk-relay [-n nodes] [-s senders] [-t seconds] [-w workers] "
			    "[-f buffers] [-d device, one or each worker's]... [-e eal] "
			    "[-m relay,swap,floor,fill,free] [-p]");
	}
	if (o.device_count == 0)
		o.devices[o.device_count++] = "net_null0,size=60";
	if (o.nodes == 0 || o.senders == 0)
		errx(2, "0 nodes send nothing");
	if (o.workers == 0 || o.workers > RIG_WORKERS)
		errx(2, "1 to %d workers", RIG_WORKERS);
	if (o.device_count > 1 && o.device_count != o.workers)
		errx(2, "one device, or as many as workers");
	o.senders = o.senders < o.nodes ? o.senders : o.nodes;
	return o;
}

int main(int argc, char **argv)
{
	struct options o = options_read(argc, argv);
	char *modes = strdup(o.mode), *rest = modes;
	const char *mode;

	rig_create(&rig, o.nodes + 64, o.workers, true);
	tables_fill(&o);
	devices_open(&o);
	rig_start(&rig, MEM_FRAMES, NULL);
	filler_open(o.nodes, o.senders, o.workers);
	turns_open(loops(&o));
	loop_seed(&o);
	while ((mode = strsep(&rest, ","))) {
		const struct turn *turn = turn_find(mode);

		if (!turn)
			errx(2, "there is no mode %s", mode);
		if (turn->filled)
			filler_start();
		measure(&o, turn);
		filler_stop();
	}
	free(modes);
	rig_close(&rig);
	return 0;
}
