// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/room.h"
#include "crypto/identity.h"
#include "shm/kernel_layout.h"
#include "tests/unit/cp_lab.h"

static uint32_t count(const struct cp_lab *lab, enum cp_counter c)
{
	return (uint32_t)lab->stats.n[c];
}

static struct node_entry entry_of(const struct cp_lab *lab, uint32_t node)
{
	struct node_entry e = {{0}};

	assert_true(node_table_find(&lab->nodes.table, node, &e));
	return e;
}

// One line: who comes from where after how long, and where the node is then.
static void test_open_policy(void **state)
{
	static const struct {
		uint32_t wait_s;
		const char *from, *then;
	} story[] = {
	    {0, "198.51.100.1:1000", "198.51.100.1:1000"},
	    {1, "198.51.100.1:2000", "198.51.100.1:2000"}, // NAT rebind: at once
	    {1, "203.0.113.9:2000", "198.51.100.1:2000"},  // take-over
	    {60, "203.0.113.9:2000", "198.51.100.1:2000"},
	    {20, "198.51.100.1:2000", "198.51.100.1:2000"}, // alive: the silence starts anew
	    {89, "203.0.113.9:2000", "198.51.100.1:2000"},
	    {1, "203.0.113.9:2000", "203.0.113.9:2000"}, // silent for 90 s
	    {1, "198.51.100.1:2000", "203.0.113.9:2000"},
	    {95, "[2001:db8::9]:7", "[2001:db8::9]:7"},
	    {1, "[2001:db8::9]:8", "[2001:db8::9]:8"},
	    {1, "[2001:db8::8]:8", "[2001:db8::9]:8"},
	};
	struct cp_lab *lab = lab_open();

	(void)state;
	for (size_t i = 0; i < sizeof(story) / sizeof(story[0]); i++) {
		lab->now_ns += story[i].wait_s * NS_PER_S;
		lab_discover(lab, 5, story[i].from);
		assert_string_equal(lab_where(lab, 5), story[i].then);
	}
	assert_int_equal(count(lab, CP_NODES_NEW), 1);
	assert_int_equal(count(lab, CP_NODES_MOVED), 4);
	assert_int_equal(count(lab, CP_REFUSED_OCCUPIED), 5);
	lab_close(lab);
}

// Node 5 has given a sign of life: nobody else gets its address for that long.
static void expect_kept_for_80_s(struct cp_lab *lab)
{
	lab->now_ns += 80 * NS_PER_S;
	lab_discover(lab, 5, "203.0.113.9:1");
	assert_string_equal(lab_where(lab, 5), "198.51.100.1:1000");
	lab->now_ns += 10 * NS_PER_S;
	lab_discover(lab, 5, "203.0.113.9:1");
	assert_string_equal(lab_where(lab, 5), "203.0.113.9:1");
}

static void test_relay_traffic_keeps_an_endpoint(void **state)
{
	struct cp_lab *lab = lab_open();

	(void)state;
	lab_discover(lab, 5, "198.51.100.1:1000");
	lab->now_ns += 80 * NS_PER_S;
	lab_seen(lab, 5); // a worker relayed from the stored endpoint
	expect_kept_for_80_s(lab);
	lab_close(lab);
}

// The same where the XDP program relays, which notes the time elsewhere.
static void test_relay_traffic_in_the_kernel_keeps_an_endpoint(void **state)
{
	struct cp_lab *lab = lab_open();
	struct kernel_state *states = calloc(lab->nodes.table.index_max + 1, sizeof(*states));

	(void)state;
	assert_non_null(states);
	lab->nodes.table.kernel = states;
	lab_discover(lab, 5, "198.51.100.1:1000");
	lab->now_ns += 80 * NS_PER_S;
	states[node_entry_index(entry_of(lab, 5))].seen = lab->now_ns >> KERNEL_SEEN_SHIFT;
	expect_kept_for_80_s(lab);
	lab_close(lab);
	free(states);
}

