// SPDX-License-Identifier: BSD-3-Clause
#include "shm/peer_table.h"
#include "tests/unit/memory_lab.h"

struct fixture {
	struct memory m;
	struct peer_writer w;
};

static void fixture_open(struct fixture *f)
{
	memory_lab_create(&f->m, 10, 1, 4096);
	assert_int_equal(peer_writer_open(&f->w, &f->m), 0);
}

static void fixture_close(struct fixture *f)
{
	peer_writer_close(&f->w);
	memory_unmap(&f->m);
}

static struct endpoint endpoint_of(unsigned i)
{
	return endpoint_from_v4(i / 7, (uint16_t)(1 + i % 7));
}

static int find(struct fixture *f, unsigned i)
{
	struct endpoint at = endpoint_of(i);

	return peer_find(f->m.peer_index, f->m.peers, &at);
}

static int put(struct fixture *f, unsigned i)
{
	struct peer p = {.at = endpoint_of(i), .id = i, .local = 2, .nexthop = 9};

	return peer_writer_put(&f->w, &p);
}

static int take(struct fixture *f, unsigned i)
{
	struct endpoint at = endpoint_of(i);

	return peer_writer_remove(&f->w, &at);
}

static void test_full(void **state)
{
	struct fixture f;

	(void)state;
	fixture_open(&f);
	quiescent_online(&f.m.workers[0], 1);
	for (unsigned i = 0; i < PEER_MAX; i++)
		assert_true(put(&f, i) >= 0);
	assert_int_equal(put(&f, PEER_MAX), -ENOSPC);
	assert_int_equal(put(&f, 3), find(&f, 3));
	assert_int_equal(take(&f, 3), 0);
	assert_int_equal(take(&f, 3), -ENOENT);
	assert_int_equal(find(&f, 3), -1);
	// The place waits for the worker.
	assert_int_equal(put(&f, PEER_MAX), -EAGAIN);
	quiescent_pass(&f.m.workers[0]);
	assert_true(put(&f, PEER_MAX) >= 0);
	fixture_close(&f);
}

static void all_check(struct fixture *f, const bool *there)
{
	for (unsigned i = 0; i < 2 * PEER_MAX; i++) {
		int at = find(f, i);

		assert_int_equal(at >= 0, there[i]);
		if (at >= 0) {
			assert_int_equal(f->m.peers[at].id, i);
			assert_int_equal(f->m.peers[at].valid, 1);
		}
	}
}

static void test_oracle(void **state)
{
	bool there[2 * PEER_MAX] = {false};
	unsigned count = 0;
	struct fixture f;

	(void)state;
	fixture_open(&f);
	srand(3);
	for (int step = 0; step < 60000; step++) {
		unsigned i = (unsigned)rand() % (2 * PEER_MAX);

		if (rand() % 2) {
			assert_int_equal(take(&f, i), there[i] ? 0 : -ENOENT);
			count -= there[i];
			there[i] = false;
		} else if (there[i] || count < PEER_MAX) {
			assert_true(put(&f, i) >= 0);
			count += !there[i];
			there[i] = true;
		}
		peer_writer_run(&f.w);
		if (step % 10000 == 0) {
			peer_writer_close(&f.w);
			assert_int_equal(peer_writer_open(&f.w, &f.m), 0);
			all_check(&f, there);
		}
	}
	all_check(&f, there);
	fixture_close(&f);
}

// Where the hash, whose key is random, has put no peer.
static uint16_t *slot_free(struct fixture *f)
{
	uint16_t *slot = f->m.peer_index->slots;

	while (*slot)
		slot++;
	return slot;
}

// States that a killed writer, or a damaged memory, may leave.
static void test_recover(void **state)
{
	struct fixture f;
	int at;

	(void)state;
	fixture_open(&f);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(put(&f, i), i);
	// A record without a slot, a slot whose peer is not valid, one out of range, one twice.
	f.m.peers[10] = (struct peer){.at = endpoint_of(50), .valid = 1};
	f.m.peers[2].valid = 0;
	*slot_free(&f) = 5000;
	*slot_free(&f) = 2;
	peer_writer_close(&f.w);
	assert_int_equal(peer_writer_open(&f.w, &f.m), 0);
	assert_int_equal(find(&f, 50), -1);
	assert_int_equal(f.m.peers[10].valid, 0);
	assert_int_equal(find(&f, 2), -1);
	assert_int_equal(find(&f, 0), 0);
	assert_int_equal(find(&f, 3), 3);
	at = put(&f, 1);
	assert_true(at >= 0);
	assert_int_equal(find(&f, 1), at);
	fixture_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_full),
	    cmocka_unit_test(test_oracle),
	    cmocka_unit_test(test_recover),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
