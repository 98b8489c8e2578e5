// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/routes_lab.h"

#include <stdio.h>

// State of the neighbour, MAC that is sent to; 0 = companion.
static void test_words_follow_the_neighbour(void **state)
{
	static const struct {
		uint16_t nud;
		uint8_t told, used;
	} story[] = {
	    {NUD_INCOMPLETE, 0, 0},
	    {NUD_REACHABLE, 5, 5},
	    {NUD_STALE, 5, 5},
	    {NUD_DELAY, 5, 5},
	    {NUD_PROBE, 5, 5},
	    {NUD_REACHABLE, 6, 6}, // another card
	    {NUD_FAILED, 0, 0},
	    {NUD_PERMANENT, 7, 7},
	    {0, 0, 0}, // deleted
	    {NUD_NOARP, 8, 8},
	};
	struct lab *l = lab_open();
	uint16_t i;

	(void)state;
	settle(l);
	i = resolve(l, "198.51.100.7", 0);
	assert_int_equal(word(l, i), 0);
	for (size_t k = 0; k < ARRAY_SIZE(story); k++) {
		uint8_t mac[6] = {2, 0, 0, 0, 0, story[k].used};

		neigh_event(l, "10.0.0.254", 2, story[k].nud, story[k].told);
		neigh_event(l, "10.0.0.254", 9, NUD_REACHABLE, 99); // on another interface
		neigh_event(l, "10.0.0.9", 2, NUD_REACHABLE, 98);
		assert_int_equal(word(l, i), story[k].used ? nexthop_make(mac, 3) : 0);
	}
	// A next hop made later finds what is known.
	assert_int_equal(
	    word(l, resolve(l, "10.0.0.9", 0)), nexthop_make((uint8_t[]){2, 0, 0, 0, 0, 98}, 3));
	// Events were lost: what the dump does not mention is gone.
	routes_lost(&l->routes);
	settle(l);
	assert_int_equal(word(l, i), 0);
	lab_close(l);
}

static void walk_end(struct lab *l)
{
	nexthops_walked(l->hops);
	nexthops_run(l->hops);
	nexthops_run(l->hops);
}

static void test_indexes_are_given_back(void **state)
{
	struct lab *l = lab_open();
	uint16_t one, two;

	(void)state;
	settle(l);
	one = resolve(l, "10.0.0.9", 0);
	two = resolve(l, "10.0.0.10", 0);
	assert_true(one && two && one != two);
	assert_int_equal(resolve(l, "10.0.0.9", 0), one);
	neigh_event(l, "10.0.0.10", 2, NUD_REACHABLE, 10);
	walk_end(l);
	assert_int_equal(resolve(l, "10.0.0.9", 0), one); // in this walk only one of them
	walk_end(l);
	assert_int_equal(l->hops->used, 1);
	assert_int_equal(word(l, two), 0);
	assert_int_equal(l->hops->slots[two].use, NEXTHOP_FREE);
	lab_close(l);
}

static void test_more_neighbours_than_indexes(void **state)
{
	struct lab *l = lab_open();
	char text[32];
	unsigned got = 0;

	(void)state;
	l->kernel = (const struct kernel_route[]){{"10.0.0.0", NULL, 8, 2, RT_TABLE_MAIN, 0, 0}};
	l->kernel_count = 1;
	settle(l);
	for (unsigned i = 0; i < NEXTHOP_MAX + 100; i++) {
		snprintf(text, sizeof(text), "10.%u.%u.%u", 1 + (i >> 16), i >> 8 & 255, i & 255);
		got += resolve(l, text, 0) != 0;
	}
	assert_int_equal(got, NEXTHOP_MAX - 1);
	walk_end(l);
	walk_end(l);
	assert_int_not_equal(resolve(l, "10.9.9.9", 0), 0);
	lab_close(l);
}

static void test_restart_inherits_indexes(void **state)
{
	struct lab *l = lab_open();
	uint16_t used, gone;
	nexthop_word was;

	(void)state;
	settle(l);
	neigh_event(l, "10.0.0.9", 2, NUD_REACHABLE, 9);
	neigh_event(l, "10.0.0.10", 2, NUD_REACHABLE, 10);
	gone = resolve(l, "10.0.0.10", 0);
	used = resolve(l, "10.0.0.9", 0);
	was = word(l, used);
	nexthops_close(l->hops);
	nexthops_open(l->hops, &l->memory, &l->routes);
	assert_int_equal(word(l, used), was); // nodes that refer to it are served meanwhile
	assert_int_equal(resolve(l, "10.0.0.9", 0), used);
	walk_end(l);
	assert_int_equal(word(l, used), was);
	assert_int_equal(word(l, gone), 0);
	assert_int_equal(l->hops->slots[gone].use, NEXTHOP_FREE);
	lab_close(l);
}

static unsigned probes;

static void on_probe(void *ctx, uint32_t ifindex, const uint8_t addr[16])
{
	struct endpoint want = at("10.0.0.9");

	(void)ctx;
	probes++;
	assert_int_equal(ifindex, 2);
	assert_memory_equal(addr, want.addr, 16);
}

static void test_stale_neighbours_in_use_are_probed(void **state)
{
	struct lab *l = lab_open();

	(void)state;
	settle(l);
	probes = 0;
	neigh_event(l, "10.0.0.9", 2, NUD_REACHABLE, 9);
	neigh_event(l, "10.0.0.10", 2, NUD_STALE, 10); // nobody uses it
	resolve(l, "10.0.0.9", 0);
	nexthops_probe(l->hops, l->now_ns, on_probe, NULL);
	assert_int_equal(probes, 0);
	neigh_event(l, "10.0.0.9", 2, NUD_STALE, 9);
	nexthops_probe(l->hops, l->now_ns, on_probe, NULL);
	nexthops_probe(l->hops, l->now_ns + NS_PER_S, on_probe, NULL);
	assert_int_equal(probes, 1);
	nexthops_probe(l->hops, l->now_ns + NEXTHOP_PROBE_S * NS_PER_S, on_probe, NULL);
	assert_int_equal(probes, 2);
	lab_close(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_words_follow_the_neighbour),
	    cmocka_unit_test(test_indexes_are_given_back),
	    cmocka_unit_test(test_more_neighbours_than_indexes),
	    cmocka_unit_test(test_restart_inherits_indexes),
	    cmocka_unit_test(test_stale_neighbours_in_use_are_probed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
