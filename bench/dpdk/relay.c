// SPDX-License-Identifier: BSD-3-Clause
// The whole relay on one core and a dpdk device without a cable (net_null): rx, all stages, tx.
// Every received buffer is filled with a relay datagram from and to random nodes, as a card would
// have done, by a receive callback. Modes: relay; swap (addresses, without filling); fill and free
// (receiving and freeing with and without filling: the difference is what filling costs).
#include "dataplane/io/frame.h"
#include "dataplane/io/mem.h"
#include "dataplane/worker.h"
#include "shm/node_writer.h"
#include "wire/beacon.h"

#include <err.h>
#include <getopt.h>
#include <rte_ethdev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	SOCK = 0,
	RAW = 1,
	FRAME = 60, // without the checksum that the card adds: 64 bytes on the cable
	NODE_PORT = 4001,
	FIRST_ADDRESS = 0x0a000001,
	TURNS = 256, // between two looks at the clock
	SPREAD = 2654435761,
};

struct options {
	uint32_t nodes, senders, frames;
	double seconds;
	const char *device, *mode, *eal;
};

// Fills received buffers. Sums are over the frame with sender, destination and source zero.
struct filler {
	uint8_t frame[FRAME];
	uint64_t ip_sum, udp_sum;
	uint64_t random;
	uint32_t nodes, senders;
};

static struct filler filler;
static struct link raw = {.ops = &link_dpdk_ops}, sock = {.ops = &link_mem_payload_ops};
static struct link *links[] = {&sock, &raw};
static struct memory memory;

static uint32_t node_id(uint32_t i)
{
	return (uint32_t)((i + 1) * SPREAD);
}

static uint32_t node_address(uint32_t i)
{
	return htobe32(FIRST_ADDRESS + i);
}

static uint64_t random_next(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	return *s ^= *s << 17;
}

static void filler_open(const struct options *o)
{
	uint8_t relay[FRAME] = {BEACON_RELAY};
	struct frame_spec s = {.ttl = 64,
	    .from = endpoint_from_v4(0, NODE_PORT),
	    .to = memory.locals[0].at,
	    .dst_mac = {2, 0, 0, 0, 0, 1},
	    .src_mac = {2, 0, 0, 0, 0, 0xfe}};
	size_t head = frame_header_size(&s);
	uint16_t check;

	filler =
	    (struct filler){.random = 88172645463325252, .nodes = o->nodes, .senders = o->senders};
	if (frame_build(filler.frame, FRAME, &s, relay, FRAME - head) != FRAME)
		errx(1, "the frame does not fit");
	memcpy(&check, filler.frame + ETH_HEADER_SIZE + IPV4_OFFSET_CHECKSUM, sizeof(check));
	filler.ip_sum = (uint16_t)~check;
	memcpy(&check, filler.frame + head - 2, sizeof(check));
	filler.udp_sum = (uint16_t)~check;
}

static inline uint64_t random_below(uint32_t n)
{
	return (random_next(&filler.random) >> 32) * n >> 32;
}

static uint16_t fill(
    uint16_t port, uint16_t queue, struct rte_mbuf **m, uint16_t n, uint16_t max, void *context)
{
	enum { IP = ETH_HEADER_SIZE, UDP = IP + IPV4_HEADER_SIZE, BODY = UDP + UDP_HEADER_SIZE };

	(void)port;
	(void)queue;
	(void)max;
	(void)context;
	for (uint16_t i = 0; i < n; i++) {
		uint8_t *p = rte_pktmbuf_mtod(m[i], uint8_t *);
		uint32_t from = (uint32_t)random_below(filler.senders);
		uint32_t source = node_address(from), ids[2];
		uint64_t ip = filler.ip_sum + source;
		uint8_t odd[12] = {0};
		uint16_t check;

		ids[0] = htobe32(node_id(from));
		ids[1] = htobe32(node_id((uint32_t)random_below(filler.nodes)));
		memcpy(p, filler.frame, FRAME);
		memcpy(p + IP + IPV4_OFFSET_SRC, &source, sizeof(source));
		memcpy(p + BODY + 1, ids, sizeof(ids));
		memcpy(odd + 1, ids, sizeof(ids)); // they start at an odd place
		check = (uint16_t)~csum_fold(ip);
		memcpy(p + IP + IPV4_OFFSET_CHECKSUM, &check, sizeof(check));
		check = (uint16_t)~csum_fold(csum_add(filler.udp_sum + source, odd, sizeof(odd)));
		memcpy(p + UDP + UDP_OFFSET_CHECKSUM, &check, sizeof(check));
	}
	return n;
}

