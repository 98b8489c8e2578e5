// SPDX-License-Identifier: BSD-3-Clause
#include "shm/node_chain.h"
#include "shm/node_writer.h"
#include "shm/pages.h"
#include "tests/unit/memory_lab.h"

#include <sys/resource.h>
#include <unistd.h>

enum { CAPACITY = 20000, WORKERS = 2, RING = 65536 };

// The naive twin: what each id of a small range should have.
enum { IDS = 12000 };

struct twin {
	bool there;
	struct node_route route;
};

static struct endpoint endpoint_random(unsigned r)
{
	uint8_t a[16] = {0x20, 0x01, 0x0d, 0xb8, [14] = (uint8_t)(r >> 8), [15] = (uint8_t)r};

	return r & 1 ? endpoint_from_v6(a, (uint16_t)(r >> 3))
		     : endpoint_from_v4(r * 2654435761U, (uint16_t)(r >> 3));
}

static struct node_route route_random(unsigned r)
{
	struct node_route route = {
	    .nexthop = (uint16_t)(r >> 4 & NODE_NEXTHOP_MASK),
	    .local = (uint8_t)(r >> 2 & NODE_LOCAL_MASK),
	    .flags = (uint8_t)(r & NODE_CARRY),
	};

	if (r % 7 == 0) {
		route.flags |= NODE_REMOTE;
		route.peer = r % PEER_MAX;
	} else {
		route.at = endpoint_random(r);
	}
	return route;
}

static void entry_check(const struct node_table *t, struct node_entry e, const struct node_route *r)
{
	struct endpoint at;

	assert_int_equal(node_entry_nexthop(e), r->nexthop);
	assert_int_equal(node_entry_local(e), r->local);
	assert_int_equal(node_entry_flags(e) & ~NODE_V6, r->flags);
	if (r->flags & NODE_REMOTE) {
		assert_false(node_table_endpoint(t, e, &at));
		assert_int_equal(node_entry_address(e), r->peer);
		return;
	}
	assert_true(node_table_endpoint(t, e, &at));
	assert_true(endpoint_equal(&at, &r->at));
	assert_true(node_table_is_at(t, e, &at));
	at.port ^= 1;
	assert_false(node_table_is_at(t, e, &at));
}

static void twin_check(const struct node_table *t, const struct twin *twin)
{
	uint8_t *seen = calloc(1, IDS + 1);
	struct node_entry out[16], e = {0};
	uint64_t cursor = 0;

	for (uint32_t id = 1; id <= IDS; id++) {
		assert_int_equal(node_table_find(t, id, &e), twin[id].there);
		if (twin[id].there)
			entry_check(t, e, &twin[id].route);
	}
	while (cursor != NODE_CURSOR_END) {
		unsigned n = node_table_walk(t, &cursor, out, 16);

		for (unsigned i = 0; i < n; i++) {
			uint32_t id = node_entry_id(out[i]);

			assert_true(id <= IDS && twin[id].there);
			assert_int_equal(seen[id]++, 0);
		}
	}
	for (uint32_t id = 1; id <= IDS; id++)
		assert_int_equal(seen[id], twin[id].there);
	free(seen);
}

static void random_steps(struct node_writer *w, struct twin *twin, int steps, unsigned remove)
{
	for (int i = 0; i < steps; i++) {
		uint32_t id = (uint32_t)rand() % IDS + 1;
		struct node_route r = route_random((unsigned)rand());

		if ((unsigned)rand() % 100 < remove) {
			assert_int_equal(node_writer_remove(w, id), twin[id].there ? 0 : -ENOENT);
			twin[id].there = false;
		} else if (rand() % 4 == 0) {
			int err = node_writer_set_nexthop(w, id, r.nexthop);

			assert_int_equal(err, twin[id].there ? 0 : -ENOENT);
			twin[id].route.nexthop = r.nexthop;
		} else {
			assert_int_equal(node_writer_put(w, id, &r, 5), !twin[id].there);
			twin[id] = (struct twin){.there = true, .route = r};
		}
		if (i % 100 == 0)
			node_writer_run(w);
	}
}

