// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/cp_lab.h"

#include <stdio.h>
#include <stdlib.h>

enum { NODES_MAX = 50000 };

static const char peer[] = "203.0.113.50:9001";

static void target(struct cp_lab *lab, const char *text)
{
	struct endpoint at = lab_endpoint(text);

	assert_int_equal(announce_set_targets(&lab->announce, &at, 1), 0);
}

// What the peer believes after the Syncs sent: owner[id] = source port, as a Go beacon keeps it.
static void peer_hears(struct cp_lab *lab, uint16_t *owners)
{
	for (unsigned i = 0; i < lab->sent_count; i++) {
		uint16_t port = lab->memory.locals[lab->sent[i].local].at.port;
		struct beacon_sync sync;

		assert_int_equal(beacon_sync_parse(lab->sent[i].data, lab->sent[i].len, &sync), 0);
		assert_int_equal(sync.beacon_id, 7);
		assert_true(sync.count <= BEACON_SYNC_MAX);
		for (uint32_t id = 0; id <= NODES_MAX; id++)
			if (owners[id] == port)
				owners[id] = 0;
		for (uint16_t k = 0; k < sync.count; k++)
			owners[beacon_sync_id(&sync, k)] = port;
	}
	lab_sent_clear(lab);
}

static unsigned known(const uint16_t *owners)
{
	unsigned n = 0;

	for (uint32_t id = 0; id <= NODES_MAX; id++)
		n += owners[id] != 0;
	return n;
}

static void discover_range(struct cp_lab *lab, uint32_t first, uint32_t last)
{
	for (uint32_t id = first; id <= last; id++)
		lab_discover(lab, id, "198.51.100.1:1");
}

// nodes, extra ports, source ports that are used, nodes that are announced
static void test_shards(void **state)
{
	static const struct {
		uint32_t nodes;
		unsigned extra, ports;
		uint32_t announced;
	} table[] = {
	    {0, 2, 1, 0},
	    {1, 2, 1, 1},
	    {16375, 2, 1, 16375},
	    {16376, 2, 2, 16376},
	    {40000, 2, 3, 40000},
	    {40000, 1, 2, 2 * 16375},
	    {16376, 0, 1, 16375},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct cp_lab *lab = lab_open_capacity(NODES_MAX);
		uint16_t *owners = calloc(NODES_MAX + 1, sizeof(*owners));
		char text[32];

		for (unsigned e = 0; e < table[i].extra; e++) {
			snprintf(text, sizeof(text), "192.0.2.1:%u", 9101 + e);
			lab_local(lab, 10 + (int)e, text, true);
		}
		lab_restart(lab);
		target(lab, peer);
		discover_range(lab, 1, table[i].nodes);
		lab_walk(lab);
		lab_pass(lab, 1500);
		assert_true(lab->sent_count >= table[i].ports);
		peer_hears(lab, owners);
		assert_int_equal(known(owners), table[i].announced);
		// Steady state: one Sync an interval from each used port, and no more.
		lab_pass(lab, 10000);
		assert_int_equal(lab->sent_count, table[i].ports);
		peer_hears(lab, owners);
		assert_int_equal(known(owners), table[i].announced);
		assert_int_equal(
		    lab->stats.n[CP_SYNC_UNANNOUNCED], table[i].nodes - table[i].announced);
		free(owners);
		lab_close(lab);
	}
}

static void test_a_node_stays_in_its_shard(void **state)
{
	struct cp_lab *lab = lab_open_capacity(NODES_MAX);
	uint16_t *before = calloc(NODES_MAX + 1, sizeof(*before));
	uint16_t *after = calloc(NODES_MAX + 1, sizeof(*after));
	unsigned moved = 0;

	(void)state;
	lab_local(lab, 10, "192.0.2.1:9101", true);
	lab_local(lab, 11, "192.0.2.1:9102", true);
	lab_restart(lab);
	target(lab, peer);
	discover_range(lab, 1, 40000);
	lab_walk(lab);
	lab_pass(lab, 12000);
	peer_hears(lab, before);
	memcpy(after, before, (NODES_MAX + 1) * sizeof(*after));
	// Every third node goes, others come.
	lab->now_ns += 580 * NS_PER_S;
	for (uint32_t id = 1; id <= 40000; id++)
		if (id % 3)
			lab_seen(lab, id);
	lab->now_ns += 20 * NS_PER_S;
	lab_walk(lab);
	discover_range(lab, 40001, 45000);
	lab_pass(lab, 12000);
	peer_hears(lab, after);
	for (uint32_t id = 1; id <= 45000; id++) {
		bool there = id > 40000 || id % 3;

		assert_int_equal(after[id] != 0, there);
		moved += there && id <= 40000 && after[id] != before[id];
	}
	assert_int_equal(moved, 0);
	free(before);
	free(after);
	lab_close(lab);
}

