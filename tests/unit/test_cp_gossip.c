// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/cp_lab.h"

#include <stdio.h>
#include <stdlib.h>

static void allow(struct cp_lab *lab, const char *one, const char *two)
{
	struct peer_config config[2] = {{.at = lab_endpoint(one)}};

	if (two)
		config[1].at = lab_endpoint(two);
	assert_int_equal(peers_configure(&lab->peers, config, two ? 2 : 1, lab->now_ns), 0);
}

// A Sync from a peer that lists `count` ids from `first` on.
static void sync_range(struct cp_lab *lab, const char *from, uint32_t first, uint32_t count)
{
	static uint8_t message[UDP_PAYLOAD_MAX];
	static uint32_t ids[BEACON_SYNC_MAX];
	struct punt p;
	int n;

	for (uint32_t i = 0; i < count; i++)
		ids[i] = first + i;
	n = beacon_sync_build(message, sizeof(message), 99, ids, count);
	assert_true(n > 0);
	p = lab_punt(lab, from, message, (size_t)n);
	peers_sync(&lab->peers, &p);
}

// The endpoint of the peer relay that owns a node, "" for none, "local" for ours. Static.
static const char *owner(const struct cp_lab *lab, uint32_t node)
{
	static char text[ENDPOINT_TEXT_MAX];
	struct node_entry e;

	if (!node_table_find(&lab->nodes.table, node, &e))
		return "";
	if (!(node_entry_flags(e) & NODE_REMOTE))
		return "local";
	endpoint_format(&lab->memory.peers[node_entry_address(e)].at, text, sizeof(text));
	return text;
}

static void test_replacement(void **state)
{
	static const struct {
		uint32_t first, count;
		const char *one, *two, *three; // owners of nodes 1, 2 and 3 afterwards
	} story[] = {
	    {1, 2, "192.0.2.9:9001", "192.0.2.9:9001", ""},
	    {2, 2, "", "192.0.2.9:9001", "192.0.2.9:9001"},
	    {2, 2, "", "192.0.2.9:9001", "192.0.2.9:9001"},
	    {0, 2, "192.0.2.9:9001", "", ""}, // node 0 is nobody
	    {1, 0, "", "", ""},
	    {1, 3, "192.0.2.9:9001", "192.0.2.9:9001", "192.0.2.9:9001"},
	};
	struct cp_lab *lab = lab_open();

	(void)state;
	allow(lab, "192.0.2.9:9001", NULL);
	for (size_t i = 0; i < ARRAY_SIZE(story); i++) {
		sync_range(lab, "192.0.2.9:9001", story[i].first, story[i].count);
		assert_string_equal(owner(lab, 1), story[i].one);
		assert_string_equal(owner(lab, 2), story[i].two);
		assert_string_equal(owner(lab, 3), story[i].three);
		assert_int_equal(lab->nodes.remote_count, lab->nodes.node_count);
	}
	assert_int_equal(lab->stats.n[CP_SYNC_RECEIVED], ARRAY_SIZE(story));
	lab_close(lab);
}

static void test_strangers_are_refused(void **state)
{
	struct cp_lab *lab = lab_open();

	(void)state;
	allow(lab, "192.0.2.9:9001", "192.0.2.8:0");
	sync_range(lab, "192.0.2.10:9001", 1, 3);
	assert_int_equal(lab->nodes.node_count, 0);
	sync_range(lab, "[2001:db8::9]:9001", 1, 3);
	assert_int_equal(lab->nodes.node_count, 0);
	assert_int_equal(lab->stats.n[CP_SYNC_REFUSED], 2);
	// Any port of an allowed address is a source of its own.
	sync_range(lab, "192.0.2.8:40000", 1, 2);
	sync_range(lab, "192.0.2.8:40001", 3, 2);
	sync_range(lab, "192.0.2.8:40000", 1, 1);
	assert_string_equal(owner(lab, 2), "");
	assert_string_equal(owner(lab, 3), "192.0.2.8:40001");
	lab_close(lab);
}

static void test_broken_sync_changes_nothing(void **state)
{
	static const uint8_t short_by_one[] = {7, 0, 0, 0, 9, 0, 2, 0, 0, 0, 1, 0, 0, 0};
	struct cp_lab *lab = lab_open();
	struct punt p = lab_punt(lab, "192.0.2.9:9001", short_by_one, sizeof(short_by_one));

	(void)state;
	allow(lab, "192.0.2.9:9001", NULL);
	sync_range(lab, "192.0.2.9:9001", 5, 1);
	peers_sync(&lab->peers, &p);
	assert_string_equal(owner(lab, 5), "192.0.2.9:9001");
	assert_string_equal(owner(lab, 1), "");
	lab_close(lab);
}

