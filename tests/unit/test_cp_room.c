// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/room.h"
#include "tests/unit/cp_lab.h"

#include <stdio.h>
#include <stdlib.h>

// A full node table: who stays, who goes, who gets in.

static uint32_t count(const struct cp_lab *lab, enum cp_counter c)
{
	return (uint32_t)lab->stats.n[c];
}

static bool known(const struct cp_lab *lab, uint32_t node)
{
	return *lab_where(lab, node) != 0;
}

static const char *address(uint32_t n)
{
	static char text[64];

	snprintf(text, sizeof(text), "%u.%u.%u.%u:%u", 1 + (n >> 24) % 220, n >> 16 & 255,
	    n >> 8 & 255, n & 255, 1024 + n % 60000);
	return text;
}

static void discover(struct cp_lab *lab, uint32_t node, const char *from, enum punt_class class)
{
	uint8_t message[BEACON_DISCOVER_SIZE] = {BEACON_DISCOVER};
	struct punt p = lab_punt(lab, from, message, sizeof(message));

	store_be32(message + 1, node);
	p.punt_class = (uint8_t) class;
	endpoints_discover(&lab->endpoints, &p);
	node_writer_run(&lab->nodes);
}

static struct cp_lab *full_lab(uint32_t capacity)
{
	struct cp_lab *lab = lab_open_capacity(capacity);

	for (uint32_t id = 1; id <= capacity; id++)
		discover(lab, id, address(id << 8), PUNT_DISCOVER_NEW); // a network each
	assert_int_equal(lab->nodes.node_count, capacity);
	return lab;
}