static void test_oracle(void **state)
{
	struct twin *twin = calloc(IDS + 1, sizeof(*twin));
	struct node_writer w;
	struct memory m;

	(void)state;
	memory_lab_create(&m, CAPACITY, WORKERS, RING);
	assert_int_equal(node_writer_open(&w, &m), 0);
	for (unsigned seed = 1; seed <= 6; seed++) {
		srand(seed);
		random_steps(&w, twin, 20000, seed % 2 ? 20 : 70);
		twin_check(&m.nodes, twin);
		node_writer_close(&w);
		assert_int_equal(node_writer_open(&w, &m), 0);
		twin_check(&m.nodes, twin);
	}
	node_writer_close(&w);
	memory_unmap(&m);
	free(twin);
}

// A walk in slices of `max` while others come and go and the table grows: who stays is seen once.
static void walk_while_growing(unsigned max)
{
	enum { STAY = 2000, OTHERS = 15000 };
	struct node_route r = {.at = endpoint_from_v4(1, 2)};
	uint8_t *seen = calloc(1, STAY + OTHERS + 1);
	struct node_entry out[64];
	uint32_t other = 0;
	uint64_t cursor = 0;
	struct node_writer w;
	struct memory m;

	memory_lab_create(&m, CAPACITY, WORKERS, RING);
	assert_int_equal(node_writer_open(&w, &m), 0);
	for (uint32_t id = 1; id <= STAY; id++)
		assert_int_equal(node_writer_put(&w, id, &r, 1), 1);
	while (cursor != NODE_CURSOR_END) {
		unsigned n = node_table_walk(&m.nodes, &cursor, out, max);

		assert_true(n <= max && cursor <= NODE_CURSOR_END);
		for (unsigned i = 0; i < n; i++)
			assert_int_equal(seen[node_entry_id(out[i])]++, 0);
		for (unsigned i = 0; i < 8 * max && other < OTHERS; i++) {
			assert_int_equal(node_writer_put(&w, STAY + ++other, &r, 1), 1);
			if (other % 3 == 0)
				assert_int_equal(node_writer_remove(&w, STAY + other / 3), 0);
		}
	}
	assert_int_equal(other, OTHERS);
	for (uint32_t id = 1; id <= STAY; id++)
		assert_int_equal(seen[id], 1);
	node_writer_close(&w);
	memory_unmap(&m);
	free(seen);
}

static void test_walk_growing(void **state)
{
	(void)state;
	walk_while_growing(1);
	walk_while_growing(7);
	walk_while_growing(64);
}

// Lines of the buckets that differ from a copy, which then does not.
static unsigned lines_changed(const struct node_table *t, struct node_bucket *copy, uint32_t n)
{
	unsigned changed = 0;

	for (uint32_t i = 0; i < n; i++) {
		if (memcmp(&t->buckets[i], &copy[i], sizeof(*copy)) == 0)
			continue;
		copy[i] = t->buckets[i];
		changed++;
	}
	return changed;
}

static unsigned chain_longest(const struct node_table *t)
{
	unsigned longest = 0;
	struct node_chain c;

	for (uint32_t b = 0; b < (uint32_t)t->header->state; b++) {
		node_chain_load(&c, t, b);
		longest = c.count > longest ? c.count : longest;
	}
	return longest;
}

