// SPDX-License-Identifier: BSD-3-Clause
#include "base/clock.h"
#include "pktgen/credit.h"
#include "pktgen/histogram.h"
#include "pktgen/traffic.h"
#include "pktgen/windows.h"
#include "wire/beacon.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
// cmocka wants the headers above
#include <cmocka.h>

enum { NODES = 10, SIZE = 61, BUFFER = 128 };

struct fixture {
	struct options o;
	struct traffic t;
	struct check c;
	uint8_t buf[BUFFER];
};

static int setup(void **state)
{
	struct fixture *x = calloc(1, sizeof(*x));

	x->o = (struct options){
	    .nodes = NODES, .first_id = 100, .flows = 3 * NODES, .size = SIZE, .seed = 7};
	*state = x;
	return traffic_init(&x->t, &x->o, 4);
}

static int teardown(void **state)
{
	struct fixture *x = *state;

	traffic_free(&x->t);
	free(x);
	return 0;
}

// What a relay makes of the message in x->buf; returns its length.
static size_t deliver(struct fixture *x, size_t len, uint8_t *out)
{
	memcpy(out, x->buf, len);
	memmove(out, beacon_relay_to_deliver(out), len - 4);
	return len - 4;
}

// A flow of a sender at that place.
static struct flow *pick(struct fixture *x, uint32_t place)
{
	struct flow *f = NULL;

	assert_int_equal(flows_pick(&x->t, place, &f, 1), 1);
	return f;
}

// Its next message, in x->buf; returns the length.
static size_t build(struct fixture *x, struct flow *f, uint64_t now)
{
	struct message m = {.data = x->buf};

	messages_build(&x->t, &f, 1, now, &m);
	assert_int_equal(m.place, f->sender % 4);
	return m.len;
}

static uint64_t check(struct fixture *x, uint8_t *data, size_t len, uint32_t place)
{
	const struct message m = {.data = data, .len = (uint32_t)len, .place = place};
	uint64_t sent_ns;

	messages_check(&x->t, &x->c, &m, 1, &sent_ns);
	return sent_ns;
}

static void flows_are_grouped_by_the_senders_place(void **state)
{
	struct fixture *x = *state;

	for (uint32_t place = 0; place < 4; place++)
		for (int i = 0; i < 50; i++) {
			struct flow *f = pick(x, place);

			assert_int_equal(f->sender % 4, place);
			assert_int_not_equal(f->sender, f->dest);
		}
	assert_int_equal(x->t.socket_start[4], 3 * NODES);
}

static void what_was_sent_is_recognised(void **state)
{
	struct fixture *x = *state;
	struct flow *f = pick(x, 1);
	size_t len = build(x, f, 12345);
	uint8_t got[BUFFER];

	assert_int_equal(len, 9 + SIZE);
	len = deliver(x, len, got);
	assert_int_equal(check(x, got, len, f->dest % 4), 12345);
	assert_int_equal(x->c.received, 1);
	assert_int_equal(x->c.bytes, SIZE);
}

static void every_fault_has_its_count(void **state)
{
	struct fixture *x = *state;
	struct flow *f = pick(x, 1);
	uint8_t first[BUFFER], second[BUFFER];
	size_t len = deliver(x, build(x, f, 1), first);
	uint32_t place = f->dest % 4;

	deliver(x, build(x, f, 2), second);
	check(x, second, len, place);
	check(x, first, len, place);
	assert_int_equal(x->c.reordered, 1);
	check(x, first, len, place);
	check(x, second, len, place);
	assert_int_equal(x->c.duplicates, 2);
	assert_int_equal(x->c.received, 2);
	check(x, first, len, (place + 1) % 4);
	assert_int_equal(x->c.misrouted, 1);
	first[len - 1] ^= 1;
	check(x, first, len, place);
	check(x, second, len - 1, place);
	assert_int_equal(x->c.corrupt, 2);
	check(x, (uint8_t[]){2, 'j', 'u', 'n', 'k'}, 5, place);
	assert_int_equal(x->c.foreign, 1);
}

static void quantiles_are_within_the_resolution(void **state)
{
	struct histogram *h = calloc(1, sizeof(*h));

	(void)state;
	assert_int_equal(histogram_quantile(h, 0.5), 0);
	for (uint64_t v = 1; v <= 100000; v++)
		histogram_add(h, v, 1);
	for (int percent = 1; percent <= 100; percent++) {
		uint64_t exact = (uint64_t)percent * 1000;
		uint64_t got = histogram_quantile(h, percent / 100.0);

		assert_in_range(got, exact, exact + exact / 32);
	}
	histogram_add(h, UINT64_MAX, 1);
	assert_int_equal(histogram_quantile(h, 1), UINT64_MAX);
	free(h);
}

static void windows_count_by_the_time_of_sending(void **state)
{
	enum { MS = 1000000, START = 5 * MS };
	static struct windows w;

	(void)state;
	windows_start(&w, START, 2);
	assert_int_equal(w.length_ns, WINDOW_MS * MS);
	windows_sent(&w, START + 19 * MS, 3);
	windows_arrived(&w, START + 19 * MS, START + 29 * MS, 1);
	windows_arrived(&w, START + 19 * MS, START + 30 * MS, 1); // late
	windows_arrived(&w, START - 1, START, 1);		  // not of this trial
	assert_int_equal(w.sent[1], 3);
	assert_int_equal(w.on_time[1], 1);
	assert_int_equal(w.on_time[0], 0);
	assert_int_equal(windows_count(&w, 0.025), 3);
	windows_start(&w, START, 3600);
	assert_int_equal(windows_count(&w, 3600), WINDOWS_MAX);
}

static void credit_comes_back_with_what_arrives(void **state)
{
	static const struct {
		uint64_t sent, received, ms;
		bool left;
	} table[] = {
	    {0, 0, 0, true},
	    {9, 0, 1, true},
	    {10, 0, 2, false},
	    {10, 0, 1000, false},
	    {10, 1, 1500, true},
	    {11, 1, 1501, false},
	    {11, 1, 2499, false},
	    {11, 1, 2501, true}, // nothing was heard for a second: ten are lost
	    {21, 1, 2502, false},
	    {21, 11, 2503, true}, // no, they were late
	    {40, 11, 2504, false},
	};
	struct credit bounded = {.size = 10}, unbounded = {.size = 0};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		uint64_t now = (1 + table[i].ms) * NS_PER_MS;

		assert_int_equal(
		    credit_left(&bounded, table[i].sent, table[i].received, now), table[i].left);
		assert_true(credit_left(&unbounded, table[i].sent, table[i].received, now));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		flows_are_grouped_by_the_senders_place, setup, teardown),
	    cmocka_unit_test_setup_teardown(what_was_sent_is_recognised, setup, teardown),
	    cmocka_unit_test_setup_teardown(every_fault_has_its_count, setup, teardown),
	    cmocka_unit_test(quantiles_are_within_the_resolution),
	    cmocka_unit_test(credit_comes_back_with_what_arrives),
	    cmocka_unit_test(windows_count_by_the_time_of_sending),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
