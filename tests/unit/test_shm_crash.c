// SPDX-License-Identifier: BSD-3-Clause
#include "shm/node_grow.h"
#include "shm/node_writer.h"
#include "tests/unit/memory_lab.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// A writer is killed at random moments. The next one must find every change that was acknowledged,
// the one under way either done or not, no id twice, and no place lost or given out twice.

enum { IDS = 4000, KILLS = 150 };

// Shared with the writer that is killed. moment[id]: 0 = not there.
struct ledger {
	uint32_t moment[IDS + 1];
	bool keyed[IDS + 1];
	volatile uint32_t busy_id; // change under way, 0 = none
	volatile uint32_t busy_moment;
	volatile uint64_t steps;
	uint32_t clock;
};

static struct node_route route_at(uint32_t id, uint32_t moment)
{
	uint8_t a[16] = {0x20, 0x01};
	struct node_route r = {.nexthop = moment & NODE_NEXTHOP_MASK};

	memcpy(a + 8, &id, 4);
	memcpy(a + 12, &moment, 4);
	r.at =
	    moment & 1 ? endpoint_from_v6(a, (uint16_t)id) : endpoint_from_v4(moment, (uint16_t)id);
	return r;
}

struct key {
	uint8_t bytes[32];
};

// Without zeros, so that one of which a part is missing shows.
static struct key key_of(uint32_t id)
{
	struct key key;

	for (unsigned i = 0; i < sizeof(key.bytes); i++)
		key.bytes[i] = (uint8_t)(id >> 8 * (i % 4)) | 1;
	return key;
}

static bool is_at(const struct memory *m, uint32_t id, uint32_t moment)
{
	struct node_route r = route_at(id, moment);
	struct node_entry e;
	struct endpoint at;

	if (!node_table_find(&m->nodes, id, &e))
		return moment == 0;
	return moment != 0 && node_table_endpoint(&m->nodes, e, &at) &&
	       endpoint_equal(&at, &r.at) && node_entry_nexthop(e) == r.nexthop;
}

static void key_bind(struct node_writer *w, struct ledger *l, uint32_t id)
{
	struct key key = key_of(id);

	if (node_writer_bind(w, id, key.bytes) != 0)
		_exit(3);
	l->keyed[id] = true;
	l->steps++;
}

static void change(struct node_writer *w, struct ledger *l)
{
	uint32_t id = (uint32_t)rand() % IDS + 1;
	// Waves: the table fills and empties in turns, so that chains grow and close.
	bool remove = (uint32_t)rand() % 100 < (l->steps / 3000 % 2 ? 75 : 25);
	uint32_t moment = remove ? 0 : ++l->clock;
	struct node_route r = route_at(id, moment);

	if (l->moment[id] && !l->keyed[id] && rand() % 2) {
		key_bind(w, l, id);
		return;
	}
	l->keyed[id] &= !remove;
	l->busy_moment = moment;
	l->busy_id = id;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	if (remove)
		node_writer_remove(w, id);
	else if (node_writer_put(w, id, &r, 1) < 0)
		_exit(2);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	l->moment[id] = moment;
	l->busy_id = 0;
	l->steps++;
	if (l->steps % 16 == 0)
		node_writer_run(w);
}

static void writer_run(const struct memory *m, struct ledger *l, unsigned seed)
{
	struct node_writer w;

	srand(seed);
	if (node_writer_open(&w, m))
		_exit(1);
	for (;;)
		change(&w, l);
}

// A key is there as a whole and shown, or not at all. That of a node whose removal was under way
// may have stayed.
static void keys_check(const struct memory *m, struct ledger *l)
{
	for (uint32_t id = 1; id <= IDS; id++) {
		struct key key = key_of(id);
		const struct node_info *info;
		struct node_entry e;

		if (!node_table_find(&m->nodes, id, &e))
			continue;
		info = &m->nodes.info[node_entry_index(e)];
		assert_int_equal(info->has_key != 0, (node_entry_flags(e) & NODE_KEYED) != 0);
		assert_true(info->has_key || !l->keyed[id]);
		if (info->has_key)
			assert_memory_equal(info->key, key.bytes, sizeof(key.bytes));
		l->keyed[id] = info->has_key;
	}
}

static void ledger_settle(const struct memory *m, struct ledger *l)
{
	uint32_t id = l->busy_id;

	if (id == 0)
		return;
	if (is_at(m, id, l->busy_moment))
		l->moment[id] = l->busy_moment;
	l->busy_id = 0;
}

// Every place is either in use by one entry or in its pool.
static void pool_check(const struct index_pool *p, uint32_t in_use)
{
	assert_int_equal(p->next - 1, in_use + p->count);
}

