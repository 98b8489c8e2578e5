// SPDX-License-Identifier: BSD-3-Clause
#include "bench/traffic.h"

#include "base/clock.h"
#include "base/random.h"
#include "wire/beacon.h"

#include <err.h>
#include <string.h>

uint32_t traffic_random(struct traffic *t)
{
	return (uint32_t)(random_next(&t->random) >> 32);
}

static uint32_t node_random(struct traffic *t)
{
	return 1 + random_below(&t->random, t->nodes);
}

struct endpoint traffic_endpoint(uint32_t id)
{
	return endpoint_from_v4(htobe32(0x0a000000 + id), (uint16_t)(1024 + id % 60000));
}

int traffic_node_add(struct rig *rig, uint32_t id)
{
	struct node_route r = {.at = traffic_endpoint(id), .nexthop = TRAFFIC_NEXTHOP};
	int rc = node_writer_put(&rig->nodes, id, &r, 1);

	if (rc < 0)
		errx(1, "cannot add node %u: %s", id, strerror(-rc));
	return rc;
}

void traffic_rig(struct rig *rig, uint32_t capacity, uint32_t nodes, unsigned workers)
{
	struct memory *m = &rig->memory;

	rig_create(rig, capacity, workers, true);
	m->locals[0].at = endpoint_from_v4(htobe32(0xc0000201), 9001);
	m->locals[0].valid = 1;
	rig_route(rig, TRAFFIC_NEXTHOP);
	*m->settings = (struct relay_settings){
	    .source_rate = 200,
	    .source_burst = 400,
	    .sender_rate = 100000,
	    .sender_burst = 20000,
	    .trace_sample = 1,
	    .ttl = 64,
	};
	if (node_writer_open(&rig->nodes, m))
		errx(1, "cannot attach to the node table");
	for (uint32_t id = 1; id <= nodes; id++)
		traffic_node_add(rig, id);
	rig_start(rig, 2 * MEM_RING, NULL);
}

void traffic_put(struct traffic *t, uint8_t fill, uint32_t *sender, uint32_t *dest)
{
	uint8_t payload[BEACON_RELAY_SIZE + TRAFFIC_FRAME];
	struct endpoint from;

	*sender = node_random(t);
	*dest = node_random(t);
	beacon_relay_build_header(payload, sizeof(payload), *sender, *dest);
	memset(payload + BEACON_RELAY_SIZE, fill, TRAFFIC_FRAME);
	from = traffic_endpoint(*sender);
	rig_put(t->rig, t->worker, &from, &t->rig->memory.locals[0].at, payload, sizeof(payload));
}

uint64_t traffic_run(struct traffic *t, unsigned n)
{
	uint64_t start = clock_mono_ns(), took;

	if (t->now_ns == 0)
		t->now_ns = start;
	for (unsigned done = 0; done < n;)
		done += worker_turn_at(t->rig->workers[t->worker], t->now_ns);
	took = clock_mono_ns() - start;
	t->now_ns += took;
	return took;
}

void traffic_take(struct traffic *t, unsigned n)
{
	unsigned taken = rig_take(t->rig, RAW, t->worker);

	if (taken != n)
		errx(1, "%u of %u datagrams came out", taken, n);
}
