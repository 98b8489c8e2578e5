// SPDX-License-Identifier: BSD-3-Clause
// The mirror of the node table that the XDP program reads, here in plain memory, against the table.
#include "base/random.h"
#include "tests/unit/kernel_lab.h"
#include "tests/unit/unit.h"

enum { CAPACITY = 3000, IDS = 4000 };

static struct kernel_lab lab;

// As the program looks up.
static bool program_find(uint32_t id, struct node_entry *out)
{
	uint32_t hash = node_hash(lab.memory.nodes.hash_key, id);
	uint32_t at = kernel_bucket_of(hash, lab.kernel.sizes.buckets);

	for (int n = 0; n <= KERNEL_CHAIN_MAX; n++) {
		const struct kernel_bucket *b = &lab.kernel.nodes[at];

		for (int i = 0; i < KERNEL_BUCKET_ENTRIES; i++)
			if (node_word_id(b->entries[i].w[0]) == id) {
				memcpy(out, &b->entries[i], sizeof(*out));
				return true;
			}
		at = b->overflow;
		if (!at)
			break;
		assert_in_range(at, lab.kernel.sizes.buckets, lab.kernel.sizes.buckets_total - 1);
	}
	return false;
}

// Every node is in the mirror, bit for bit, or left out; nobody else is. How many are there.
static unsigned compare(void)
{
	unsigned there = 0, known = 0;

	for (uint32_t id = 1; id <= IDS; id++) {
		struct node_entry e, twin;
		bool known_here = node_table_find(&lab.memory.nodes, id, &e);

		known += known_here;
		if (!program_find(id, &twin))
			continue;
		there++;
		assert_true(known_here);
		assert_memory_equal(&e, &twin, sizeof(e));
		if (node_entry_flags(e) & NODE_V6)
			assert_memory_equal(lab.kernel.v6[node_entry_address(e)].words,
			    lab.memory.nodes.v6[node_entry_address(e)], 16);
	}
	assert_int_equal(there, lab.writer.count);
	assert_int_equal(lab.kernel.rules->complete, there == known);
	return there;
}

static struct endpoint endpoint_random(uint32_t r)
{
	uint8_t a[16] = {0x20, 0x01, 0x0d, 0xb8, [14] = (uint8_t)(r >> 8), [15] = (uint8_t)r};

	return r & 1 ? endpoint_from_v6(a, (uint16_t)(r >> 3))
		     : endpoint_from_v4(r * 2654435761U, (uint16_t)(r >> 3));
}

static void change(uint64_t *seed)
{
	uint32_t id = random_below(seed, IDS) + 1, r = (uint32_t)random_next(seed);
	struct node_route route = {
	    .at = endpoint_random(r), .nexthop = r % NEXTHOP_MAX, .flags = r & NODE_CARRY};

	if (r % 9 == 0)
		route = (struct node_route){.flags = NODE_REMOTE, .peer = r % PEER_MAX};
	if (r % 3 == 0)
		node_writer_remove(&lab.nodes, id);
	else if (r % 5 == 0)
		node_writer_set_nexthop(&lab.nodes, id, (uint16_t)(r % NEXTHOP_MAX));
	else
		node_writer_put(&lab.nodes, id, &route, 1);
	node_writer_run(&lab.nodes);
}

static void random_changes(void **state)
{
	static const uint32_t limits[] = {CAPACITY, 1000, 10};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		uint64_t seed = i + 1;

		kernel_lab_open(&lab, CAPACITY, limits[i]);
		for (int round = 0; round < 40; round++) {
			for (int n = 0; n < 500; n++)
				change(&seed);
			assert_in_range(compare(), 1, limits[i]);
		}
		for (uint32_t id = 1; id <= IDS; id++)
			node_writer_remove(&lab.nodes, id);
		assert_int_equal(compare(), 0);
		kernel_lab_close(&lab);
	}
}

// Whatever a killed writer left, the next one mirrors the table anew.
static void taken_over(void **state)
{
	uint64_t seed = 7;

	(void)state;
	kernel_lab_open(&lab, CAPACITY, CAPACITY);
	for (int n = 0; n < 5000; n++)
		change(&seed);
	lab.nodes.kernel = NULL; // the mirror falls behind
	for (int n = 0; n < 5000; n++)
		change(&seed);
	kernel_writer_close(&lab.writer);
	lab.kernel.nodes[5].overflow = lab.kernel.sizes.buckets; // and is damaged
	lab.kernel.nodes[lab.kernel.sizes.buckets].overflow = lab.kernel.sizes.buckets;
	assert_int_equal(kernel_writer_open(&lab.writer, &lab.nodes), 0);
	assert_int_equal(compare(), lab.nodes.node_count);
	kernel_lab_close(&lab);
}