static void table_check(const struct node_writer *w, const struct ledger *l)
{
	const struct node_table *t = &w->table;
	uint32_t nodes = 0, v6 = 0, overflow = 0;
	struct node_chain chain;

	for (uint32_t id = 1; id <= IDS; id++) {
		if (!is_at(w->memory, id, l->moment[id]))
			fail_msg("node %u is not as acknowledged (%u)", id, l->moment[id]);
		nodes += l->moment[id] != 0;
		v6 += l->moment[id] & 1;
	}
	assert_int_equal(w->node_count, nodes);
	for (uint32_t b = 0; b < (uint32_t)t->header->state; b++) {
		node_chain_load(&chain, t, b);
		overflow += chain.count - 1;
		for (unsigned i = 0; i < chain.count * BUCKET_ENTRIES; i++)
			nodes -= node_entry_id(*node_chain_slot(&chain, i)) != 0;
	}
	assert_int_equal(nodes, 0);
	pool_check(&w->indexes, w->node_count);
	pool_check(&w->v6, v6);
	pool_check(&w->overflow, overflow);
}

static void kill_and_check(const struct memory *m, struct ledger *l, unsigned round)
{
	uint64_t before = l->steps;
	struct node_writer w;
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (child == 0)
		writer_run(m, l, round);
	// Not before it works; then a moment that varies.
	for (int i = 0; l->steps < before + 20 && i < 300000; i++)
		usleep(100);
	assert_true(l->steps >= before + 20);
	for (volatile unsigned spin = (unsigned)rand() % 400000; spin; spin--)
		;
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(node_writer_open(&w, m), 0);
	ledger_settle(m, l);
	table_check(&w, l);
	keys_check(m, l);
	node_writer_close(&w);
}

static void test_kill(void **state)
{
	struct ledger *l =
	    mmap(NULL, sizeof(*l), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct memory m;

	(void)state;
	assert_ptr_not_equal(l, MAP_FAILED);
	memory_lab_create(&m, IDS, 1, 4096);
	for (unsigned round = 1; round <= KILLS; round++) {
		srand(round * 977);
		kill_and_check(&m, l, round);
	}
	memory_unmap(&m);
	munmap(l, sizeof(*l));
}

// States between two stores that a kill can leave, made by hand.
struct lab {
	struct memory m;
	struct node_writer w;
};

static void lab_open(struct lab *lab)
{
	memory_lab_create(&lab->m, IDS, 1, 4096);
	assert_int_equal(node_writer_open(&lab->w, &lab->m), 0);
	for (uint32_t id = 1; id <= 500; id++) {
		struct node_route r = route_at(id, id);

		assert_int_equal(node_writer_put(&lab->w, id, &r, 1), 1);
	}
}

static void lab_recover(struct lab *lab)
{
	node_writer_close(&lab->w);
	assert_int_equal(node_writer_open(&lab->w, &lab->m), 0);
}

static void lab_close(struct lab *lab)
{
	node_writer_close(&lab->w);
	memory_unmap(&lab->m);
}

static struct node_entry *slot_of(const struct node_table *t, uint32_t id, struct node_chain *c)
{
	uint32_t n = (uint32_t)t->header->state;

	node_chain_load(c, t, node_bucket_of(node_hash(t->hash_key, id), n));
	for (unsigned i = 0; i < c->count * BUCKET_ENTRIES; i++) {
		if (node_entry_id(*node_chain_slot(c, i)) == id)
			return node_chain_slot(c, i);
	}
	return NULL;
}

static void lab_check(struct lab *lab)
{
	struct ledger l = {.busy_id = 0};

	for (uint32_t id = 1; id <= 500; id++)
		l.moment[id] = id;
	table_check(&lab->w, &l);
}

static void test_split_unpublished(void **state)
{
	struct lab lab;
	uint32_t n;

	(void)state;
	lab_open(&lab);
	n = (uint32_t)lab.m.nodes.header->state;
	lab.m.nodes.buckets[n] = lab.m.nodes.buckets[1];
	lab.m.nodes.buckets[n].overflow = 3;
	lab_recover(&lab);
	lab_check(&lab);
	for (int i = 0; i < 100; i++)
		assert_int_equal(node_table_split(&lab.w), 0);
	lab_recover(&lab);
	lab_check(&lab);
	lab_close(&lab);
}

static void test_split_uncleared(void **state)
{
	struct lab lab;

	(void)state;
	lab_open(&lab);
	for (uint32_t id = 1; id <= 500; id++) {
		const struct node_table *t = &lab.m.nodes;
		uint32_t n = (uint32_t)t->header->state, level = 31U - (unsigned)__builtin_clz(n);
		struct node_entry e = {0};
		struct node_chain c;
		struct node_bucket *b;

		assert_true(node_table_find(t, id, &e));
		// The bucket that this one was split from, if it has room.
		b = &t->buckets[node_hash(t->hash_key, id) & ((1U << level) - 1)];
		if (slot_of(t, id, &c) && c.buckets[0] != b && node_entry_id(b->entries[2]) == 0)
			b->entries[2] = e;
	}
	lab_recover(&lab);
	lab_check(&lab);
	lab_close(&lab);
}

static void test_copy_uncleared(void **state)
{
	unsigned copies = 0;
	struct lab lab;

	(void)state;
	lab_open(&lab);
	for (uint32_t id = 1; id <= 500; id++) {
		struct node_chain c;
		struct node_entry *at = slot_of(&lab.m.nodes, id, &c);

		assert_non_null(at);
		for (unsigned i = 0; i < c.count * BUCKET_ENTRIES; i++) {
			if (node_entry_id(*node_chain_slot(&c, i)) == 0) {
				*node_chain_slot(&c, i) = *at;
				copies++;
				break;
			}
		}
	}
	assert_true(copies > 20);
	lab_recover(&lab);
	lab_check(&lab);
	lab_close(&lab);
}

// Damage, as no kill leaves it: an id twice, with places of its own each.
static void test_ids_twice(void **state)
{
	struct lab lab;

	(void)state;
	lab_open(&lab);
	for (uint32_t id = 1; id <= 500; id++) {
		struct node_chain c;
		struct node_entry *at = slot_of(&lab.m.nodes, id, &c), other = *at;
		struct node_entry *last = node_chain_slot(&c, c.count * BUCKET_ENTRIES - 1);

		other.w[1] += 1000; // the index
		if (node_entry_id(*last) == 0)
			*last = other;
	}
	lab_recover(&lab);
	assert_int_equal(lab.w.node_count, 500);
	lab_close(&lab);
}

// What lies between the stores of a binding: the flag follows has_key, nothing else.
static void test_key_half_bound(void **state)
{
	static const struct {
		bool has_key, shown, after;
	} facts[] = {
	    {false, false, false}, {true, false, true}, {false, true, false}, {true, true, true}};
	struct lab lab;

	(void)state;
	lab_open(&lab);
	for (uint32_t i = 0; i < ARRAY_SIZE(facts); i++) {
		struct node_chain c;
		struct node_entry *at = slot_of(&lab.m.nodes, 1 + i, &c);

		lab.m.nodes.info[node_entry_index(*at)].has_key = facts[i].has_key;
		*at = node_entry_keyed(*at, facts[i].shown);
	}
	lab_recover(&lab);
	lab_check(&lab);
	for (uint32_t i = 0; i < ARRAY_SIZE(facts); i++) {
		struct node_entry e = {0};

		assert_true(node_table_find(&lab.m.nodes, 1 + i, &e));
		assert_int_equal((node_entry_flags(e) & NODE_KEYED) != 0, facts[i].after);
	}
	lab_close(&lab);
}

// Chains that were damaged: in a circle, into another chain, out of the table.
static void test_chain_damaged(void **state)
{
	static const uint32_t leads[] = {1, 2, UINT32_MAX, 70};
	struct lab lab;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(leads); i++) {
		lab_open(&lab);
		for (uint32_t b = 0; b < 20; b++) {
			if (lab.m.nodes.buckets[b].overflow == 0)
				lab.m.nodes.buckets[b].overflow = leads[i];
		}
		lab.m.nodes.overflow[1].overflow = 1;
		lab_recover(&lab);
		for (uint32_t id = 501; id <= IDS; id++) {
			struct node_route r = route_at(id, id);

			assert_int_equal(node_writer_put(&lab.w, id, &r, 1), 1);
			assert_true(is_at(&lab.m, id, id));
		}
		lab_close(&lab);
	}
}

