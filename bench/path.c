// SPDX-License-Identifier: BSD-3-Clause
// Cost of the whole path through a worker on mem links, by number of nodes: random senders and
// destinations, 64-byte frames inside the relay message. Only the worker's turns are timed, not the
// making and taking of frames; and frames and payloads are verified in a pass of its own. The
// numbers of nodes take turns, so that what disturbs the machine disturbs all of them.
#include "bench/median.h"
#include "bench/traffic.h"
#include "wire/beacon.h"
#include "wire/inet.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	BATCH = MEM_RING,
	TURNS = 5,
	WARM = 400,
	TIMED = 250,
	VERIFIED = 20,
	SENT = 3,
	LABS_MAX = 8
};

struct lab {
	struct rig rig;
	struct traffic traffic;
	double cost_ns[TURNS * TIMED];
	unsigned costs;
};

static struct {
	uint32_t sender, dest;
} sent[BATCH];

static uint64_t batch_run(struct lab *lab)
{
	for (unsigned i = 0; i < BATCH; i++)
		traffic_put(&lab->traffic, (uint8_t)i, &sent[i].sender, &sent[i].dest);
	return traffic_run(&lab->traffic, BATCH);
}

// Each frame in order, with the right destination, sender, bytes and sums.
static void batch_verify(struct lab *lab)
{
	struct mem_sent out;

	batch_run(lab);
	for (unsigned i = 0; i < BATCH; i++) {
		struct endpoint to = traffic_endpoint(sent[i].dest);
		uint8_t expected[BEACON_RELAY_DELIVER_SIZE + TRAFFIC_FRAME] = {
		    BEACON_RELAY_DELIVER};
		struct inet_udp h;
		uint32_t a, b;

		store_be32(expected + 1, sent[i].sender);
		memset(expected + BEACON_RELAY_DELIVER_SIZE, (int)i, TRAFFIC_FRAME);
		if (!mem_take(&lab->rig.raw, 0, &out) || inet_udp_parse(out.data, out.len, &h))
			errx(1, "datagram %u did not come out", i);
		memcpy(&a, out.data + h.l3 + IPV4_OFFSET_SRC, sizeof(a));
		memcpy(&b, out.data + h.l3 + IPV4_OFFSET_DST, sizeof(b));
		if (b != endpoint_v4(&to) ||
		    load_be16(out.data + h.l4 + UDP_OFFSET_DST) != to.port ||
		    h.udp_len != UDP_HEADER_SIZE + sizeof(expected) ||
		    memcmp(out.data + h.payload, expected, sizeof(expected)) != 0 ||
		    !udp_checksum_ok(udp4_pseudo_sum(a, b, h.udp_len), out.data + h.l4, h.udp_len))
			errx(1, "datagram %u came out wrong or out of order", i);
	}
	if (mem_take(&lab->rig.raw, 0, &out))
		errx(1, "more came out than went in");
}

static struct lab *lab_open(uint32_t nodes)
{
	struct lab *lab = calloc(1, sizeof(*lab));

	if (!lab || nodes == 0)
		errx(1, "no memory, or no nodes");
	traffic_rig(&lab->rig, nodes, nodes, 1);
	lab->traffic = (struct traffic){.rig = &lab->rig, .nodes = nodes, .random = 42};
	for (int i = 0; i < VERIFIED; i++)
		batch_verify(lab);
	// Until nearly every node has sent once: as a relay that has run for a while.
	for (uint32_t i = 0; i < SENT * nodes / BATCH; i++) {
		batch_run(lab);
		traffic_take(&lab->traffic, BATCH);
	}
	return lab;
}

// The first batches bring the table back into the caches, as far as it fits.
static void lab_turn(struct lab *lab)
{
	for (int i = 0; i < WARM + TIMED; i++) {
		uint64_t cost = batch_run(lab);

		traffic_take(&lab->traffic, BATCH);
		if (i >= WARM)
			lab->cost_ns[lab->costs++] = (double)cost;
	}
}

// Median nanoseconds per datagram.
static double lab_close(struct lab *lab)
{
	double cost = median(lab->cost_ns, lab->costs) / BATCH;

	rig_close(&lab->rig);
	free(lab);
	return cost;
}

int main(int argc, char **argv)
{
	static const char *const usual[] = {"1000", "10000", "100000", "1000000"};
	const char *const *nodes = argc > 1 ? (const char *const *)argv + 1 : usual;
	unsigned count = argc > 1 ? (unsigned)argc - 1 : 4;
	struct lab *labs[LABS_MAX];

	if (count > LABS_MAX)
		errx(2, "usage: path [NODES...], at most %d numbers", LABS_MAX);
	for (unsigned i = 0; i < count; i++)
		labs[i] = lab_open((uint32_t)strtoul(nodes[i], NULL, 10));
	for (int turn = 0; turn < TURNS; turn++)
		for (unsigned i = 0; i < count; i++)
			lab_turn(labs[i]);
	printf("{\"ns_per_datagram\":{");
	for (unsigned i = 0; i < count; i++)
		printf("%s\"%s\":%.1f", i ? "," : "", nodes[i], lab_close(labs[i]));
	printf("},\"verified\":true}\n");
	return 0;
}