static void tables_open(const struct options *o)
{
	static const uint8_t gateway[6] = {2, 0, 0, 0, 0, 0xfe};
	const struct memory_config cfg = {.node_capacity = o->nodes + 64,
	    .worker_count = 1,
	    .punt_size = 65536,
	    .inject_size = 65536,
	    .trace_size = 65536};
	struct memory_error why;
	struct node_writer w;

	if (memory_create(&memory, &cfg, &why))
		errx(1, "%s", why.text);
	memory.settings->ttl = 64;
	if (endpoint_parse("192.0.2.1:9001", 0, &memory.locals[0].at))
		errx(1, "no address");
	memory.locals[0].valid = 1;
	memory.egress[0] = (struct egress){
	    .mac = {2, 0, 0, 0, 0, 1}, .ifindex = 1, .mtu = 1500, .link = RAW, .valid = 1};
	memory.nexthops[1] = nexthop_make(gateway, 0);
	if (node_writer_open(&w, &memory))
		errx(1, "cannot open the node table");
	for (uint32_t i = 0; i < o->nodes; i++) {
		struct node_route r = {
		    .at = endpoint_from_v4(node_address(i), NODE_PORT), .nexthop = 1};

		if (node_writer_put(&w, node_id(i), &r, 1) < 0)
			errx(1, "node %u does not fit", i);
	}
	node_writer_close(&w);
}

static void links_open(const struct options *o)
{
	struct link_config cfg = {.spec = "",
	    .kind = "mem-payload",
	    .index = SOCK,
	    .worker_count = 1,
	    .frame_count = 1024,
	    .locals = memory.locals,
	    .egress = memory.egress};
	struct link_error why;

	if (sock.ops->open(&sock, &cfg, &why))
		errx(1, "%s", why.text);
	cfg.spec = o->device;
	cfg.kind = "dpdk";
	cfg.index = RAW;
	cfg.frame_count = o->frames;
	cfg.dpdk_queues = 1;
	cfg.dpdk_eal = o->eal;
	if (raw.ops->open(&raw, &cfg, &why))
		errx(1, "%s", why.text);
}

// Time that this thread had the core: others run on the machine too.
static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

// Datagrams of one turn, by mode.
static unsigned turn_free(void)
{
	static struct dgram d[BURST_MAX];
	struct dgram *list[BURST_MAX];
	unsigned n = raw.ops->rx(raw.queues[0], d, BURST_MAX);

	for (unsigned i = 0; i < n; i++)
		list[i] = &d[i];
	raw.ops->release(raw.queues[0], list, n);
	return n;
}

static unsigned turn_swap(void)
{
	static struct dgram d[BURST_MAX];
	struct dgram *list[BURST_MAX];
	unsigned n = raw.ops->rx(raw.queues[0], d, BURST_MAX);

	for (unsigned i = 0; i < n; i++) {
		uint8_t mac[ETH_ADDR_SIZE];

		memcpy(mac, d[i].l2, sizeof(mac));
		memcpy(d[i].l2, d[i].l2 + ETH_OFFSET_SRC, sizeof(mac));
		memcpy(d[i].l2 + ETH_OFFSET_SRC, mac, sizeof(mac));
		list[i] = &d[i];
	}
	raw.ops->tx(raw.queues[0], list, n);
	return n;
}

static void measure(const struct options *o, struct worker *w)
{
	bool relay = strcmp(o->mode, "relay") == 0, swap = strcmp(o->mode, "swap") == 0;
	uint64_t start = cpu_ns(), count = 0, now = start;
	struct worker_block *b = &memory.workers[0];
	uint64_t relayed = b->counters[COUNTER_RELAYED];
	uint64_t drops = 0;

	while ((double)(now - start) < o->seconds * 1e9) {
		for (int i = 0; i < TURNS; i++)
			count += relay ? worker_turn(w) : swap ? turn_swap() : turn_free();
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
	    o->mode, o->nodes, o->senders, (double)count / (double)(now - start) * 1e9,
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

	while ((c = getopt(argc, argv, "n:s:t:f:d:e:m:")) != -1) {
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
		else
			errx(2, "usage: dpdk-relay [-n nodes] [-s senders] [-t seconds] "
				"[-f buffers] [-d device] [-e eal] [-m relay,swap,fill,free]");
	}
	if (o.nodes == 0 || o.senders == 0)
		errx(2, "0 nodes send nothing");
	o.senders = o.senders < o.nodes ? o.senders : o.nodes;
	return o;
}

int main(int argc, char **argv)
{
	struct options o = options_read(argc, argv);
	struct worker_config wc = {.memory = &memory,
	    .links = links,
	    .link_count = 2,
	    .companion = SOCK,
	    .cpu = -1,
	    .event_fd = -1,
	    .cp_event_fd = -1};
	char *modes = strdup(o.mode), *rest = modes;
	const struct rte_eth_rxtx_callback *callback = NULL;
	struct worker *w;
	uint16_t port;

	tables_open(&o);
	links_open(&o);
	if (worker_open(&w, &wc))
		errx(1, "no memory for the worker");
	filler_open(&o);
	port = rte_eth_find_next(0);
	while ((o.mode = strsep(&rest, ","))) {
		if (strcmp(o.mode, "swap") != 0 && strcmp(o.mode, "free") != 0)
			callback = rte_eth_add_rx_callback(port, 0, fill, NULL);
		measure(&o, w);
		if (callback)
			rte_eth_remove_rx_callback(port, 0, callback);
		callback = NULL;
	}
	free(modes);
	worker_close(w);
	raw.ops->close(&raw);
	sock.ops->close(&sock);
	memory_unmap(&memory);
	return 0;
}