// Removes nodes of a table. Whenever an entry changes its place, the version must have risen: it is
// what readers go by. Returns how many have moved.
static unsigned moves_of_removals(struct lab *lab)
{
	struct node_entry *at[501] = {NULL};
	unsigned moves = 0;
	struct node_chain c;

	for (uint32_t gone = 1; gone <= 400; gone++) {
		uint64_t before = lab->m.nodes.header->state;

		for (uint32_t id = gone + 1; id <= 500; id++)
			at[id] = slot_of(&lab->m.nodes, id, &c);
		assert_int_equal(node_writer_remove(&lab->w, gone), 0);
		for (uint32_t id = gone + 1; id <= 500; id++) {
			if (slot_of(&lab->m.nodes, id, &c) == at[id])
				continue;
			moves++;
			assert_true(lab->m.nodes.header->state != before);
		}
	}
	return moves;
}

static void test_moves_raise_version(void **state)
{
	unsigned moves = 0;

	(void)state;
	// each table has a hash of its own, and with some of them hardly anything moves
	for (unsigned i = 0; i < 50 && moves <= 50; i++) {
		struct lab lab;

		lab_open(&lab);
		moves += moves_of_removals(&lab);
		lab_close(&lab);
	}
	assert_true(moves > 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_kill),
	    cmocka_unit_test(test_split_unpublished),
	    cmocka_unit_test(test_split_uncleared),
	    cmocka_unit_test(test_copy_uncleared),
	    cmocka_unit_test(test_ids_twice),
	    cmocka_unit_test(test_key_half_bound),
	    cmocka_unit_test(test_chain_damaged),
	    cmocka_unit_test(test_moves_raise_version),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
