// SPDX-License-Identifier: BSD-3-Clause
// A story of punted datagrams: who sends what after how long. Whatever comes, node 0 and strangers
// are never stored, a live node of another address is never replaced unsigned, nothing that is sent
// is larger than what was received (a Sync apart), and counts agree with the table.
#include "base/log.h"
#include "controlplane/room.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/cp_lab.h"

static const char *const sources[] = {"198.51.100.1:1", "198.51.100.1:2", "198.51.100.2:1",
    "[2001:db8::1]:1", "192.0.2.9:9001", "192.0.2.9:9002"};

static void serve(struct cp_lab *lab, const struct punt *p)
{
	switch (p->data[0]) {
	case BEACON_DISCOVER:
	case BEACON_DISCOVER_EX:
		endpoints_discover(&lab->endpoints, p);
		break;
	case BEACON_PUNCH_REQUEST:
		punch_request(&lab->punch, p);
		break;
	case BEACON_SYNC:
		peers_sync(&lab->peers, p);
		break;
	default:
		break;
	}
}

static void check_sent(const struct cp_lab *lab, const struct punt *p)
{
	size_t to_source = 0;

	for (unsigned i = 0; i < lab->sent_count; i++)
		if (endpoint_equal(&lab->sent[i].to, &p->from))
			to_source += lab->sent[i].len;
	// PunchCommand over IPv6 is 20 bytes for a request of 9, and only for nodes that are
	// stored.
	fuzz_check(to_source <= p->len || to_source == BEACON_OBSERVED_V6_SIZE);
}

// Before and after one datagram.
static void step(struct cp_lab *lab, const struct punt *p)
{
	uint32_t id = p->len >= 5 ? load_be32(p->data + 1) : 0;
	struct node_entry before, after;
	struct endpoint was, is;
	bool lives = node_table_find(&lab->nodes.table, id, &before) &&
		     node_table_endpoint(&lab->nodes.table, before, &was) &&
		     lab->now_ns / NS_PER_S - node_alive_at(&lab->nodes.table, before) < 90;

	lab_sent_clear(lab);
	serve(lab, p);
	check_sent(lab, p);
	fuzz_check(!node_table_find(&lab->nodes.table, 0, &after));
	fuzz_check(lab->nodes.remote_count <= lab->nodes.node_count);
	if (!lives)
		return;
	fuzz_check(node_table_find(&lab->nodes.table, id, &after) &&
		   node_table_endpoint(&lab->nodes.table, after, &is));
	fuzz_check(endpoint_same_addr(&was, &is));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cp_lab *lab = lab_open_capacity(64);
	struct peer_config peer = {.at = lab_endpoint("192.0.2.9:9001")};

	fuzz_check(peers_configure(&lab->peers, &peer, 1, lab->now_ns) == 0);
	lab->endpoints.config.policy = size & 1 ? ADMISSION_OPEN : ADMISSION_SIGNED;
	while (size > 3) {
		uint8_t *copy;
		size_t len = data[2];
		struct punt p;

		lab->now_ns += (uint64_t)data[1] * NS_PER_S;
		if (data[1] > 200)
			lab_walk(lab);
		p.from = lab_endpoint(sources[data[0] % ARRAY_SIZE(sources)]);
		data += 3;
		size -= 3;
		if (len > size)
			len = size;
		if (len == 0)
			continue;
		copy = exact_copy(data, len);
		p = (struct punt){.data = copy, .len = len, .from = p.from, .now_ns = lab->now_ns};
		step(lab, &p);
		free(copy);
		data += len;
		size -= len;
	}
	lab_close(lab);
	return 0;
}
