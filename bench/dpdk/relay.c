// SPDX-License-Identifier: BSD-3-Clause
// The whole relay on one core and a dpdk device without a cable (net_null, net_ring): rx, all
// stages, tx. Modes: relay; swap (addresses, without filling); fill and free (receiving and giving
// back with and without filling: the difference is what filling costs, which a card does itself).
#include "bench/dpdk/filler.h"
#include "bench/rig.h"
#include "wire/inet.h"

#include <err.h>
#include <getopt.h>
#include <rte_ethdev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	TURNS = 256, // between two looks at the clock
	MEM_FRAMES = 1024,
	SEEDS = 15, // bursts that go around in a net_ring
};

struct options {
	uint32_t nodes, senders, frames;
	double seconds;
	const char *device, *mode, *eal;
	bool police;
};

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

// The rig takes no part in this: a burst of a turn of its own, without stages.
static unsigned burst_take(struct dgram **list)
{
	static struct dgram d[BURST_MAX];
	unsigned n = rig.raw.ops->rx(rig.raw.queues[0], d, BURST_MAX);

	for (unsigned i = 0; i < n; i++)
		list[i] = &d[i];
	return n;
}

static bool loops(const struct options *o)
{
	return strncmp(o->device, "net_ring", 8) == 0;
}

// What goes around in a loop must be put there first.
static void loop_seed(const struct options *o)
{
	static uint8_t frame[FRAME];
	struct dgram d = {.l2 = frame, .len = FRAME}, *list = &d;

	for (int i = 0; loops(o) && i < SEEDS * BURST_MAX; i++)
		if (rig.raw.ops->tx_copy(rig.raw.queues[0], &list, 1) != 1)
			errx(1, "the device does not take %d frames", i + 1);
}

// Datagrams of one turn, by mode. A loop's frames must go on their way; others end here.
static unsigned turn_free(bool on)
{
	struct dgram *list[BURST_MAX];
	unsigned n = burst_take(list);

	if (on)
		rig.raw.ops->tx(rig.raw.queues[0], list, n);
	else
		rig.raw.ops->release(rig.raw.queues[0], list, n);
	return n;
}

static unsigned turn_swap(void)
{
	struct dgram *list[BURST_MAX];
	unsigned n = burst_take(list);

	for (unsigned i = 0; i < n; i++) {
		uint8_t mac[ETH_ADDR_SIZE];

		memcpy(mac, list[i]->l2, sizeof(mac));
		memcpy(list[i]->l2, list[i]->l2 + ETH_OFFSET_SRC, sizeof(mac));
		memcpy(list[i]->l2 + ETH_OFFSET_SRC, mac, sizeof(mac));
	}
	rig.raw.ops->tx(rig.raw.queues[0], list, n);
	return n;
}

// Time that this thread had the core: others run on the machine too.
static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void measure(const struct options *o, const char *mode)
{
	bool relay = strcmp(mode, "relay") == 0, swap = strcmp(mode, "swap") == 0, loop = loops(o);
	uint64_t start = cpu_ns(), count = 0, now = start, drops = 0;
	struct worker_block *b = &rig.memory.workers[0];
	uint64_t relayed = b->counters[COUNTER_RELAYED];

	while ((double)(now - start) < o->seconds * 1e9) {
		for (int i = 0; i < TURNS; i++)
			count += relay	? worker_turn(rig.workers[0])
				 : swap ? turn_swap()
					: turn_free(loop);
		now = cpu_ns();
	}
	for (int i = 0; i < DROP_COUNT; i++)
		drops += b->drops[i];
	relayed = b->counters[COUNTER_RELAYED] - relayed;
	if (relay && (relayed != count || drops))
		errx(1, "of %llu datagrams %llu were relayed, %llu dropped",
		    (unsigned long long)count, (unsigned long long)relayed,
		    (unsigned long long)drops);
	printf("{\"mode\": \"%s\", \"nodes\": %u, \"senders\": %u, \"rate\": %.0f, \"ns\": %.1f}\n",
	    mode, o->nodes, o->senders, (double)count / (double)(now - start) * 1e9,
	    (double)(now - start) / (double)count);
	fflush(stdout);
}

static struct options options_read(int argc, char **argv)
{
	struct options o = {.nodes = 1000000,
	    .senders = 1000000,
	    .frames = 8192,
	    .seconds = 3,
	    .device = "net_null0,size=60",
	    .mode = "relay,swap,fill,free"};
	int c;

	while ((c = getopt(argc, argv, "n:s:t:f:d:e:m:p")) != -1) {
		if (c == 'n')
			o.nodes = (uint32_t)strtoul(optarg, NULL, 10);
		else if (c == 's')
			o.senders = (uint32_t)strtoul(optarg, NULL, 10);
		else if (c == 't')
			o.seconds = strtod(optarg, NULL);
		else if (c == 'f')
			o.frames = (uint32_t)strtoul(optarg, NULL, 10);
		else if (c == 'd')
			o.device = optarg;
		else if (c == 'e')
			o.eal = optarg;
		else if (c == 'm')
			o.mode = optarg;
		else if (c == 'p')
			o.police = true;
		else
			errx(2, "usage: dpdk-relay [-n nodes] [-s senders] [-t seconds] "
				"[-f buffers] [-d device] [-e eal] [-m relay,swap,fill,free] [-p]");
	}
	if (o.nodes == 0 || o.senders == 0)
		errx(2, "0 nodes send nothing");
	o.senders = o.senders < o.nodes ? o.senders : o.nodes;
	return o;
}

int main(int argc, char **argv)
{
	struct options o = options_read(argc, argv);
	const struct link_config device = {
	    .spec = o.device, .frame_count = o.frames, .dpdk_queues = 1, .dpdk_eal = o.eal};
	char *modes = strdup(o.mode), *rest = modes;
	const char *mode;
	uint16_t port;

	rig_create(&rig, o.nodes + 64, 1, true);
	tables_fill(&o);
	rig_raw(&rig, &link_dpdk_ops, &device);
	rig_start(&rig, MEM_FRAMES, NULL);
	filler_open(o.nodes, o.senders);
	port = rte_eth_find_next(0);
	loop_seed(&o);
	while ((mode = strsep(&rest, ","))) {
		if (strcmp(mode, "swap") != 0 && strcmp(mode, "free") != 0)
			filler_start(port);
		measure(&o, mode);
		filler_stop(port);
	}
	free(modes);
	rig_close(&rig);
	return 0;
}
