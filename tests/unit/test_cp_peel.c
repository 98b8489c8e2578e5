// SPDX-License-Identifier: BSD-3-Clause
// Who is chosen, on graphs of a few lines and against a naive twin.
#include "base/random.h"
#include "controlplane/peel.h"
#include "tests/unit/unit.h"

enum { EDGES = 3000 };

static const uint32_t hash_key[4] = {1, 2, 3, 4};
static struct peel peel;

static int setup(void **state)
{
	(void)state;
	return peel_open(&peel, EDGES, hash_key);
}

static int teardown(void **state)
{
	(void)state;
	peel_close(&peel);
	return 0;
}

static void edges(uint32_t a, uint32_t b, unsigned count)
{
	while (count--)
		peel_edge(&peel, a, b);
}

static void hold(uint32_t id)
{
	struct peel_node *n = peel_find(&peel, id);

	assert_non_null(n);
	n->holds = true;
}

static bool kept(uint32_t id)
{
	return peel_find(&peel, id)->kept;
}

static void pairs_stay_together(void **state)
{
	(void)state;
	for (int round = 0; round < 2; round++) { // the second as if there had been no first
		peel_begin(&peel);
		assert_null(peel_find(&peel, 1));
		edges(1, 4, 10);
		edges(2, 3, 10);
		edges(5, 6, 9);
		assert_int_equal(peel_run(&peel, 0, 4), 0);
		assert_true(kept(1) && kept(2) && kept(3) && kept(4));
		assert_false(kept(5) || kept(6));
	}
	peel_begin(&peel);
	edges(1, 4, 10);
	edges(2, 3, 10);
	assert_int_equal(peel_run(&peel, 0, 2), 0);
	assert_int_equal(kept(1), kept(4));
	assert_int_equal(kept(2), kept(3));
	assert_true(kept(1) != kept(2));
}

// Who talks to very many, none of whom can stay, does not stay for that.
static void crawlers_go(void **state)
{
	(void)state;
	peel_begin(&peel);
	for (uint32_t i = 0; i < 1000; i++)
		edges(1, 100 + i, 1);
	edges(2, 3, 5);
	assert_int_equal(peel_run(&peel, 0, 3), 0);
	assert_true(kept(2) && kept(3));
	peel_begin(&peel);
	for (uint32_t i = 0; i < 1000; i++)
		edges(1, 100 + i, 1);
	edges(2, 3, 5);
	assert_int_equal(peel_run(&peel, 0, 100), 0);
	assert_true(kept(1) && kept(2) && kept(3)); // and 97 of those
}

static void holders(void **state)
{
	static const struct {
		unsigned here, there; // datagrams of the pair with places, and of the other
		bool changes;
	} facts[] = {{0, 4, false}, {0, 5, true}, {1, 5, false}, {1, 6, true}, {10, 10, false},
	    {10, 19, false}, {10, 20, true}, {100, 154, false}, {100, 155, true}, {10, 0, false}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		uint32_t others = facts[i].here ? 0 : 2;

		peel_begin(&peel);
		edges(1, 2, facts[i].here);
		edges(3, 4, facts[i].there);
		if (facts[i].here) {
			hold(1);
			hold(2);
		}
		others = peel_run(&peel, others, 2);
		if (facts[i].there)
			assert_int_equal(kept(3) && kept(4), facts[i].changes);
		if (facts[i].here)
			assert_int_equal(kept(1) && kept(2), !facts[i].changes);
		else
			assert_int_equal(others, facts[i].changes ? 0 : 2);
	}
}

static void odd_graphs(void **state)
{
	(void)state;
	peel_begin(&peel);
	assert_int_equal(peel_run(&peel, 5, 3), 3);
	assert_int_equal(peel_run(&peel, 3, 5), 3);
	peel_begin(&peel);
	edges(7, 7, 6); // alone with itself
	edges(1, 2, 5);
	assert_int_equal(peel_run(&peel, 0, 1), 0);
	assert_true(kept(7));
	peel_begin(&peel);
	edges(1, 2, 5);
	assert_int_equal(peel_run(&peel, 7, 0), 0);
	assert_false(kept(1) || kept(2));
	peel_begin(&peel);
	edges(1, 2, EDGES);
	edges(3, 4, 1); // no room
	assert_null(peel_find(&peel, 3));
	hold(1);
	assert_int_equal(peel_run(&peel, 0, 1), 0);
	assert_true(kept(1));
}

// The twin looks for the lowest anew each time. False: several were, and which of them goes is
// open.
static bool twin_keeps(uint32_t others, uint32_t room, bool gone[])
{
	for (uint32_t left = peel.node_count; left + others > room;) {
		uint32_t degree[2 * EDGES] = {0}, lowest = UINT32_MAX, at = 0, count = 0;

		for (uint32_t i = 0; i < peel.edge_count; i++) {
			uint32_t a = peel.edges[i][0], b = peel.edges[i][1];

			if (gone[a] || gone[b])
				continue;
			degree[a]++;
			degree[b] += a != b;
		}
		for (uint32_t i = 0; i < peel.node_count; i++) {
			uint32_t d = degree[i];
			uint32_t value = peel.nodes[i].holds ? d + d / 2 + PEEL_STAY : d;

			if (gone[i] || value > lowest)
				continue;
			count = value < lowest ? 1 : count + 1;
			lowest = value;
			at = i;
		}
		if (others && lowest > PEEL_STAY) {
			others--;
			continue;
		}
		if (count > 1)
			return false;
		gone[at] = true;
		left--;
	}
	return true;
}

static void as_the_twin(void **state)
{
	uint64_t seed = 5;
	unsigned compared = 0;

	(void)state;
	for (int round = 0; round < 1000; round++) {
		uint32_t nodes = 3 + random_below(&seed, 8), others = random_below(&seed, 5), room;
		bool gone[2 * EDGES] = {false};

		peel_begin(&peel);
		for (uint32_t i = 0; i < 2 * nodes; i++) {
			uint32_t a = 1 + random_below(&seed, nodes);

			edges(a, 1 + random_below(&seed, nodes), random_below(&seed, 100));
		}
		for (uint32_t i = 0; i < peel.node_count; i++)
			peel.nodes[i].holds = random_below(&seed, 2);
		room = random_below(&seed, peel.node_count + others + 2);
		peel_run(&peel, others, room);
		if (!twin_keeps(others, room, gone))
			continue;
		compared++;
		for (uint32_t i = 0; i < peel.node_count; i++)
			assert_int_equal(peel.nodes[i].kept, !gone[i]);
	}
	assert_in_range(compared, 300, 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(pairs_stay_together),
	    cmocka_unit_test(crawlers_go),
	    cmocka_unit_test(holders),
	    cmocka_unit_test(odd_graphs),
	    cmocka_unit_test(as_the_twin),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
