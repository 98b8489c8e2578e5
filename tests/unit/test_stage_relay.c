// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/relay_facts.h"

STAGE_LAB_FIXTURE

static void routes(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(relay_facts); i++) {
		const struct relay_fact *f = &relay_facts[i];
		struct dgram *d;
		struct endpoint to;

		lab.env.set.sender_check = (uint64_t)f->check;
		lab_begin(&lab, LAB_RAW);
		d = lab_relay(&lab, f->from, f->sender, f->dest, "hello");
		lab_run(&lab, 1);
		if (d->drop != f->drop)
			fail_msg("row %zu: drop %s, not %s", i, drop_names[d->drop],
			    drop_names[f->drop]);
		if (f->drop)
			continue;
		to = lab_endpoint(f->to);
		assert_int_equal(d->verdict, VERDICT_SEND);
		assert_true(endpoint_equal(&d->to, &to));
		assert_int_equal(d->data[0], f->type);
		assert_int_equal(d->out_link, f->link);
		assert_int_equal(lab.out.used, 1u << f->link);
	}
	lab.env.set.sender_check = SENDER_CHECK_IP;
}

// The bytes of each message that leaves.
static void bytes(void **state)
{
	static const struct {
		uint32_t dest;
		const char *bytes;
		uint32_t len;
	} facts[] = {
	    {NODE_B, "\x06\0\0\0\x01hello", 10},
	    {NODE_EX, "\x09\0\0\0\x01\0\0\0\x04hello", 14},
	    {NODE_FAR, "\x05\0\0\0\x01\0\0\0\x05hello", 14},
	    {NODE_COLD, "\x06\0\0\0\x01hello", 10},
	};

	(void)state;
	for (unsigned link = LAB_SOCK; link <= LAB_RAW; link++) {
		for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
			struct dgram *d;
			uint32_t len;

			lab_begin(&lab, link);
			d = lab_relay(&lab, AT_A, NODE_A, facts[i].dest, "hello");
			lab_run(&lab, 1);
			assert_memory_equal(lab_sent(&lab, d, &len), facts[i].bytes, facts[i].len);
			assert_int_equal(len, facts[i].len);
			if (link == LAB_SOCK)
				assert_int_equal(d->out_link, LAB_SOCK);
		}
	}
}

// A peer relay that was forgotten while its nodes still lead to it.
static void peer_that_has_gone(void **state)
{
	struct dgram *d;

	(void)state;
	lab.memory.peers[0].valid = 0;
	lab_begin(&lab, LAB_RAW);
	d = lab_relay(&lab, AT_A, NODE_A, NODE_FAR, "x");
	lab_run(&lab, 1);
	lab.memory.peers[0].valid = 1;
	assert_int_equal(d->drop, DROP_DEST_UNKNOWN);
}

static void empty_frame(void **state)
{
	struct dgram *d;
	uint32_t len;

	(void)state;
	lab_begin(&lab, LAB_RAW);
	d = lab_relay(&lab, AT_A, NODE_A, NODE_B, "");
	lab_run(&lab, 1);
	assert_memory_equal(lab_sent(&lab, d, &len), "\x06\0\0\0\x01", 5);
	assert_int_equal(len, 5);
	lab_check_frame(d);
}

static uint32_t last_seen(uint32_t node)
{
	struct node_entry e;

	assert_true(node_table_find(&lab.memory.nodes, node, &e));
	return lab.memory.nodes.last_seen[node_entry_index(e)];
}

// A worker keeps a node alive only by what comes from its stored endpoint, and writes seldom: at
// most every 8 s, at least every 16 s.
static void signs_of_life(void **state)
{
	static const struct {
		const char *from;
		uint32_t now_s, seen_s;
	} facts[] = {
	    {AT_A, 100, 100},
	    {AT_A, 103, 100},
	    {AT_A, 107, 100}, // the epoch from 104 on is spent: too early for the shared word
	    {AT_A, 111, 100},
	    {AT_A, 112, 112},
	    {"198.51.100.1:5999", 200, 112},
	    {AT_OTHER, 200, 112},
	    {AT_PEER, 200, 112},
	    {AT_A, 200, 200},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		lab_begin(&lab, LAB_RAW);
		lab_relay(&lab, facts[i].from, NODE_A, NODE_B, "x");
		lab_run(&lab, facts[i].now_s * NS_PER_S);
		assert_int_equal(last_seen(NODE_A), facts[i].seen_s);
	}
}

// Those of all senders of a burst are written, and in the next one those of its own.
static void signs_of_a_burst(void **state)
{
	(void)state;
	lab_begin(&lab, LAB_RAW);
	for (int i = 0; i < 20; i++) {
		lab_relay(&lab, AT_A, NODE_A, NODE_B, "x");
		lab_relay(&lab, AT_B, NODE_B, NODE_A, "x");
		lab_relay(&lab, AT_EX, NODE_EX, NODE_NOBODY, "x");
	}
	lab_run(&lab, 300 * NS_PER_S);
	assert_int_equal(last_seen(NODE_A), 300);
	assert_int_equal(last_seen(NODE_B), 300);
	assert_int_equal(last_seen(NODE_EX), 300);
	lab_begin(&lab, LAB_RAW);
	lab_relay(&lab, AT_B, NODE_B, NODE_A, "x");
	lab_run(&lab, 400 * NS_PER_S);
	assert_int_equal(last_seen(NODE_A), 300);
	assert_int_equal(last_seen(NODE_B), 400);
	assert_int_equal(last_seen(NODE_EX), 300);
}