static void test_sources_of_one_address_are_bounded(void **state)
{
	struct cp_lab *lab = lab_open();
	char from[32];

	(void)state;
	allow(lab, "192.0.2.9:9001", "192.0.2.8:9001");
	for (unsigned port = 20000; port < 20200; port++) {
		snprintf(from, sizeof(from), "192.0.2.9:%u", port);
		sync_range(lab, from, port, 1);
		lab->now_ns += NS_PER_S / PEER_SYNC_RATE;
	}
	assert_in_range(lab->nodes.node_count, PEER_SOURCES_MAX / 2, PEER_SOURCES_MAX + 2);
	// A spoofer of ports shuts out neither the configured port nor other peers.
	sync_range(lab, "192.0.2.9:9001", 1, 1);
	sync_range(lab, "192.0.2.8:9001", 2, 1);
	assert_string_equal(owner(lab, 1), "192.0.2.9:9001");
	assert_string_equal(owner(lab, 2), "192.0.2.8:9001");
	lab_close(lab);
}

static void test_syncs_of_one_address_are_paced(void **state)
{
	struct cp_lab *lab = lab_open();

	(void)state;
	allow(lab, "192.0.2.9:9001", "192.0.2.8:9001");
	for (unsigned i = 0; i < 1000; i++)
		sync_range(lab, "192.0.2.9:9001", i, 1);
	assert_in_range(lab->stats.n[CP_SYNC_RECEIVED], PEER_SYNC_RATE, PEER_SYNC_RATE + 1);
	sync_range(lab, "192.0.2.8:9001", 5000, 1);
	assert_string_equal(owner(lab, 5000), "192.0.2.8:9001");
	lab->now_ns += NS_PER_S;
	sync_range(lab, "192.0.2.9:9001", 7000, 1);
	assert_string_equal(owner(lab, 7000), "192.0.2.9:9001");
	lab_close(lab);
}

// Whoever sends from invented ports of a peer's address does not keep us from hearing the peer,
// neither on its configured port nor on others that it has gossiped from before.
static void test_a_peer_is_heard_beside_its_namesakes(void **state)
{
	struct cp_lab *lab = lab_open();
	unsigned port = 0;
	char from[32];

	(void)state;
	allow(lab, "192.0.2.9:9001", NULL);
	sync_range(lab, "192.0.2.9:9002", 2, 1);
	for (uint32_t second = 1; second < 60; second++) {
		for (unsigned i = 0; i < 1000; i++, lab->now_ns += NS_PER_S / 1000) {
			snprintf(from, sizeof(from), "192.0.2.9:%u", 10000 + port++ % 50000);
			sync_range(lab, from, 1 << 20, 1);
		}
		for (unsigned i = 0; i < 5; i++) { // as often as nodes come
			sync_range(lab, "192.0.2.9:9001", 10 * second + i, 1);
			assert_string_equal(owner(lab, 10 * second + i), "192.0.2.9:9001");
		}
		sync_range(lab, "192.0.2.9:9002", 2000 + second, 1);
		assert_string_equal(owner(lab, 2000 + second), "192.0.2.9:9002");
	}
	// One that is known may not gossip faster than it may for that.
	lab->now_ns += NS_PER_S;
	lab->stats.n[CP_SYNC_RECEIVED] = 0;
	for (unsigned i = 0; i < 1000; i++)
		sync_range(lab, "192.0.2.9:9001", i, 1);
	assert_in_range(lab->stats.n[CP_SYNC_RECEIVED], PEER_SYNC_RATE, PEER_SYNC_RATE + 1);
	lab_close(lab);
}

static void test_local_nodes_win_and_give_back(void **state)
{
	struct cp_lab *lab = lab_open();

	(void)state;
	allow(lab, "192.0.2.9:9001", NULL);
	lab_discover(lab, 1, "198.51.100.1:1");
	sync_range(lab, "192.0.2.9:9001", 1, 2);
	assert_string_equal(owner(lab, 1), "local");
	assert_string_equal(owner(lab, 2), "192.0.2.9:9001");
	lab_discover(lab, 2, "198.51.100.2:2");
	assert_string_equal(owner(lab, 2), "local");
	assert_int_equal(lab->nodes.remote_count, 0);
	// Ours goes silent, the peer still lists it.
	for (int i = 0; i < 10; i++) {
		lab->now_ns += 60 * NS_PER_S;
		sync_range(lab, "192.0.2.9:9001", 1, 1);
	}
	lab_walk(lab);
	assert_string_equal(owner(lab, 1), "192.0.2.9:9001");
	assert_string_equal(owner(lab, 2), "");
	lab_close(lab);
}