// With fewer places than nodes, who had one has one again.
static void taken_over_with_few_places(void **state)
{
	uint64_t seed = 11;
	struct node_entry e;

	(void)state;
	kernel_lab_open(&lab, CAPACITY, 100);
	for (int n = 0; n < 5000; n++)
		change(&seed);
	for (uint32_t id = 1; id <= IDS; id++)
		kernel_writer_remove(&lab.writer, id);
	for (uint32_t id = IDS; id > 0 && !kernel_writer_is_full(&lab.writer); id--)
		if (node_table_find(&lab.memory.nodes, id, &e))
			kernel_writer_put(&lab.writer, e);
	for (int round = 0; round < 2; round++) {
		uint32_t id = IDS, found = 0;

		for (; found < 100; id--) {
			bool is = node_table_find(&lab.memory.nodes, id, &e);

			assert_int_equal(kernel_writer_has(&lab.writer, id), is);
			found += is;
		}
		kernel_writer_close(&lab.writer);
		assert_int_equal(kernel_writer_open(&lab.writer, &lab.nodes), 0);
		assert_int_equal(compare(), 100);
	}
	kernel_lab_close(&lab);
}

static void goes_round(void **state)
{
	uint64_t seed = 3, cursor = 0;
	unsigned met[IDS + 1] = {0};
	struct node_entry e;

	(void)state;
	kernel_lab_open(&lab, CAPACITY, 500);
	assert_false(kernel_writer_next(&lab.writer, &cursor, &e));
	for (int n = 0; n < 5000; n++)
		change(&seed);
	assert_int_equal(lab.writer.count, 500);
	for (int n = 0; n < 1000; n++) {
		assert_true(kernel_writer_next(&lab.writer, &cursor, &e));
		met[node_entry_id(e)]++;
	}
	for (uint32_t id = 1; id <= IDS; id++)
		assert_int_equal(met[id], kernel_writer_has(&lab.writer, id) ? 2 : 0);
	kernel_lab_close(&lab);
}

// As the program notes them.
static void note(struct kernel_samples *s, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		s->at[s->head % KERNEL_SAMPLE_SLOTS].sender = (uint32_t)s->head;
		s->head++;
	}
}

static void samples_are_the_last(void **state)
{
	static const struct {
		unsigned noted, taken;
	} facts[] = {{0, 0}, {1, 1}, {200, 200}, {100, 100}, {255, 255}, {256, 255}, {1000, 255}};
	struct kernel_sample out[KERNEL_SAMPLE_SLOTS];
	struct kernel_samples *s;
	uint64_t tail = 0;

	(void)state;
	kernel_lab_open(&lab, CAPACITY, CAPACITY);
	s = &lab.kernel.samples[1];
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		unsigned n;

		note(s, facts[i].noted);
		n = kernel_samples_take(s, &tail, out);
		assert_int_equal(n, facts[i].taken);
		assert_int_equal(tail, s->head);
		for (unsigned k = 0; k < n; k++)
			assert_int_equal(out[k].sender, s->head - n + k);
	}
	kernel_lab_close(&lab);
}

static void counts_are_sums(void **state)
{
	struct kernel_link_counts link;

	(void)state;
	kernel_lab_open(&lab, CAPACITY, CAPACITY);
	for (uint64_t i = 0; i < KERNEL_LAB_CPUS; i++) {
		lab.kernel.counts[i].counters[COUNTER_RELAYED] = 10 + i;
		lab.kernel.counts[i].drops[DROP_NODE_ZERO] = 20 + i;
		lab.kernel.counts[i].links[2].tx_bytes = 30 + i;
	}
	assert_int_equal(kernel_counter(&lab.kernel, COUNTER_RELAYED), 33);
	assert_int_equal(kernel_drop(&lab.kernel, DROP_NODE_ZERO), 63);
	kernel_link(&lab.kernel, 2, &link);
	assert_int_equal(link.tx_bytes, 93);
	lab.kernel.states[1].seen = 100;
	assert_int_equal(kernel_state_seen(&lab.kernel.states[1]), (100ULL << 30) / 1000000000);
	kernel_lab_close(&lab);
}

// What cannot be mapped leaves nothing behind that looks as if it were.
static void map_refused(const int *fds, int why)
{
	static const struct kernel_memory none;
	struct kernel_memory other;

	assert_int_equal(kernel_memory_map(&other, fds, &lab.memory.nodes), why);
	assert_memory_equal(&other, &none, sizeof(none));
}

static void wrong_maps(void **state)
{
	int fds[KERNEL_MAP_COUNT];

	(void)state;
	kernel_lab_open(&lab, CAPACITY, CAPACITY);
	memcpy(fds, lab.kernel.fds, sizeof(fds));
	fds[KERNEL_SAMPLES] = -1;
	map_refused(fds, -EBADF);
	fds[KERNEL_PLACES] = -1;
	map_refused(fds, -EBADF);
	memcpy(fds, lab.kernel.fds, sizeof(fds));
	lab.kernel.places->sizes.index_max++;
	map_refused(fds, -EINVAL);
	lab.kernel.places->sizes.index_max--;
	lab.kernel.places->sizes.buckets = 0;
	map_refused(fds, -EINVAL);
	kernel_lab_close(&lab);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(random_changes),
	    cmocka_unit_test(taken_over),
	    cmocka_unit_test(taken_over_with_few_places),
	    cmocka_unit_test(goes_round),
	    cmocka_unit_test(samples_are_the_last),
	    cmocka_unit_test(counts_are_sums),
	    cmocka_unit_test(wrong_maps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