static void test_node_zero_and_short_messages_are_nobody(void **state)
{
	struct cp_lab *lab = lab_open();
	struct punt p = lab_punt(lab, "198.51.100.1:1000", "\x01\x00\x00\x00", 4);

	(void)state;
	lab_discover(lab, 0, "198.51.100.1:1000");
	endpoints_discover(&lab->endpoints, &p);
	assert_int_equal(lab->nodes.node_count, 0);
	lab_close(lab);
}

static void test_expiry(void **state)
{
	struct cp_lab *lab = lab_open();

	(void)state;
	lab_discover(lab, 1, "198.51.100.1:1");
	lab_discover(lab, 2, "198.51.100.2:1");
	lab_discover(lab, 3, "[2001:db8::3]:1");
	lab->now_ns += 595 * NS_PER_S;
	lab_walk(lab);
	assert_int_equal(lab->nodes.node_count, 3);
	lab_seen(lab, 2);
	lab->now_ns += 5 * NS_PER_S;
	lab_walk(lab);
	assert_string_equal(lab_where(lab, 1), "");
	assert_string_equal(lab_where(lab, 2), "198.51.100.2:1");
	assert_string_equal(lab_where(lab, 3), "");
	assert_int_equal(count(lab, CP_NODES_EXPIRED), 2);
	lab->now_ns += 600 * NS_PER_S;
	lab_walk(lab);
	assert_int_equal(lab->nodes.node_count, 0);
	lab_close(lab);
}

static void test_walk_is_bounded_and_complete(void **state)
{
	struct cp_lab *lab = lab_open_capacity(60000);
	uint64_t ticks = 0;

	(void)state;
	for (uint32_t id = 1; id <= 50000; id++)
		lab_discover(lab, id, "198.51.100.1:1");
	assert_int_equal(lab->nodes.node_count, 50000);
	lab->now_ns += 600 * NS_PER_S;
	while (lab->nodes.node_count && ticks++ < 10 * 60) {
		uint32_t before = lab->nodes.node_count;

		endpoints_tick(&lab->endpoints, lab->now_ns);
		// At most what a slice of buckets can hold.
		assert_true(before - lab->nodes.node_count <= 4 * ENDPOINTS_SLICE);
	}
	assert_int_equal(lab->nodes.node_count, 0);
	// Not in one go: other work has its turn between.
	assert_true(ticks > 10);
	lab_close(lab);
}

static void test_routes_that_never_settle(void **state)
{
	struct cp_lab *lab = lab_open_capacity(60000);
	uint64_t walks;

	(void)state;
	for (uint32_t id = 1; id <= 50000; id++)
		lab_discover(lab, id, "198.51.100.1:1");
	lab_walk(lab);
	walks = lab->endpoints.walks;
	for (int i = 0; i < 100; i++) {
		endpoints_reroute(&lab->endpoints);
		endpoints_tick(&lab->endpoints, lab->now_ns);
	}
	assert_true(lab->endpoints.walks > walks + 10);
	lab_close(lab);
}

static void test_capacity(void **state)
{
	struct cp_lab *lab = lab_open_capacity(100);

	(void)state;
	lab->endpoints.config.network_share = 0; // all come from one
	for (uint32_t id = 1; id <= 100; id++)
		lab_discover(lab, id, "198.51.100.1:1");
	lab->now_ns += 30 * NS_PER_S;
	for (uint32_t id = 1; id <= 120; id++)
		lab_discover(lab, id, "198.51.100.1:1");
	assert_int_equal(lab->nodes.node_count, 100);
	assert_int_equal(count(lab, CP_REFUSED_FULL), 20);
	// Those that are known still move.
	lab_discover(lab, 50, "198.51.100.1:77");
	assert_string_equal(lab_where(lab, 50), "198.51.100.1:77");
	lab_close(lab);
}

