// SPDX-License-Identifier: BSD-3-Clause
// Cost of the whole path through a worker on mem links, by number of nodes: random senders and
// destinations, 64-byte frames inside the relay message. Only the worker's turns are timed, not the
// making and taking of frames; and frames and payloads are verified in a pass of its own.
#include "base/clock.h"
#include "bench/rig.h"
#include "wire/beacon.h"
#include "wire/inet.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FRAME = 64, BATCH = MEM_RING, ROUNDS = 1000, VERIFIED_ROUNDS = 20, WARM_TURNS = 4 };

struct lab {
	struct rig rig;
	uint32_t nodes;
	uint64_t random;
	uint64_t cost_ns[ROUNDS];
	struct {
		uint32_t sender, dest;
	} sent[BATCH];
};

static uint32_t random_next(struct lab *lab)
{
	lab->random = lab->random * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(lab->random >> 32);
}

static uint32_t node_random(struct lab *lab)
{
	return 1 + (uint32_t)((uint64_t)random_next(lab) * lab->nodes >> 32);
}

static struct endpoint node_endpoint(uint32_t id)
{
	return endpoint_from_v4(htobe32(0x0a000000 + id), (uint16_t)(1024 + id % 60000));
}

static void tables_fill(struct lab *lab)
{
	struct memory *m = &lab->rig.memory;
	int rc;

	m->locals[0].at = endpoint_from_v4(htobe32(0xc0000201), 9001);
	m->locals[0].valid = 1;
	rig_route(&lab->rig, 1);
	*m->settings = (struct relay_settings){
	    .source_rate = 200,
	    .source_burst = 400,
	    .sender_rate = 100000,
	    .sender_burst = 20000,
	    .trace_sample = 1,
	    .ttl = 64,
	};
	rc = node_writer_open(&lab->rig.nodes, m);
	for (uint32_t id = 1; id <= lab->nodes && rc >= 0; id++) {
		struct node_route r = {.at = node_endpoint(id), .nexthop = 1};

		rc = node_writer_put(&lab->rig.nodes, id, &r, 1);
	}
	if (rc < 0)
		errx(1, "cannot make a table of %u nodes: %s", lab->nodes, strerror(-rc));
}

static void lab_open(struct lab *lab, uint32_t nodes)
{
	lab->nodes = nodes;
	lab->random = 42;
	rig_create(&lab->rig, nodes, true);
	tables_fill(lab);
	rig_start(&lab->rig, 2 * BATCH, NULL);
}

static void frame_put(struct lab *lab, unsigned i)
{
	uint8_t payload[BEACON_RELAY_SIZE + FRAME];
	struct endpoint from;

	lab->sent[i].sender = node_random(lab);
	lab->sent[i].dest = node_random(lab);
	beacon_relay_build_header(payload, sizeof(payload), lab->sent[i].sender, lab->sent[i].dest);
	memset(payload + BEACON_RELAY_SIZE, (int)i, FRAME);
	from = node_endpoint(lab->sent[i].sender);
	rig_put(&lab->rig, &from, &lab->rig.memory.locals[0].at, payload, sizeof(payload));
}

// One batch through the worker; nanoseconds that its turns took.
static uint64_t batch_run(struct lab *lab)
{
	uint64_t start;
	unsigned n = 0;

	for (unsigned i = 0; i < BATCH; i++)
		frame_put(lab, i);
	start = clock_mono_ns();
	while (n < BATCH)
		n += worker_turn(lab->rig.worker);
	return clock_mono_ns() - start;
}

static void batch_drop(struct lab *lab)
{
	unsigned n = rig_take(&lab->rig, RAW);

	if (n != BATCH)
		errx(1, "%u of %u datagrams came out", n, (unsigned)BATCH);
}

// Each frame in order, with the right destination, sender, bytes and sums.
static void batch_verify(struct lab *lab)
{
	struct mem_sent sent;

	batch_run(lab);
	for (unsigned i = 0; i < BATCH; i++) {
		struct endpoint to = node_endpoint(lab->sent[i].dest);
		uint8_t expected[BEACON_RELAY_DELIVER_SIZE + FRAME] = {BEACON_RELAY_DELIVER};
		struct inet_udp h;
		uint32_t a, b;

		store_be32(expected + 1, lab->sent[i].sender);
		memset(expected + BEACON_RELAY_DELIVER_SIZE, (int)i, FRAME);
		if (!mem_take(&lab->rig.raw, 0, &sent) || inet_udp_parse(sent.data, sent.len, &h))
			errx(1, "datagram %u did not come out", i);
		memcpy(&a, sent.data + h.l3 + IPV4_OFFSET_SRC, sizeof(a));
		memcpy(&b, sent.data + h.l3 + IPV4_OFFSET_DST, sizeof(b));
		if (b != endpoint_v4(&to) ||
		    load_be16(sent.data + h.l4 + UDP_OFFSET_DST) != to.port ||
		    h.udp_len != UDP_HEADER_SIZE + sizeof(expected) ||
		    memcmp(sent.data + h.payload, expected, sizeof(expected)) != 0 ||
		    !udp_checksum_ok(udp4_pseudo_sum(a, b, h.udp_len), sent.data + h.l4, h.udp_len))
			errx(1, "datagram %u came out wrong or out of order", i);
	}
	if (mem_take(&lab->rig.raw, 0, &sent))
		errx(1, "more came out than went in");
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

// Median nanoseconds per datagram.
static double path_measure(struct lab *lab, uint32_t nodes)
{
	uint64_t median;

	lab_open(lab, nodes);
	for (int i = 0; i < VERIFIED_ROUNDS; i++)
		batch_verify(lab);
	// Until nearly every node has sent once: as a relay that has run for a while.
	for (uint32_t i = 0; i < WARM_TURNS * nodes / BATCH; i++) {
		batch_run(lab);
		batch_drop(lab);
	}
	for (int i = 0; i < ROUNDS; i++) {
		lab->cost_ns[i] = batch_run(lab);
		batch_drop(lab);
	}
	rig_close(&lab->rig);
	qsort(lab->cost_ns, ROUNDS, sizeof(lab->cost_ns[0]), compare);
	median = lab->cost_ns[ROUNDS / 2];
	return (double)median / BATCH;
}

int main(int argc, char **argv)
{
	static const uint32_t nodes[] = {1000, 100000, 1000000};
	static struct lab lab;
	double cost[3];

	if (argc > 1) {
		printf("%.1f\n", path_measure(&lab, (uint32_t)strtoul(argv[1], NULL, 10)));
		return 0;
	}
	for (int i = 0; i < 3; i++)
		cost[i] = path_measure(&lab, nodes[i]);
	printf("{\"ns_per_datagram\":{\"1000\":%.1f,\"100000\":%.1f,\"1000000\":%.1f},"
	       "\"ratio\":%.2f,\"verified\":true}\n",
	    cost[0], cost[1], cost[2], cost[2] / cost[0]);
	return 0;
}
