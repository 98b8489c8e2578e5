// SPDX-License-Identifier: BSD-3-Clause
// Cost of the whole path through a worker on mem links, by number of nodes: random senders and
// destinations, 64-byte frames inside the relay message. Only the worker's turns are timed, not the
// making and taking of frames; and frames and payloads are verified in a pass of its own.
#include "base/clock.h"
#include "dataplane/io/frame.h"
#include "dataplane/io/mem.h"
#include "dataplane/worker.h"
#include "shm/node_writer.h"
#include "wire/beacon.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

enum { SOCK, RAW };
enum { FRAME = 64, BATCH = MEM_RING, ROUNDS = 1000, VERIFIED_ROUNDS = 20, WARM_TURNS = 4 };

struct lab {
	struct memory memory;
	struct node_writer writer;
	struct link sock, raw;
	struct link *links[2];
	struct worker *worker;
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

static const uint8_t mac[6] = {2, 0, 0, 0, 0, 1}, gateway[6] = {2, 0, 0, 0, 0, 2};

static void tables_fill(struct lab *lab)
{
	struct memory *m = &lab->memory;
	int rc;

	m->locals[0].at = endpoint_from_v4(htobe32(0xc0000201), 9001);
	m->locals[0].valid = 1;
	m->egress[0] = (struct egress){.mtu = 1500, .link = RAW, .valid = 1};
	memcpy(m->egress[0].mac, mac, sizeof(mac));
	m->nexthops[1] = nexthop_make(gateway, 0);
	*m->settings = (struct relay_settings){
	    .source_rate = 200,
	    .source_burst = 400,
	    .sender_rate = 100000,
	    .sender_burst = 20000,
	    .trace_sample = 1,
	    .ttl = 64,
	};
	rc = node_writer_open(&lab->writer, m);
	for (uint32_t id = 1; id <= lab->nodes && rc >= 0; id++) {
		struct node_route r = {.at = node_endpoint(id), .nexthop = 1};

		rc = node_writer_put(&lab->writer, id, &r, 1);
	}
	if (rc < 0)
		errx(1, "cannot make a table of %u nodes: %s", lab->nodes, strerror(-rc));
}

static void link_open(struct link *link, const struct link_ops *ops, uint8_t index)
{
	struct link_config cfg = {.kind = ops->kind,
	    .spec = "",
	    .index = index,
	    .worker_count = 1,
	    .frame_count = 2 * BATCH};
	struct link_error error;

	link->ops = ops;
	if (ops->open(link, &cfg, &error))
		errx(1, "%s", error.text);
}

static void lab_open(struct lab *lab, uint32_t nodes)
{
	const struct memory_config cfg = {.node_capacity = nodes,
	    .worker_count = 1,
	    .punt_size = 65536,
	    .inject_size = 65536,
	    .trace_size = 65536};
	struct memory_error error;
	struct worker_config wc = {.memory = &lab->memory,
	    .links = lab->links,
	    .link_count = 2,
	    .companion = SOCK,
	    .event_fd = eventfd(0, EFD_NONBLOCK),
	    .cp_event_fd = eventfd(0, EFD_NONBLOCK),
	    .cpu = -1};

	memset(lab, 0, sizeof(*lab));
	lab->nodes = nodes;
	lab->random = 42;
	if (memory_create(&lab->memory, &cfg, &error))
		errx(1, "%s", error.text);
	tables_fill(lab);
	link_open(&lab->sock, &link_mem_payload_ops, SOCK);
	link_open(&lab->raw, &link_mem_ops, RAW);
	lab->links[SOCK] = &lab->sock;
	lab->links[RAW] = &lab->raw;
	if (worker_open(&lab->worker, &wc))
		errx(1, "cannot open a worker");
}

static void lab_close(struct lab *lab)
{
	worker_close(lab->worker);
	lab->raw.ops->close(&lab->raw);
	lab->sock.ops->close(&lab->sock);
	node_writer_close(&lab->writer);
	memory_unmap(&lab->memory);
}

static void frame_put(struct lab *lab, unsigned i)
{
	struct frame_spec spec = {.ttl = 64, .to = lab->memory.locals[0].at};
	uint8_t payload[BEACON_RELAY_SIZE + FRAME], frame[256];
	int n;

	lab->sent[i].sender = node_random(lab);
	lab->sent[i].dest = node_random(lab);
	beacon_relay_build_header(payload, sizeof(payload), lab->sent[i].sender, lab->sent[i].dest);
	memset(payload + BEACON_RELAY_SIZE, (int)i, FRAME);
	memcpy(spec.dst_mac, mac, sizeof(mac));
	memcpy(spec.src_mac, gateway, sizeof(gateway));
	spec.from = node_endpoint(lab->sent[i].sender);
	n = frame_build(frame, sizeof(frame), &spec, payload, sizeof(payload));
	if (n < 0 || mem_put(&lab->raw, 0, frame, (size_t)n))
		errx(1, "cannot put a frame");
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
		n += worker_turn(lab->worker);
	return clock_mono_ns() - start;
}

static void batch_drop(struct lab *lab)
{
	struct mem_sent sent;
	unsigned n = 0;

	while (mem_take(&lab->raw, 0, &sent))
		n++;
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
		if (!mem_take(&lab->raw, 0, &sent) || inet_udp_parse(sent.data, sent.len, &h))
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
	if (mem_take(&lab->raw, 0, &sent))
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
	lab_close(lab);
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