// Growth and expiry in small steps: one node more or less adds one bucket at most, writes to three
// (its own, and two that share their entries), and what readers have to look through stays short.
static void test_steps_are_small(void **state)
{
	enum { NODES = 2000, BUCKETS = 4 * NODES, WRITTEN = 3, LONGEST = 5 };
	struct node_bucket *copy = calloc(BUCKETS, sizeof(*copy));
	struct node_route r = {.at = endpoint_from_v4(1, 2)};
	struct node_writer w;
	struct memory m;
	uint32_t before;

	(void)state;
	memory_lab_create(&m, CAPACITY, WORKERS, RING);
	assert_int_equal(node_writer_open(&w, &m), 0);
	for (uint32_t id = 1; id <= NODES; id++) {
		before = (uint32_t)node_table_state(&m.nodes);
		assert_int_equal(node_writer_put(&w, id, &r, 1), 1);
		assert_in_range((uint32_t)node_table_state(&m.nodes) - before, 0, 1);
		assert_true(lines_changed(&m.nodes, copy, BUCKETS) <= WRITTEN);
	}
	assert_in_range((uint32_t)node_table_state(&m.nodes), NODES, BUCKETS);
	assert_true(chain_longest(&m.nodes) <= LONGEST);
	before = (uint32_t)node_table_state(&m.nodes);
	for (uint32_t id = 1; id <= NODES; id++) {
		assert_int_equal(node_writer_remove(&w, id), 0);
		assert_true(lines_changed(&m.nodes, copy, BUCKETS) <= WRITTEN);
	}
	assert_int_equal((uint32_t)node_table_state(&m.nodes), before);
	node_writer_close(&w);
	memory_unmap(&m);
	free(copy);
}

// Values that no entry can hold, and ids that are not there.
static void test_refused(void **state)
{
	static const struct {
		uint32_t id;
		struct node_route route;
	} facts[] = {
	    {0, {.local = 0}},
	    {1, {.nexthop = NODE_NEXTHOP_MASK + 1}},
	    {1, {.local = NODE_LOCAL_MASK + 1}},
	    {1, {.flags = NODE_V6}},
	    {1, {.flags = NODE_KEYED}},
	    {1, {.flags = 1 << 4}},
	    {1, {.flags = NODE_REMOTE, .peer = PEER_MAX}},
	};
	struct node_writer w;
	struct memory m;

	(void)state;
	memory_lab_create(&m, CAPACITY, WORKERS, RING);
	assert_int_equal(node_writer_open(&w, &m), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(facts); i++)
		assert_int_equal(node_writer_put(&w, facts[i].id, &facts[i].route, 1), -EINVAL);
	assert_int_equal(node_writer_set_nexthop(&w, 0, 1), -ENOENT);
	assert_int_equal(node_writer_bind(&w, 7, (const uint8_t[32]){1}), -ENOENT);
	assert_int_equal(node_writer_remove(&w, 7), -ENOENT);
	assert_int_equal(m.nodes.header->node_count, 0);
	node_writer_close(&w);
	memory_unmap(&m);
}

static void test_flags_and_keys(void **state)
{
	static const uint8_t key[32] = {1, [31] = 2}, other[32] = {3};
	struct node_route r = {.flags = NODE_CARRY}, far = {.flags = NODE_REMOTE};
	struct node_entry e = {0};
	struct node_info *info;
	struct node_writer w;
	struct memory m;

	(void)state;
	r.at = endpoint_random(1);
	memory_lab_create(&m, CAPACITY, WORKERS, RING);
	assert_int_equal(node_writer_open(&w, &m), 0);
	assert_int_equal(node_writer_put(&w, 5, &r, 77), 1);
	assert_int_equal(node_writer_bind(&w, 5, other), 0);
	assert_int_equal(node_writer_bind(&w, 5, key), 0);
	assert_int_equal(node_writer_bind(&w, 5, key), 0);
	assert_true(node_table_find(&m.nodes, 5, &e));
	assert_int_equal(node_entry_flags(e), NODE_V6 | NODE_CARRY | NODE_KEYED);
	assert_int_equal(node_writer_put(&w, 5, &r, 78), 0);
	assert_true(node_table_find(&m.nodes, 5, &e));
	assert_int_equal(node_entry_flags(e), NODE_V6 | NODE_CARRY | NODE_KEYED);
	info = &m.nodes.info[node_entry_index(e)];
	assert_memory_equal(info->key, key, sizeof(key));
	assert_int_equal(info->first_seen, 77);
	assert_int_equal(m.nodes.last_seen[node_entry_index(e)], 77);
	// As a remote node, and as a new local one, it has no key; the rest begins anew, too.
	assert_int_equal(node_writer_put(&w, 5, &far, 80), 0);
	assert_int_equal(node_writer_bind(&w, 5, other), -ENOENT);
	assert_int_equal(node_writer_put(&w, 5, &r, 90), 0);
	assert_true(node_table_find(&m.nodes, 5, &e));
	assert_int_equal(node_entry_flags(e), NODE_V6 | NODE_CARRY);
	assert_int_equal(info->has_key, 0);
	assert_int_equal(info->first_seen, 90);
	assert_int_equal(m.nodes.last_seen[node_entry_index(e)], 90);
	node_writer_close(&w);
	memory_unmap(&m);
}