// One line: what the stored nodes have done, how a new one comes, and what becomes of it.
static void test_who_gets_in(void **state)
{
	static const struct {
		uint32_t seen_after_s; // all stored nodes were heard again, 0 = never
		enum punt_class class;
		bool in;
	} facts[] = {
	    {0, PUNT_DISCOVER_NEW, true},
	    {0, PUNT_DISCOVER_AGAIN, true},
	    {10, PUNT_DISCOVER_NEW, true}, // too soon to tell anything
	    {25, PUNT_DISCOVER_NEW, false},
	    {25, PUNT_DISCOVER_AGAIN, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++) {
		struct cp_lab *lab = full_lab(100);

		lab->now_ns += facts[i].seen_after_s * NS_PER_S;
		for (uint32_t id = 1; id <= 100 && facts[i].seen_after_s; id++)
			lab_seen(lab, id);
		discover(lab, 1000, "203.0.113.5:5", facts[i].class);
		assert_int_equal(known(lab, 1000), facts[i].in);
		assert_int_equal(lab->nodes.node_count, 100);
		assert_int_equal(count(lab, CP_NODES_EVICTED), facts[i].in);
		assert_int_equal(count(lab, CP_REFUSED_FULL), !facts[i].in);
		lab_close(lab);
	}
}

static enum admission_anchor on_anchor(void *ctx, uint32_t node, const struct endpoint *from)
{
	(void)ctx;
	(void)from;
	return node >= 1000 ? ANCHOR_HERE : ANCHOR_NONE;
}

// Whom the registry vouches for replaces others, and is replaced by nobody.
static void test_proven_nodes(void **state)
{
	struct cp_lab *lab = full_lab(100);

	(void)state;
	lab->endpoints.config.policy = ADMISSION_ANCHORED;
	lab->endpoints.hooks.anchor = on_anchor;
	lab->now_ns += 25 * NS_PER_S;
	for (uint32_t id = 1; id <= 100; id++)
		lab_seen(lab, id);
	for (uint32_t id = 1000; id < 1100; id++)
		discover(lab, id, "203.0.113.5:5", PUNT_DISCOVER_NEW);
	for (uint32_t id = 1000; id < 1100; id++)
		assert_true(known(lab, id));
	for (uint32_t id = 1100; id < 1200; id++)
		discover(lab, id, "203.0.113.5:5", PUNT_DISCOVER_NEW);
	for (uint32_t id = 2; id <= 100; id++)
		discover(lab, id, address(id << 8), PUNT_DISCOVER_AGAIN);
	for (uint32_t id = 1000; id < 1100; id++)
		assert_true(known(lab, id));
	assert_int_equal(lab->nodes.node_count, 100);
	lab_close(lab);
}

// Nobody is familiar at an address that was not heard before, however long the id has been known.
static void test_another_address_begins_anew(void **state)
{
	struct cp_lab *lab = lab_open_capacity(100);
	struct node_entry e = {{0}};

	(void)state;
	discover(lab, 5, "198.51.100.1:1", PUNT_DISCOVER_NEW);
	lab->now_ns += 30 * NS_PER_S;
	discover(lab, 5, "198.51.100.1:2", PUNT_DISCOVER_CHANGED);
	assert_true(node_table_find(&lab->nodes.table, 5, &e));
	assert_int_equal(node_standing(&lab->nodes.table, node_entry_index(e)), STANDING_FAMILIAR);
	lab->now_ns += 100 * NS_PER_S;
	discover(lab, 5, "203.0.113.7:1", PUNT_DISCOVER_MOVED);
	assert_true(node_table_find(&lab->nodes.table, 5, &e));
	assert_int_equal(node_standing(&lab->nodes.table, node_entry_index(e)), STANDING_NEW);
	lab_close(lab);
}

// Of a few that were heard once the one that has been silent for longest: hardly ever one of those
// that came last.
static void test_who_goes(void **state)
{
	enum { CAPACITY = 1000, A_SECOND = 100, NEWCOMERS = 200, GONE_MAX = 20 };
	struct cp_lab *lab = lab_open_capacity(CAPACITY);
	unsigned gone = 0;

	(void)state;
	lab->endpoints.config.network_share = 0;
	for (uint32_t id = 1; id <= CAPACITY + NEWCOMERS; id++) {
		discover(lab, id, address(id << 8), PUNT_DISCOVER_NEW);
		assert_true(known(lab, id));
		if (id % A_SECOND == 0)
			lab->now_ns += NS_PER_S;
	}
	assert_int_equal(count(lab, CP_NODES_EVICTED), NEWCOMERS);
	for (uint32_t id = CAPACITY - A_SECOND + 1; id <= CAPACITY + NEWCOMERS; id++)
		gone += !known(lab, id);
	assert_in_range(gone, 0, GONE_MAX);
	lab_close(lab);
}

// What peer relays told takes its room from nobody, and gives it to nobody.
static void test_remote_nodes_stay(void **state)
{
	const struct node_route remote = {.flags = NODE_REMOTE, .peer = 3};
	struct cp_lab *lab = lab_open_capacity(8);

	(void)state;
	for (uint32_t id = 1; id <= 4; id++) {
		discover(lab, id, address(id << 8), PUNT_DISCOVER_NEW);
		assert_int_equal(node_writer_put(&lab->nodes, 100 + id, &remote, 1), 1);
	}
	lab->now_ns += 25 * NS_PER_S;
	for (uint32_t id = 1; id <= 4; id++)
		lab_seen(lab, id);
	discover(lab, 9, address(9 << 8), PUNT_DISCOVER_NEW);
	assert_false(known(lab, 9));
	assert_int_equal(lab->nodes.remote_count, 4);
	assert_int_equal(lab->nodes.node_count, 8);
	lab_close(lab);
}

// Nodes that were heard once go sooner while the table is more than half full.
static void test_brief_stay(void **state)
{
	static const struct {
		uint32_t nodes, after_s, left;
	} facts[] = {{40, 140, 40}, {40, 600, 0}, {80, 120, 80}, {80, 140, 50}};

	(void)state;
	for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++) {
		struct cp_lab *lab = lab_open_capacity(100);

		for (uint32_t id = 1; id <= facts[i].nodes; id++)
			discover(lab, id, address(id), PUNT_DISCOVER_NEW);
		lab->now_ns += 20 * NS_PER_S;
		lab_seen(lab, 1);
		lab->now_ns += (facts[i].after_s - 20) * NS_PER_S;
		lab_walk(lab);
		// The one that was heard again stays for the whole of admission.ttl.
		assert_true(known(lab, 1));
		assert_in_range(lab->nodes.node_count, facts[i].left, facts[i].left + 1);
		lab_close(lab);
	}
}

