// SPDX-License-Identifier: BSD-3-Clause
#include "shm/ring.h"
#include "shm/trace_ring.h"
#include "tests/unit/unit.h"

#include <pthread.h>

enum { SIZE = 4096 };

struct fixture {
	alignas(8) uint8_t data[SIZE];
	uint64_t head, tail;
	struct ring_producer p;
	struct ring_consumer c;
};

static void fixture_open(struct fixture *f, uint64_t start)
{
	memset(f->data, 0xee, SIZE);
	f->head = f->tail = start;
	f->p = ring_producer_open(f->data, SIZE, &f->head, &f->tail);
	f->c = ring_consumer_open(f->data, SIZE, &f->head, &f->tail);
}

static void record_fill(uint8_t *at, uint32_t len, uint8_t tag)
{
	for (uint32_t i = 0; i < len; i++)
		at[i] = (uint8_t)(tag + i);
}

static void record_check(const uint8_t *at, uint32_t len, uint8_t tag)
{
	assert_non_null(at);
	for (uint32_t i = 0; i < len; i++)
		assert_int_equal(at[i], (uint8_t)(tag + i));
}

static void test_order(void **state)
{
	struct fixture f;
	uint32_t len;

	(void)state;
	fixture_open(&f, 0);
	assert_null(ring_peek(&f.c, &len));
	record_fill(ring_reserve(&f.p, 5), 5, 1);
	record_fill(ring_reserve(&f.p, 0), 0, 0);
	record_fill(ring_reserve(&f.p, 64), 64, 9);
	assert_null(ring_peek(&f.c, &len));
	ring_commit(&f.p);
	assert_int_equal(ring_backlog(&f.c), 16 + 8 + 72);
	record_check(ring_peek(&f.c, &len), 5, 1);
	assert_int_equal(len, 5);
	assert_non_null(ring_peek(&f.c, &len));
	assert_int_equal(len, 0);
	record_check(ring_peek(&f.c, &len), 64, 9);
	assert_int_equal(f.tail, 0);
	ring_release(&f.c);
	assert_int_equal(f.tail, f.head);
	assert_int_equal(f.c.resets, 0);
}

// Lengths that an empty ring takes or not, wherever its positions stand.
static void test_lengths(void **state)
{
	static const struct {
		uint32_t len;
		bool fits;
	} facts[] = {
	    {0, true},
	    {1, true},
	    {SIZE / 2 - RING_HEADER, true},
	    {SIZE / 2 - RING_HEADER + 1, false},
	    {SIZE, false},
	    {UINT32_MAX, false},
	    {UINT32_MAX - 7, false},
	};
	struct fixture f;
	uint32_t len;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(facts); i++) {
		for (uint64_t start = 0; start < SIZE; start += 8) {
			fixture_open(&f, 7 * SIZE + start);
			uint8_t *at = ring_reserve(&f.p, facts[i].len);

			assert_int_equal(at != NULL, facts[i].fits);
			if (!at)
				continue;
			record_fill(at, facts[i].len, 3);
			ring_commit(&f.p);
			record_check(ring_peek(&f.c, &len), facts[i].len, 3);
			assert_int_equal(len, facts[i].len);
		}
	}
}

static void test_full(void **state)
{
	struct fixture f;
	unsigned n = 0;
	uint32_t len;

	(void)state;
	fixture_open(&f, 8);
	while (ring_reserve(&f.p, 24))
		n++;
	assert_in_range(n, SIZE / 32 - 1, SIZE / 32);
	ring_commit(&f.p);
	assert_non_null(ring_peek(&f.c, &len));
	assert_null(ring_reserve(&f.p, 24));
	ring_release(&f.c);
	assert_non_null(ring_reserve(&f.p, 24));
}

static void test_random(void **state)
{
	uint32_t lens[256] = {0};
	unsigned sent = 0, got = 0;
	struct fixture f;
	uint32_t len;

	(void)state;
	srand(7);
	fixture_open(&f, UINT64_MAX - 4095 - 10 * SIZE);
	for (int i = 0; i < 200000; i++) {
		uint32_t want = (uint32_t)rand() % (rand() % 8 ? 60 : 1900);
		uint8_t *at = rand() % 2 && sent - got < 256 ? ring_reserve(&f.p, want) : NULL;

		if (at) {
			record_fill(at, want, (uint8_t)sent);
			lens[sent++ % 256] = want;
		}
		if (rand() % 3 == 0)
			ring_commit(&f.p);
		const uint8_t *r = rand() % 2 ? ring_peek(&f.c, &len) : NULL;

		if (r) {
			assert_int_equal(len, lens[got % 256]);
			record_check(r, len, (uint8_t)got++);
		}
		if (rand() % 3 == 0)
			ring_release(&f.c);
	}
	assert_true(got > 10000);
	assert_int_equal(f.c.resets, 0);
}

