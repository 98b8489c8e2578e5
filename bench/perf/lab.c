// SPDX-License-Identifier: BSD-3-Clause
#include "bench/perf/lab.h"

#include "base/clock.h"
#include "dataplane/stage/police.h"

#include <err.h>
#include <string.h>

enum { NEXTHOP = 1, TURN_NS = 1000 };

static const uint32_t table_key[4] = {0x9e3779b9, 0x85ebca6b, 0xc2b2ae35, 0x27d4eb2f};
static const uint64_t police_secret[POLICE_SECRET_WORDS] = {
    0x243f6a8885a308d3, 0x13198a2e03707344, 0xa4093822299f31d0};
static const uint64_t peer_key[2] = {0x9e3779b97f4a7c15, 0xc4ceb9fe1a85ec53};

struct endpoint lab_endpoint(uint32_t id)
{
	uint8_t addr[16] = {0x20, 0x01, 0x0d, 0xb8, 0, 1};
	uint16_t port = (uint16_t)(1024 + id % 60000);

	if (id < NODE_V6_FIRST || id >= NODE_CARRY_FIRST)
		return endpoint_from_v4(htobe32(0x0a000000 + id), port);
	store_be32(addr + 12, id);
	return endpoint_from_v6(addr, port);
}

static void keys_fix(struct memory *m)
{
	memcpy(m->nodes.header->hash_key, table_key, sizeof(table_key));
	memcpy(m->nodes.hash_key, table_key, sizeof(table_key));
	memcpy(m->peer_index->key, peer_key, sizeof(peer_key));
}

static void settings_fill(struct rig *rig)
{
	struct memory *m = &rig->memory;
	static const uint8_t local6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};

	m->locals[LOCAL_V4].at = endpoint_from_v4(htobe32(0xc0000201), 9001);
	m->locals[LOCAL_V6].at = endpoint_from_v6(local6, 9001);
	m->locals[LOCAL_V4].valid = m->locals[LOCAL_V6].valid = 1;
	rig_route(rig, NEXTHOP);
	*m->settings = (struct relay_settings){
	    .source_rate = 1000000,
	    .source_burst = 1000000,
	    .sender_rate = 1000000,
	    .sender_burst = 1000000,
	    .trace_sample = 1,
	    .ttl = 64,
	};
	for (int i = 0; i < PUNT_CLASS_COUNT; i++)
		m->settings->punt_rate[i] = 1000000;
}

static void nodes_fill(struct lab *lab)
{
	struct peer peer = {.at = endpoint_from_v4(htobe32(0xcb007101), 9001), .nexthop = NEXTHOP};
	int rc = peer_writer_put(&lab->peers, &peer);

	for (uint32_t id = 1; id <= NODES && rc >= 0; id++) {
		struct node_route r = {.at = lab_endpoint(id), .nexthop = NEXTHOP};

		r.local = endpoint_is_v4(&r.at) ? LOCAL_V4 : LOCAL_V6;
		if (id >= NODE_REMOTE_FIRST)
			r = (struct node_route){.flags = NODE_REMOTE};
		else if (id >= NODE_CARRY_FIRST)
			r.flags = NODE_CARRY;
		rc = node_writer_put(&lab->rig.nodes, id, &r, 1);
	}
	if (rc < 0)
		errx(1, "cannot fill the tables: %s", strerror(-rc));
}

void lab_open(struct lab *lab)
{
	struct memory *m = &lab->rig.memory;

	lab->now_ns = 1000 * NS_PER_S;
	rig_create(&lab->rig, NODES, 1, false);
	keys_fix(m);
	settings_fill(&lab->rig);
	if (node_writer_open(&lab->rig.nodes, m) || peer_writer_open(&lab->peers, m))
		errx(1, "cannot attach to the tables");
	nodes_fill(lab);
	rig_start(&lab->rig, 2 * MEM_RING, police_secret);
}

void lab_close(struct lab *lab)
{
	peer_writer_close(&lab->peers);
	rig_close(&lab->rig);
}

void lab_put(
    struct lab *lab, unsigned link, const struct endpoint *from, const void *payload, size_t len)
{
	unsigned local = endpoint_is_v4(from) ? LOCAL_V4 : LOCAL_V6;

	if (link == RAW)
		rig_put(&lab->rig, 0, from, &lab->rig.memory.locals[local].at, payload, len);
	else if (mem_put_from(&lab->rig.sock, 0, from, (uint8_t)local, payload, len))
		errx(1, "cannot put a payload");
}

uint64_t lab_drops(const struct lab *lab)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < DROP_COUNT; i++)
		n += lab->rig.memory.workers[0].drops[i];
	return n;
}

unsigned lab_turn(struct lab *lab)
{
	lab->now_ns += TURN_NS;
	return worker_turn_at(lab->rig.workers[0], lab->now_ns);
}