static void test_two_peers_claim_a_node(void **state)
{
	struct cp_lab *lab = lab_open();

	(void)state;
	allow(lab, "192.0.2.9:9001", "192.0.2.8:9001");
	sync_range(lab, "192.0.2.9:9001", 1, 3);
	lab->now_ns += NS_PER_S;
	sync_range(lab, "192.0.2.8:9001", 2, 1); // node 2 moved
	assert_string_equal(owner(lab, 2), "192.0.2.8:9001");
	lab->now_ns += NS_PER_S;
	sync_range(lab, "192.0.2.9:9001", 1, 3); // the old relay has not noticed
	assert_string_equal(owner(lab, 2), "192.0.2.8:9001");
	sync_range(lab, "192.0.2.8:9001", 2, 0); // gone from there
	assert_string_equal(owner(lab, 2), "192.0.2.9:9001");
	lab_close(lab);
}

static void test_expiry(void **state)
{
	struct cp_lab *lab = lab_open();

	(void)state;
	allow(lab, "192.0.2.9:9001", "192.0.2.8:0");
	sync_range(lab, "192.0.2.9:9001", 1, 100);
	sync_range(lab, "192.0.2.8:500", 201, 100);
	lab_pass(lab, 60000);
	sync_range(lab, "192.0.2.9:9001", 1, 100);
	lab_pass(lab, 29800);
	assert_int_equal(lab->nodes.remote_count, 200);
	lab_pass(lab, 300);
	assert_int_equal(lab->nodes.remote_count, 100);
	assert_string_equal(owner(lab, 201), "");
	lab_pass(lab, 60000);
	assert_int_equal(lab->nodes.node_count, 0);
	// Slots of what is not configured are given back.
	struct endpoint heard = lab_endpoint("192.0.2.8:500"),
			named = lab_endpoint("192.0.2.9:9001");

	assert_int_equal(peer_find(lab->memory.peer_index, lab->memory.peers, &heard), -1);
	assert_true(peer_find(lab->memory.peer_index, lab->memory.peers, &named) >= 0);
	lab_close(lab);
}

static void test_restart_keeps_remote_nodes_until_they_are_denied(void **state)
{
	struct cp_lab *lab = lab_open();

	(void)state;
	allow(lab, "192.0.2.9:9001", "192.0.2.8:9001");
	sync_range(lab, "192.0.2.9:9001", 1, 10);
	sync_range(lab, "192.0.2.8:9001", 21, 10);
	lab_restart(lab);
	allow(lab, "192.0.2.9:9001", "192.0.2.8:9001");
	lab_walk(lab);
	assert_int_equal(lab->nodes.remote_count, 20);
	sync_range(lab, "192.0.2.9:9001", 1, 5);
	lab_walk(lab);
	assert_int_equal(lab->nodes.remote_count, 15);
	assert_string_equal(owner(lab, 6), "");
	lab_pass(lab, 91000); // the other one is not heard again
	assert_int_equal(lab->nodes.remote_count, 0);
	lab_close(lab);
}

static void test_a_peer_taken_off_the_list_loses_its_nodes(void **state)
{
	struct cp_lab *lab = lab_open();

	(void)state;
	allow(lab, "192.0.2.9:9001", "192.0.2.8:9001");
	sync_range(lab, "192.0.2.9:9001", 1, 10);
	sync_range(lab, "192.0.2.8:9001", 11, 10);
	allow(lab, "192.0.2.8:9001", NULL);
	assert_int_equal(lab->nodes.remote_count, 10);
	sync_range(lab, "192.0.2.9:9001", 1, 10);
	assert_int_equal(lab->nodes.remote_count, 10);
	lab_close(lab);
}

static void test_remote_nodes_leave_room(void **state)
{
	struct cp_lab *lab = lab_open_capacity(400);

	(void)state;
	lab->endpoints.config.network_share = 0; // the local ones come from one
	allow(lab, "192.0.2.9:9001", NULL);
	sync_range(lab, "192.0.2.9:9001", 1, 1000);
	assert_int_equal(lab->nodes.remote_count, 300);
	assert_int_equal(lab->stats.n[CP_REMOTE_FULL], 700);
	for (uint32_t id = 5001; id <= 5100; id++)
		lab_discover(lab, id, "198.51.100.1:1");
	assert_int_equal(lab->nodes.node_count, 400);
	assert_string_equal(owner(lab, 5100), "local");
	lab_close(lab);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_replacement),
	    cmocka_unit_test(test_strangers_are_refused),
	    cmocka_unit_test(test_broken_sync_changes_nothing),
	    cmocka_unit_test(test_sources_of_one_address_are_bounded),
	    cmocka_unit_test(test_syncs_of_one_address_are_paced),
	    cmocka_unit_test(test_a_peer_is_heard_beside_its_namesakes),
	    cmocka_unit_test(test_local_nodes_win_and_give_back),
	    cmocka_unit_test(test_two_peers_claim_a_node),
	    cmocka_unit_test(test_expiry),
	    cmocka_unit_test(test_restart_keeps_remote_nodes_until_they_are_denied),
	    cmocka_unit_test(test_a_peer_taken_off_the_list_loses_its_nodes),
	    cmocka_unit_test(test_remote_nodes_leave_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