static unsigned list_check(unsigned link)
{
	unsigned n = lab.out.used & 1u << link ? lab.out.count[link] : 0;
	uint64_t bytes = 0;

	for (unsigned i = 0; i < n; i++) {
		const struct dgram *d = lab.out.list[link][i];
		uint32_t len;

		assert_true(i == 0 || d > lab.out.list[link][i - 1]);
		assert_int_equal(d->out_link, link);
		lab_sent(&lab, d, &len);
		bytes += len;
	}
	if (n)
		assert_int_equal(lab.out.bytes[link], bytes);
	return n;
}

// One burst with flows to all links, or whole through one: each list keeps the order of arrival and
// says how long its payloads are.
static void order(void **state)
{
	static const struct {
		uint32_t dest[5];
		unsigned used, released;
	} facts[] = {
	    {{NODE_B, NODE_COLD, NODE_SIX, NODE_NOBODY, NODE_FAR}, 1 << LAB_SOCK | 1 << LAB_RAW,
		12},
	    {{NODE_B, NODE_EX, NODE_SIX, NODE_TAGGED, NODE_FAR}, 1 << LAB_RAW, 0},
	    {{NODE_B, NODE_NOBODY, NODE_B, NODE_B, NODE_B}, 1 << LAB_RAW, 12},
	    {{NODE_COLD, NODE_COLD, NODE_COLD, NODE_COLD, NODE_COLD}, 1 << LAB_SOCK, 0},
	    {{NODE_NOBODY, NODE_NOBODY, NODE_NOBODY, NODE_NOBODY, NODE_NOBODY}, 0, 60},
	};

	(void)state;
	for (size_t k = 0; k < ARRAY_SIZE(facts); k++) {
		lab_begin(&lab, LAB_RAW);
		for (int i = 0; i < 60; i++)
			lab_relay(&lab, AT_A, NODE_A, facts[k].dest[i % 5], &"0123456789"[i % 7]);
		lab_run(&lab, 1);
		assert_int_equal(lab.out.used, facts[k].used);
		assert_int_equal(lab.out.released, facts[k].released);
		for (unsigned i = 0; i < lab.out.released; i++)
			assert_int_equal(lab.out.release[i]->drop, DROP_DEST_UNKNOWN);
		assert_int_equal(
		    list_check(LAB_SOCK) + list_check(LAB_RAW) + lab.out.released, lab.b.count);
	}
}

static void counters(void **state)
{
	struct tally before = lab.env.tally;

	(void)state;
	lab_begin(&lab, LAB_RAW);
	lab_relay(&lab, AT_A, NODE_A, NODE_B, "12345");
	lab_relay(&lab, AT_A, NODE_A, NODE_EX, "123");
	lab_relay(&lab, AT_A, NODE_A, NODE_FAR, "1");
	lab_relay(&lab, AT_A, NODE_A, NODE_COLD, "");
	lab_run(&lab, 1);
	assert_int_equal(lab_count(&lab, COUNTER_RELAYED) - before.counters[COUNTER_RELAYED], 3);
	assert_int_equal(
	    lab_count(&lab, COUNTER_RELAYED_BYTES) - before.counters[COUNTER_RELAYED_BYTES], 8);
	assert_int_equal(
	    lab_count(&lab, COUNTER_FORWARDED) - before.counters[COUNTER_FORWARDED], 1);
	assert_int_equal(
	    lab_count(&lab, COUNTER_COMPANION) - before.counters[COUNTER_COMPANION], 1);
	assert_int_equal(
	    lab_count(&lab, COUNTER_RX_BYTES) - before.counters[COUNTER_RX_BYTES], 4 * 9 + 9);
	// What a link then refuses is taken back.
	for (unsigned i = 0; i < lab.b.count; i++)
		egress_recount(&lab.env, &lab.b.d[i], -1);
	assert_int_equal(lab_count(&lab, COUNTER_RELAYED), before.counters[COUNTER_RELAYED]);
	assert_int_equal(
	    lab_count(&lab, COUNTER_RELAYED_BYTES), before.counters[COUNTER_RELAYED_BYTES]);
	assert_int_equal(lab_count(&lab, COUNTER_FORWARDED), before.counters[COUNTER_FORWARDED]);
	assert_int_equal(lab_count(&lab, COUNTER_COMPANION), before.counters[COUNTER_COMPANION]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(routes),
	    cmocka_unit_test(bytes),
	    cmocka_unit_test(peer_that_has_gone),
	    cmocka_unit_test(empty_frame),
	    cmocka_unit_test(signs_of_life),
	    cmocka_unit_test(signs_of_a_burst),
	    cmocka_unit_test(order),
	    cmocka_unit_test(counters),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
