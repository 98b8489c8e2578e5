// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/table/lookup.h"
#include "shm/node_writer.h"
#include "tests/unit/memory_lab.h"

// The bulk look-up beside the single one and beside what was put in.

enum { NODES = 5000 };

static void fill(struct memory *m, uint32_t nodes)
{
	struct node_writer w;

	memory_lab_create(m, NODES, 1, 4096);
	assert_int_equal(node_writer_open(&w, m), 0);
	for (uint32_t id = 1; id <= nodes; id++) {
		struct node_route r = {.at = endpoint_from_v4(id * 3, (uint16_t)id)};

		assert_int_equal(node_writer_put(&w, id, &r, 1), 1);
	}
	node_writer_close(&w);
}

static unsigned count_found(const struct node_lookup *l, unsigned n)
{
	unsigned found = 0;

	for (unsigned i = 0; i < n; i++)
		found += node_lookup_found(l, i);
	return found;
}

static void test_counts(void **state)
{
	static const unsigned counts[] = {0, 1, 2, 63, 64, 65, 127, 128};
	struct memory m;

	(void)state;
	srand(5);
	fill(&m, NODES);
	for (unsigned c = 0; c < ARRAY_SIZE(counts); c++) {
		for (int round = 0; round < 200; round++) {
			uint32_t *ids = malloc(counts[c] * sizeof(*ids) + 1);
			struct node_lookup l;

			// A third is not there, some twice, some zero.
			for (unsigned i = 0; i < counts[c]; i++)
				ids[i] = (uint32_t)rand() % (NODES + NODES / 2);
			memset(&l, 0xff, sizeof(l));
			node_lookup_run(&m.nodes, ids, counts[c], &l);
			for (unsigned i = 0; i < counts[c]; i++) {
				bool there = ids[i] && ids[i] <= NODES;

				assert_int_equal(node_lookup_found(&l, i), there);
				if (!there)
					continue;
				assert_int_equal(node_entry_id(l.entries[i]), ids[i]);
				assert_int_equal(node_entry_address(l.entries[i]), ids[i] * 3);
			}
			free(ids);
		}
	}
	memory_unmap(&m);
}

static void test_empty(void **state)
{
	uint32_t ids[3] = {0, 1, UINT32_MAX};
	struct node_lookup l;
	struct memory m;

	(void)state;
	fill(&m, 0);
	node_lookup_run(&m.nodes, ids, 3, &l);
	assert_int_equal(count_found(&l, 3), 0);
	memory_unmap(&m);
}

// A damaged table costs look-ups, never the process: chains that lead out of the table or in a
// circle, and a state with more buckets than there are.
static void test_damaged(void **state)
{
	uint32_t ids[64];
	struct node_lookup l;
	struct endpoint at;
	struct memory m;

	(void)state;
	for (uint32_t i = 0; i < 64; i++)
		ids[i] = NODES + 1 + i;
	fill(&m, NODES);
	for (uint32_t b = 0; b < (uint32_t)m.nodes.header->state; b++)
		m.nodes.buckets[b].overflow = b % 2 ? UINT32_MAX - b : 1;
	m.nodes.overflow[1].overflow = 1;
	node_lookup_run(&m.nodes, ids, 64, &l);
	assert_int_equal(count_found(&l, 64), 0);
	m.nodes.header->state = UINT64_MAX;
	node_lookup_run(&m.nodes, ids, 64, &l);
	assert_int_equal(count_found(&l, 64), 0);
	m.nodes.header->state = 0;
	node_lookup_run(&m.nodes, ids, 64, &l);
	assert_int_equal(count_found(&l, 64), 0);
	assert_false(node_table_endpoint(&m.nodes,
	    (struct node_entry){.w = {UINT64_MAX, (uint64_t)NODE_V6 << 60 | 0xffffff}}, &at));
	node_table_seen(&m.nodes, (struct node_entry){.w = {1, 0xffffff}}, 100);
	memory_unmap(&m);
}

static void test_seen(void **state)
{
	static const struct {
		uint32_t was, now, then;
	} facts[] = {
	    {100, 107, 100},
	    {100, 108, 108},
	    {100, 99, 100},
	    {100, 5000, 5000},
	    {UINT32_MAX - 3, 4, 4},
	};
	struct node_entry e = {0};
	struct memory m;

	(void)state;
	fill(&m, 3);
	assert_true(node_table_find(&m.nodes, 2, &e));
	assert_int_equal(m.nodes.last_seen[node_entry_index(e)], 1);
	for (unsigned i = 0; i < ARRAY_SIZE(facts); i++) {
		uint32_t *at = &m.nodes.last_seen[node_entry_index(e)];

		*at = facts[i].was;
		node_table_seen(&m.nodes, e, facts[i].now);
		assert_int_equal(*at, facts[i].then);
	}
	memory_unmap(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_counts),
	    cmocka_unit_test(test_empty),
	    cmocka_unit_test(test_damaged),
	    cmocka_unit_test(test_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