static uint32_t index_of(const struct cp_lab *lab, uint32_t node)
{
	struct node_entry e = {{0}};

	assert_true(node_table_find(&lab->nodes.table, node, &e));
	return node_entry_index(e);
}

static void discover_as(struct cp_lab *lab, uint32_t id, enum standing standing)
{
	struct node_entry e = {{0}};

	lab_discover(lab, id, "198.51.100.1:1");
	assert_true(node_table_find(&lab->nodes.table, id, &e));
	node_standing_begin(&lab->nodes.table, e, standing, (uint32_t)(lab->now_ns / NS_PER_S));
}

// All places have a holder of one standing; a node of another one comes: who is announced after a
// walk. Lower ones give way, and each that comes costs one place.
static void test_places_go_by_standing(void **state)
{
	enum { FIRST = 20000, COMERS = 500 };
	static const struct {
		enum standing holders, comers;
		bool in;
	} table[] = {
	    {STANDING_NEW, STANDING_NEW, false},
	    {STANDING_NEW, STANDING_FAMILIAR, true},
	    {STANDING_NEW, STANDING_PROVEN, true},
	    {STANDING_FAMILIAR, STANDING_NEW, false},
	    {STANDING_FAMILIAR, STANDING_FAMILIAR, false},
	    {STANDING_FAMILIAR, STANDING_PROVEN, true},
	    {STANDING_PROVEN, STANDING_PROVEN, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct cp_lab *lab = lab_open_capacity(NODES_MAX);
		uint16_t *owners = calloc(NODES_MAX + 1, sizeof(*owners));
		unsigned in = 0;

		target(lab, peer);
		for (uint32_t id = 1; id <= BEACON_SYNC_MAX; id++)
			discover_as(lab, id, table[i].holders);
		for (uint32_t id = FIRST; id < FIRST + COMERS; id++)
			discover_as(lab, id, table[i].comers);
		lab_walk(lab);
		lab_pass(lab, 1500);
		peer_hears(lab, owners);
		for (uint32_t id = FIRST; id < FIRST + COMERS; id++)
			in += owners[id] != 0;
		assert_int_equal(in, table[i].in ? COMERS : 0);
		assert_int_equal(known(owners), BEACON_SYNC_MAX);
		// Nobody changes places any more.
		lab_walk(lab);
		lab_pass(lab, 11000);
		assert_int_equal(lab->stats.n[CP_SYNC_UNANNOUNCED], COMERS);
		assert_int_equal(lab->announce.shards[0].dirty_ns, 0);
		free(owners);
		lab_close(lab);
	}
}

// One that gave its place up is announced again when there is one, and leaves like any other.
static void test_who_lost_a_place_gets_a_free_one(void **state)
{
	struct cp_lab *lab = lab_open_capacity(NODES_MAX);
	uint32_t lost = 0, all = 0;

	(void)state;
	for (uint32_t id = 1; id <= BEACON_SYNC_MAX; id++)
		discover_as(lab, id, STANDING_NEW);
	discover_as(lab, 20000, STANDING_FAMILIAR);
	lab_walk(lab);
	for (uint32_t id = 1; id <= BEACON_SYNC_MAX; id++)
		if (!lab->announce.positions[index_of(lab, id)])
			lost = id;
	assert_int_not_equal(lost, 0);
	announce_remove(&lab->announce, index_of(lab, lost), lab->now_ns);
	assert_int_equal(lab->announce.shards[0].count, BEACON_SYNC_MAX);
	announce_remove(&lab->announce, index_of(lab, 20000), lab->now_ns);
	announce_add(&lab->announce, lost, index_of(lab, lost), lab->now_ns);
	assert_int_not_equal(lab->announce.positions[index_of(lab, lost)], 0);
	for (uint32_t k = 0; k < lab->announce.shards[0].count; k++)
		all += lab->announce.shards[0].ids[k];
	assert_int_equal(all, (uint32_t)BEACON_SYNC_MAX * (BEACON_SYNC_MAX + 1) / 2);
	lab_close(lab);
}

// Who came back later than the flood is announced within a walk, and the flood is not.
static void test_a_flood_does_not_hold_the_places(void **state)
{
	struct cp_lab *lab = lab_open_capacity(NODES_MAX);
	unsigned daemons = 0;

	(void)state;
	target(lab, peer);
	discover_range(lab, 1, 40000);
	lab->now_ns += 5 * NS_PER_S;
	discover_range(lab, 40001, 41000);
	lab->now_ns += 30 * NS_PER_S;
	for (uint32_t id = 40001; id <= 41000; id++)
		lab_seen(lab, id);
	lab_walk(lab);
	for (uint32_t id = 40001; id <= 41000; id++)
		daemons += lab->announce.positions[index_of(lab, id)] != 0;
	assert_int_equal(daemons, 1000);
	lab_close(lab);
}

static void test_change_is_told_early_and_once(void **state)
{
	struct cp_lab *lab = lab_open();
	struct beacon_sync sync;

	(void)state;
	target(lab, peer);
	lab_walk(lab);
	lab_pass(lab, 2000);
	assert_int_equal(lab->sent_count, 1); // count 0: clears what an earlier process said
	assert_int_equal(lab->sent[0].len, BEACON_SYNC_SIZE);
	lab_sent_clear(lab);
	lab_discover(lab, 1, "198.51.100.1:1");
	lab_discover(lab, 2, "198.51.100.1:2");
	lab_pass(lab, 100);
	lab_discover(lab, 3, "198.51.100.1:3");
	assert_int_equal(lab->sent_count, 0);
	lab_pass(lab, 200);
	assert_int_equal(lab->sent_count, 1);
	assert_int_equal(beacon_sync_parse(lab->sent[0].data, lab->sent[0].len, &sync), 0);
	assert_int_equal(sync.count, 3);
	lab_pass(lab, 3000);
	assert_int_equal(lab->sent_count, 1);
	// A node that only moves is no news.
	lab_discover(lab, 3, "198.51.100.1:4");
	lab_pass(lab, 1000);
	assert_int_equal(lab->sent_count, 1);
	lab_close(lab);
}

static void test_nothing_is_said_before_all_is_known(void **state)
{
	struct cp_lab *lab = lab_open();
	struct beacon_sync sync;

	(void)state;
	discover_range(lab, 1, 500);
	lab_restart(lab);
	target(lab, peer);
	announce_tick(&lab->announce, lab->now_ns);
	assert_int_equal(lab->sent_count, 0);
	lab_pass(lab, 3000);
	assert_true(lab->sent_count > 0);
	for (unsigned i = 0; i < lab->sent_count; i++) {
		assert_int_equal(beacon_sync_parse(lab->sent[i].data, lab->sent[i].len, &sync), 0);
		assert_int_equal(sync.count, 500);
	}
	lab_close(lab);
}

static void test_full_ring_is_tried_again(void **state)
{
	struct cp_lab *lab = lab_open();

	(void)state;
	target(lab, peer);
	lab_discover(lab, 1, "198.51.100.1:1");
	lab->ring_full = true;
	lab_pass(lab, 1000);
	assert_int_equal(lab->sent_count, 0);
	lab->ring_full = false;
	lab_pass(lab, 100);
	assert_int_equal(lab->sent_count, 1);
	lab_close(lab);
}

// Locals, target, local index that gossips to it.
static void test_local_of_the_right_family(void **state)
{
	static const struct {
		const char *first, *second, *to;
		int want;
	} table[] = {
	    {"192.0.2.1:9001", "[2001:db8::1]:9001", "203.0.113.5:9001", 0},
	    {"192.0.2.1:9001", "[2001:db8::1]:9001", "[2001:db8::5]:9001", 1},
	    {"[2001:db8::1]:9001", "192.0.2.1:9001", "203.0.113.5:9001", 1},
	    {"[::]:9001", "192.0.2.1:9001", "203.0.113.5:9001", 0},
	    {"[::]:9001", NULL, "203.0.113.5:9001", 0},
	    {"0.0.0.0:9001", NULL, "203.0.113.5:9001", 0},
	    {"0.0.0.0:9001", NULL, "[2001:db8::5]:9001", -1},
	    {"192.0.2.1:9001", NULL, "[2001:db8::5]:9001", -1},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct local locals[LOCAL_MAX] = {0};
		struct endpoint to = lab_endpoint(table[i].to);

		locals[0] = (struct local){.at = lab_endpoint(table[i].first), .valid = 1};
		if (table[i].second)
			locals[1] = (struct local){.at = lab_endpoint(table[i].second), .valid = 1};
		assert_int_equal(announce_local(locals, 0, &to), table[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_shards),
	    cmocka_unit_test(test_a_node_stays_in_its_shard),
	    cmocka_unit_test(test_places_go_by_standing),
	    cmocka_unit_test(test_who_lost_a_place_gets_a_free_one),
	    cmocka_unit_test(test_a_flood_does_not_hold_the_places),
	    cmocka_unit_test(test_change_is_told_early_and_once),
	    cmocka_unit_test(test_nothing_is_said_before_all_is_known),
	    cmocka_unit_test(test_full_ring_is_tried_again),
	    cmocka_unit_test(test_local_of_the_right_family),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
