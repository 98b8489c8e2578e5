// SPDX-License-Identifier: BSD-3-Clause
// The mirror of the node table that the XDP program reads, here in plain memory, against the table.
#include "base/random.h"
#include "shm/kernel_writer.h"
#include "tests/unit/memory_lab.h"

#include <sys/mman.h>
#include <unistd.h>

enum { CAPACITY = 3000, IDS = 4000, CPUS = 3 };

static struct memory memory;
static struct node_writer nodes;
static struct kernel_memory kernel;
static struct kernel_writer writer;

static int map_make(enum kernel_map map, const struct kernel_sizes *sizes)
{
	struct kernel_shape shape = kernel_map_shape(map, sizes);
	int fd = memfd_create("kernel map", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)shape.value_size * shape.entries), 0);
	if (map == KERNEL_PLACES)
		assert_int_equal(pwrite(fd, sizes, sizeof(*sizes), 0), sizeof(*sizes));
	return fd;
}

static void open_all(uint32_t limit)
{
	struct kernel_sizes sizes;
	int fds[KERNEL_MAP_COUNT];

	memory_lab_create(&memory, CAPACITY, 1, 4096);
	assert_int_equal(node_writer_open(&nodes, &memory), 0);
	sizes = kernel_sizes_for(memory.nodes.header, limit, CPUS);
	for (int i = 0; i < KERNEL_MAP_COUNT; i++)
		fds[i] = map_make(i, &sizes);
	assert_int_equal(kernel_memory_map(&kernel, fds, &memory.nodes), 0);
	memory.kernel = &kernel;
	assert_int_equal(kernel_writer_open(&writer, &nodes), 0);
}

static void close_all(void)
{
	kernel_writer_close(&writer);
	kernel_memory_unmap(&kernel);
	node_writer_close(&nodes);
	memory_unmap(&memory);
}

// As the program looks up.
static bool program_find(uint32_t id, struct node_entry *out)
{
	uint32_t hash = node_hash(memory.nodes.hash_key, id);
	uint32_t at = kernel_bucket_of(hash, kernel.sizes.buckets);

	for (int n = 0; n <= KERNEL_CHAIN_MAX; n++) {
		const struct kernel_bucket *b = &kernel.nodes[at];

		for (int i = 0; i < KERNEL_BUCKET_ENTRIES; i++)
			if (node_word_id(b->entries[i].w[0]) == id) {
				memcpy(out, &b->entries[i], sizeof(*out));
				return true;
			}
		at = b->overflow;
		if (!at)
			break;
		assert_in_range(at, kernel.sizes.buckets, kernel.sizes.buckets_total - 1);
	}
	return false;
}

// Every node is in the mirror, bit for bit, or left out; nobody else is. How many are there.
static unsigned compare(void)
{
	unsigned there = 0, known = 0;

	for (uint32_t id = 1; id <= IDS; id++) {
		struct node_entry e, twin;
		bool known_here = node_table_find(&memory.nodes, id, &e);

		known += known_here;
		if (!program_find(id, &twin))
			continue;
		there++;
		assert_true(known_here);
		assert_memory_equal(&e, &twin, sizeof(e));
		if (node_entry_flags(e) & NODE_V6)
			assert_memory_equal(kernel.v6[node_entry_address(e)].words,
			    memory.nodes.v6[node_entry_address(e)], 16);
	}
	assert_int_equal(there, writer.count);
	assert_int_equal(kernel.rules->complete, there == known);
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
		node_writer_remove(&nodes, id);
	else if (r % 5 == 0)
		node_writer_set_nexthop(&nodes, id, (uint16_t)(r % NEXTHOP_MAX));
	else
		node_writer_put(&nodes, id, &route, 1);
	node_writer_run(&nodes);
}

static void random_changes(void **state)
{
	static const uint32_t limits[] = {CAPACITY, 1000, 10};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		uint64_t seed = i + 1;

		open_all(limits[i]);
		for (int round = 0; round < 40; round++) {
			for (int n = 0; n < 500; n++)
				change(&seed);
			assert_in_range(compare(), 1, limits[i]);
		}
		for (uint32_t id = 1; id <= IDS; id++)
			node_writer_remove(&nodes, id);
		assert_int_equal(compare(), 0);
		close_all();
	}
}

// Whatever a killed writer left, the next one mirrors the table anew.
static void taken_over(void **state)
{
	uint64_t seed = 7;

	(void)state;
	open_all(CAPACITY);
	for (int n = 0; n < 5000; n++)
		change(&seed);
	nodes.kernel = NULL; // the mirror falls behind
	for (int n = 0; n < 5000; n++)
		change(&seed);
	kernel_writer_close(&writer);
	kernel.nodes[5].overflow = kernel.sizes.buckets; // and is damaged
	kernel.nodes[kernel.sizes.buckets].overflow = kernel.sizes.buckets;
	assert_int_equal(kernel_writer_open(&writer, &nodes), 0);
	assert_int_equal(compare(), nodes.node_count);
	close_all();
}

static void counts_are_sums(void **state)
{
	struct kernel_link_counts link;

	(void)state;
	open_all(CAPACITY);
	for (uint64_t i = 0; i < CPUS; i++) {
		kernel.counts[i].counters[COUNTER_RELAYED] = 10 + i;
		kernel.counts[i].drops[DROP_NODE_ZERO] = 20 + i;
		kernel.counts[i].links[2].tx_bytes = 30 + i;
	}
	assert_int_equal(kernel_counter(&kernel, COUNTER_RELAYED), 33);
	assert_int_equal(kernel_drop(&kernel, DROP_NODE_ZERO), 63);
	kernel_link(&kernel, 2, &link);
	assert_int_equal(link.tx_bytes, 93);
	kernel.states[1].seen = 100;
	assert_int_equal(kernel_state_seen(&kernel.states[1]), (100ULL << 30) / 1000000000);
	close_all();
}

static void wrong_sizes(void **state)
{
	int fds[KERNEL_MAP_COUNT];
	struct kernel_memory other;

	(void)state;
	open_all(CAPACITY);
	memcpy(fds, kernel.fds, sizeof(fds));
	kernel.places->sizes.index_max++;
	assert_int_equal(kernel_memory_map(&other, fds, &memory.nodes), -EINVAL);
	kernel.places->sizes.index_max--;
	kernel.places->sizes.buckets = 0;
	assert_int_equal(kernel_memory_map(&other, fds, &memory.nodes), -EINVAL);
	close_all();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(random_changes),
	    cmocka_unit_test(taken_over),
	    cmocka_unit_test(counts_are_sums),
	    cmocka_unit_test(wrong_sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