// What one put needs whose place a removal, or a move to another address, gives back.
static int place_use(struct node_writer *w, uint32_t id, bool moves)
{
	struct node_route r = {.nexthop = 0};
	int err;

	r.at = moves ? endpoint_random(2 * id + 1) : endpoint_from_v4(1, 2);
	err = node_writer_put(w, moves ? 1 : id, &r, 1);
	if (err == 1 && !moves)
		assert_int_equal(node_writer_remove(w, id), 0);
	return err;
}

// A removed node's index, and the slot of an IPv6 address that a node has left, are given out again
// only after the workers have passed.
static void test_places_wait(void **state)
{
	(void)state;
	for (int moves = 0; moves < 2; moves++) {
		struct node_writer w;
		struct memory m;
		uint32_t id = 1;

		memory_lab_create(&m, 100, WORKERS, RING);
		assert_int_equal(node_writer_open(&w, &m), 0);
		quiescent_online(&m.workers[0], 1);
		while (id < 30000 && place_use(&w, id, moves) >= 0)
			id++;
		assert_int_equal(place_use(&w, id, moves), -EAGAIN);
		assert_true(id > NODE_INDEX_SLACK);
		quiescent_pass(&m.workers[0]);
		assert_int_equal(place_use(&w, id, moves), !moves);
		node_writer_close(&w);
		memory_unmap(&m);
	}
}

static void test_full(void **state)
{
	struct node_route r = {.at = endpoint_from_v4(1, 2)};
	struct node_entry e;
	struct node_writer w;
	struct memory m;

	(void)state;
	memory_lab_create(&m, 100, WORKERS, RING);
	assert_int_equal(node_writer_open(&w, &m), 0);
	for (uint32_t id = 1; id <= 100; id++)
		assert_int_equal(node_writer_put(&w, id, &r, 1), 1);
	assert_int_equal(node_writer_put(&w, 101, &r, 1), -ENOSPC);
	assert_int_equal(node_writer_put(&w, 100, &r, 1), 0);
	assert_int_equal(node_writer_remove(&w, 7), 0);
	assert_int_equal(node_writer_put(&w, 101, &r, 1), 1);
	assert_false(node_table_find(&m.nodes, 7, &e));
	assert_true(node_table_find(&m.nodes, 101, &e));
	assert_int_equal(m.nodes.header->node_count, 100);
	node_writer_close(&w);
	memory_unmap(&m);
}