static void test_discover_ex_and_local_address(void **state)
{
	struct cp_lab *lab = lab_open();
	uint8_t ex[BEACON_DISCOVER_SIZE];
	struct beacon_discover d = {.node = 9, .ex = true};
	struct punt p;

	(void)state;
	beacon_discover_build(ex, sizeof(ex), &d);
	lab_discover(lab, 9, "198.51.100.1:1");
	assert_false(node_entry_flags(entry_of(lab, 9)) & NODE_CARRY);
	p = lab_punt(lab, "198.51.100.1:1", ex, sizeof(ex));
	endpoints_discover(&lab->endpoints, &p);
	assert_true(node_entry_flags(entry_of(lab, 9)) & NODE_CARRY);
	// A plain Discover does not take it back, wherever it comes from, and is a sign of life.
	lab->now_ns += 50 * NS_PER_S;
	lab_discover(lab, 9, "198.51.100.1:1");
	assert_true(node_entry_flags(entry_of(lab, 9)) & NODE_CARRY);
	assert_int_equal(node_alive_at(&lab->nodes.table, entry_of(lab, 9)), 1050);
	lab_discover(lab, 9, "198.51.100.1:2");
	assert_true(node_entry_flags(entry_of(lab, 9)) & NODE_CARRY);
	// Replies leave from the address that the node sent to last.
	p = lab_punt(lab, "198.51.100.1:2", ex, sizeof(ex));
	p.local = 7;
	endpoints_discover(&lab->endpoints, &p);
	assert_int_equal(node_entry_local(entry_of(lab, 9)), 7);
	lab_close(lab);
}

// What a worker left to us is answered whatever was decided, and nothing else is.
static void test_answers(void **state)
{
	static const struct {
		const char *from;
		bool unanswered;
		const char *then;
	} story[] = {
	    {"198.51.100.1:1", true, "198.51.100.1:1"},
	    {"198.51.100.1:1", false, "198.51.100.1:1"},
	    {"198.51.100.1:2", true, "198.51.100.1:2"},
	    {"[2001:db8::9]:7", true, "198.51.100.1:2"}, // not admitted
	    {"203.0.113.9:1", false, "198.51.100.1:2"},
	};
	struct cp_lab *lab = lab_open();

	(void)state;
	for (size_t i = 0; i < sizeof(story) / sizeof(story[0]); i++) {
		uint8_t message[BEACON_DISCOVER_SIZE] = {BEACON_DISCOVER, 0, 0, 0, 5};
		struct punt p = lab_punt(lab, story[i].from, message, sizeof(message));
		struct beacon_discover_reply reply;

		p.unanswered = story[i].unanswered;
		lab_sent_clear(lab);
		endpoints_discover(&lab->endpoints, &p);
		assert_string_equal(lab_where(lab, 5), story[i].then);
		assert_int_equal(lab->sent_count, p.unanswered);
		if (!p.unanswered)
			continue;
		assert_int_equal(
		    beacon_discover_reply_parse(lab->sent[0].data, lab->sent[0].len, &reply), 0);
		assert_true(endpoint_equal(&reply.observed, &p.from));
		assert_true(endpoint_equal(&lab->sent[0].to, &p.from));
		assert_int_equal(lab->sent[0].local, p.local);
	}
	lab_close(lab);
}

static void test_restart_keeps_nodes(void **state)
{
	struct cp_lab *lab = lab_open();

	(void)state;
	lab_discover(lab, 1, "198.51.100.1:1");
	lab_discover(lab, 2, "[2001:db8::2]:2");
	lab_restart(lab);
	assert_string_equal(lab_where(lab, 1), "198.51.100.1:1");
	assert_string_equal(lab_where(lab, 2), "[2001:db8::2]:2");
	lab_discover(lab, 1, "203.0.113.9:1");
	assert_string_equal(lab_where(lab, 1), "198.51.100.1:1");
	lab_discover(lab, 3, "198.51.100.3:3");
	assert_int_equal(lab->nodes.node_count, 3);
	lab_close(lab);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_open_policy),
	    cmocka_unit_test(test_relay_traffic_keeps_an_endpoint),
	    cmocka_unit_test(test_relay_traffic_in_the_kernel_keeps_an_endpoint),
	    cmocka_unit_test(test_node_zero_and_short_messages_are_nobody),
	    cmocka_unit_test(test_expiry),
	    cmocka_unit_test(test_walk_is_bounded_and_complete),
	    cmocka_unit_test(test_routes_that_never_settle),
	    cmocka_unit_test(test_capacity),
	    cmocka_unit_test(test_discover_ex_and_local_address),
	    cmocka_unit_test(test_answers),
	    cmocka_unit_test(test_restart_keeps_nodes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