// What a damaged producer may leave; each empties the ring, and the next record comes through.
static void test_damaged(void **state)
{
	static const struct {
		uint32_t len;
		uint64_t head;
	} facts[] = {
	    {100, 16},		       // longer than what was committed
	    {UINT32_MAX - 1, 32},      // overflows the sum
	    {(uint32_t)RING_WRAP, 32}, // wrap at the start of the ring
	    {8, 32 + SIZE},	       // more committed than there is
	    {8, 4},		       // less than a header
	    {4000, 4096},	       // beyond the end
	    {24, UINT64_MAX},	       // head went backwards
	};
	struct fixture f;
	uint32_t len;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(facts); i++) {
		fixture_open(&f, i == 5 ? 128 : 0);
		memcpy(f.data + (f.tail & (SIZE - 1)), &facts[i].len, 4);
		f.head = f.tail + facts[i].head;
		assert_null(ring_peek(&f.c, &len));
		assert_int_equal(f.c.resets, 1);
		f.p = ring_producer_open(f.data, SIZE, &f.head, &f.tail);
		record_fill(ring_reserve(&f.p, 10), 10, 1);
		ring_commit(&f.p);
		record_check(ring_peek(&f.c, &len), 10, 1);
	}
}

enum { STREAM = 200000 };

static struct fixture stream;

static void *stream_produce(void *ctx)
{
	struct ring_producer p = ring_producer_open(stream.data, SIZE, &stream.head, &stream.tail);

	(void)ctx;
	for (uint32_t i = 0; i < STREAM;) {
		uint8_t *at = ring_reserve(&p, 4 + i % 50);

		if (at) {
			memcpy(at, &i, 4);
			i++;
		}
		if (!at || i % 3 == 0 || i == STREAM)
			ring_commit(&p);
	}
	return NULL;
}

static void test_threads(void **state)
{
	pthread_t thread;
	uint32_t len, seen;

	(void)state;
	fixture_open(&stream, 0);
	assert_int_equal(pthread_create(&thread, NULL, stream_produce, NULL), 0);
	for (uint32_t i = 0; i < STREAM;) {
		const uint8_t *at = ring_peek(&stream.c, &len);

		if (at) {
			memcpy(&seen, at, 4);
			assert_int_equal(seen, i);
			assert_int_equal(len, 4 + i % 50);
			i++;
		}
		ring_release(&stream.c);
	}
	pthread_join(thread, NULL);
	assert_int_equal(stream.c.resets, 0);
}

enum { SLOTS = 8 };

static void trace_put(struct trace_writer *w, uint32_t sender)
{
	uint8_t bytes[TRACE_CAPTURE_MAX];
	struct trace_record r = {.sender = sender, .captured = (uint16_t)(sender % 257)};

	memset(bytes, (int)sender, sizeof(bytes));
	trace_write(w, &r, bytes);
}

static void test_trace(void **state)
{
	struct trace_slot slots[SLOTS] = {{0}};
	struct trace_record r;
	uint8_t bytes[TRACE_CAPTURE_MAX];
	uint64_t head = 0;
	struct trace_writer w = trace_writer_open(slots, sizeof(slots), &head);
	struct trace_reader reader = trace_reader_open(slots, sizeof(slots), &head);
	struct trace_reader late = reader;

	(void)state;
	assert_false(trace_read(&reader, &r, bytes));
	for (uint32_t i = 1; i <= 3; i++)
		trace_put(&w, i);
	for (uint32_t i = 1; i <= 3; i++) {
		assert_true(trace_read(&reader, &r, bytes));
		assert_int_equal(r.sender, i);
		assert_int_equal(r.captured, i);
		assert_int_equal(bytes[i - 1], i);
	}
	assert_false(trace_read(&reader, &r, bytes));
	assert_int_equal(reader.missed, 0);
	for (uint32_t i = 4; i <= 100; i++)
		trace_put(&w, i);
	for (uint32_t i = 100 - SLOTS + 2; i <= 100; i++) {
		assert_true(trace_read(&late, &r, bytes));
		assert_int_equal(r.sender, i);
	}
	assert_int_equal(late.missed, 100 - SLOTS + 1);
	// A slot that is being written counts as missed.
	trace_put(&w, 101);
	trace_put(&w, 102);
	slots[100 % SLOTS].sequence = 0;
	assert_true(trace_read(&late, &r, bytes));
	assert_int_equal(r.sender, 102);
	assert_int_equal(late.missed, 100 - SLOTS + 2);
	// A data plane that started anew begins at zero.
	head = 0;
	assert_false(trace_read(&late, &r, bytes));
	assert_false(trace_read(&late, &r, bytes));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_order),
	    cmocka_unit_test(test_lengths),
	    cmocka_unit_test(test_full),
	    cmocka_unit_test(test_random),
	    cmocka_unit_test(test_damaged),
	    cmocka_unit_test(test_threads),
	    cmocka_unit_test(test_trace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