struct daemon {
	uint32_t next_s, period_s, asked_s;
};

// As a worker in a throng: who is stored is refreshed, who asked within two minutes is familiar.
static void daemon_asks(struct cp_lab *lab, struct daemon *d, uint32_t id, uint32_t now_s)
{
	bool again = d->asked_s && now_s - d->asked_s < 128;

	d->asked_s = now_s;
	d->next_s = now_s + d->period_s;
	if (known(lab, id))
		lab_seen(lab, id);
	else
		discover(lab, id, address(id), again ? PUNT_DISCOVER_AGAIN : PUNT_DISCOVER_NEW);
}

// Old and new daemons beside a flood that fills the table every four seconds, for seven minutes:
// the old ones stay all the time, the new ones are in after two minutes at the latest, and stay.
static void test_flood(void **state)
{
	enum { CAPACITY = 1000, FLOOD = 250, OLD = 100, NEW = 100, FLOOD_FROM_S = 1140 };
	static struct daemon daemons[OLD + NEW + 1];
	struct cp_lab *lab = lab_open_capacity(CAPACITY);

	(void)state;
	srandom(3);
	for (uint32_t id = 1; id <= OLD + NEW; id++)
		daemons[id] = (struct daemon){.period_s = 25 + (uint32_t)random() % 36,
		    .next_s = (id <= OLD ? 1000 : FLOOD_FROM_S + 60) + id % 60};
	for (uint32_t now_s = 1000; now_s < FLOOD_FROM_S + 420; now_s++) {
		uint64_t end_ns = (now_s + 1) * NS_PER_S;

		for (uint32_t id = 1; id <= OLD + NEW; id++)
			if (daemons[id].next_s == now_s)
				daemon_asks(lab, &daemons[id], id, now_s);
		for (int n = 0; n < FLOOD && now_s >= FLOOD_FROM_S; n++)
			discover(lab, 1000000 + (uint32_t)random() % 1000000000,
			    address((uint32_t)random()), PUNT_DISCOVER_NEW);
		lab_pass(lab, (end_ns - lab->now_ns) / NS_PER_MS);
		for (uint32_t id = 1; id <= OLD && now_s >= FLOOD_FROM_S; id++)
			assert_true(known(lab, id));
		for (uint32_t id = OLD + 1; id <= OLD + NEW && now_s >= FLOOD_FROM_S + 240; id++)
			assert_true(known(lab, id));
	}
	assert_in_range(lab->nodes.node_count, CAPACITY - 10, CAPACITY);
	assert_int_equal(count(lab, CP_REFUSED_FULL), 0);
	lab_close(lab);
}

enum { PLACES = 1000, KEPT_FROM = 875, ONE_NETWORK = 7 << 8 };

static void see_all(struct cp_lab *lab)
{
	lab->now_ns += 25 * NS_PER_S;
	for (uint32_t id = 1; id <= PLACES; id++)
		if (known(lab, id))
			lab_seen(lab, id);
}