// Arrays that reach over several huge pages: each page is asked for once, before its first use.
static void test_huge_pages(void **state)
{
	enum { NODES = 120000, BYTES = NODES * 64 };
	struct memory_config large = {.node_capacity = NODES,
	    .worker_count = WORKERS,
	    .punt_size = RING,
	    .inject_size = RING,
	    .trace_size = RING};
	struct memory_error err = {""};
	struct node_route r = {.at = endpoint_random(1)};
	struct node_table_header *h;
	struct node_writer w;
	struct memory m;

	(void)state;
	for (int huge = 0; huge < 2; huge++) {
		uint32_t asked;

		large.huge_pages = huge;
		if (memory_create(&m, &large, &err))
			fail_msg("%s", err.text);
		assert_int_equal((uintptr_t)m.nodes.header % HUGE_PAGE, 0);
		assert_int_equal(m.header->huge_pages, huge && !m.huge_error);
		assert_int_equal(node_writer_open(&w, &m), 0);
		h = m.nodes.header;
		for (uint32_t id = 1; id <= NODES; id++)
			assert_int_equal(node_writer_put(&w, id, &r, 1), 1);
		for (uint32_t id = 1; id <= NODES; id++) {
			struct node_entry e = {0};

			assert_true(node_table_find(&m.nodes, id, &e));
			assert_int_equal(node_entry_id(e), id);
		}
		asked = h->huge_pages + h->huge_missed;
		// node_info alone fills more than three, of the others each begins one; each array
		// has one ahead
		if (m.header->huge_pages && w.huge_pages)
			assert_in_range(asked, BYTES / HUGE_PAGE + 3, 6 * (BYTES / HUGE_PAGE));
		else
			assert_true(huge ? asked <= 1 : asked == 0);
		node_writer_close(&w);
		memory_unmap(&m);
	}
}

static uint64_t faults_now(void)
{
	struct rusage r;

	getrusage(RUSAGE_THREAD, &r);
	return (uint64_t)(r.ru_minflt + r.ru_majflt);
}

// Page faults of look-ups in a mapping of their own, of a table that grows meanwhile and is
// followed as late as is still in time.
static uint64_t growth_faults(const struct memory_config *cfg, uint32_t nodes)
{
	struct node_route r = {.at = endpoint_random(2)};
	struct node_mapped mapped = {0};
	struct memory_error err = {""};
	struct memory m, reader;
	struct node_writer w;
	uint64_t faults = 0;

	if (memory_create(&m, cfg, &err) || memory_map(&reader, dup(m.fd), &err))
		fail_msg("%s", err.text);
	assert_int_equal(node_writer_open(&w, &m), 0);
	for (uint32_t id = 1; id <= nodes; id++) {
		assert_int_equal(node_writer_put(&w, id, &r, 1), 1);
		if (id % NODES_AHEAD && id < nodes)
			continue;
		// what lies ahead are small steps without huge pages; nothing does at the start
		if (!w.huge_pages || id == NODES_AHEAD)
			node_table_follow(&reader.nodes, &mapped);
		faults -= faults_now();
		for (uint32_t find = 1; find <= id; find++) {
			struct node_entry e = {0};

			if (!node_table_find(&reader.nodes, find, &e))
				fail_msg("node %u of %u is missing", find, id);
			node_table_seen(&reader.nodes, e, 100);
		}
		faults += faults_now();
		node_table_follow(&reader.nodes, &mapped);
	}
	node_writer_close(&w);
	memory_unmap(&reader);
	memory_unmap(&m);
	return faults;
}

// There with AddressSanitizer only, whose own notes on each address cost page faults.
extern void __asan_init(void) __attribute__((weak));

// A worker's look-ups never wait for the kernel while the table grows.
static void test_growth_without_faults(void **state)
{
	enum { NODES = 200000, TRIES = 5 };
	struct memory_config cfg = {.node_capacity = NODES,
	    .worker_count = WORKERS,
	    .punt_size = RING,
	    .inject_size = RING,
	    .trace_size = RING};

	(void)state;
	if (__asan_init)
		skip();
	for (int huge = 0; huge < 2; huge++) {
		uint64_t faults = 1;

		cfg.huge_pages = huge;
		// a kernel that moves pages about takes some away now and then
		for (int i = 0; i < TRIES && faults; i++)
			faults = growth_faults(&cfg, NODES);
		assert_int_equal(faults, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_oracle),
	    cmocka_unit_test(test_walk_growing),
	    cmocka_unit_test(test_steps_are_small),
	    cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_flags_and_keys),
	    cmocka_unit_test(test_places_wait),
	    cmocka_unit_test(test_full),
	    cmocka_unit_test(test_huge_pages),
	    cmocka_unit_test(test_growth_without_faults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