// The nodes of one network beyond seven of eight places: who comes then gets in, or not.
static void test_the_last_eighth(void **state)
{
	static const struct {
		unsigned percent;
		bool familiar; // those that are stored have come back
		const char *from;
		enum punt_class class;
		bool in;
	} facts[] = {
	    {5, false, "1.0.7.9:1", PUNT_DISCOVER_NEW, false},
	    {5, false, "1.0.7.9:1", PUNT_DISCOVER_AGAIN, true},
	    {5, true, "1.0.7.9:1", PUNT_DISCOVER_AGAIN, false},
	    {5, true, "1.0.8.9:1", PUNT_DISCOVER_NEW, true},
	    {5, true, "[2001:db8::1]:1", PUNT_DISCOVER_NEW, true},
	    {100, true, "1.0.7.9:1", PUNT_DISCOVER_NEW, true},
	    {0, true, "1.0.7.9:1", PUNT_DISCOVER_NEW, true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		struct cp_lab *lab = lab_open_capacity(PLACES);

		for (uint32_t id = 1; id <= PLACES; id++)
			discover(lab, id, address(ONE_NETWORK + id % 256), PUNT_DISCOVER_NEW);
		assert_int_equal(lab->nodes.node_count, KEPT_FROM);
		assert_int_equal(count(lab, CP_REFUSED_NETWORK), PLACES - KEPT_FROM);
		if (facts[i].familiar)
			see_all(lab);
		lab->endpoints.config.network_share = facts[i].percent;
		discover(lab, 5000, facts[i].from, facts[i].class);
		assert_int_equal(known(lab, 5000), facts[i].in);
		lab_close(lab);
	}
}

static void test_networks_of_ip6(void **state)
{
	struct cp_lab *lab = lab_open_capacity(PLACES);
	char from[64];

	(void)state;
	for (uint32_t id = 1; id <= PLACES; id++) {
		snprintf(from, sizeof(from), "[2001:db8:7:%x::1]:9", id);
		discover(lab, id, from, PUNT_DISCOVER_NEW);
	}
	assert_int_equal(lab->nodes.node_count, KEPT_FROM);
	discover(lab, 5000, "[2001:db8:8::1]:9", PUNT_DISCOVER_NEW);
	assert_true(known(lab, 5000));
	lab_close(lab);
}

// Fewer daemons than an eighth of a sample: while they are new, one with more of them would give
// their places to others.
enum { INVENTED = 3 * PLACES, DAEMONS = ROOM_SAMPLE / ROOM_KEPT_SHARE - 1 };

// One minute of a network that repeats three times as many nodes as there are places; `known_first`
// those that are stored, or the others.
static void repeat_invented(struct cp_lab *lab, enum punt_class class, bool known_first)
{
	for (unsigned pass = 0; pass < 2; pass++)
		for (uint32_t id = 10000; id < 10000 + INVENTED; id++) {
			bool stored = known(lab, id);

			if (stored && known_first == (pass == 0))
				lab_seen(lab, id);
			else if (!stored && known_first == (pass == 1))
				discover(lab, id, address(ONE_NETWORK + id % 256), class);
		}
}

// Daemons elsewhere find a place all the same, and keep it.
static void test_invented_nodes_that_are_repeated(void **state)
{
	enum { ROUNDS = 12, DAEMONS_FROM = 4 };

	(void)state;
	for (int known_first = 0; known_first < 2; known_first++) {
		struct cp_lab *lab = lab_open_capacity(PLACES);

		for (unsigned round = 0; round < ROUNDS; round++) {
			repeat_invented(
			    lab, round ? PUNT_DISCOVER_AGAIN : PUNT_DISCOVER_NEW, known_first);
			for (uint32_t id = 1; id <= DAEMONS && round >= DAEMONS_FROM; id++) {
				if (round == DAEMONS_FROM)
					discover(lab, id, address(id << 16), PUNT_DISCOVER_NEW);
				assert_true(known(lab, id));
				lab_seen(lab, id);
			}
			lab_pass(lab, 60000);
		}
		assert_in_range(lab->nodes.node_count, KEPT_FROM, KEPT_FROM + DAEMONS);
		lab_close(lab);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_who_gets_in),
	    cmocka_unit_test(test_proven_nodes),
	    cmocka_unit_test(test_another_address_begins_anew),
	    cmocka_unit_test(test_who_goes),
	    cmocka_unit_test(test_remote_nodes_stay),
	    cmocka_unit_test(test_brief_stay),
	    cmocka_unit_test(test_flood),
	    cmocka_unit_test(test_the_last_eighth),
	    cmocka_unit_test(test_networks_of_ip6),
	    cmocka_unit_test(test_invented_nodes_that_are_repeated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
