// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/stage_lab.h"

#define A_PORT "198.51.100.1:4999"

enum { NO_PUNT = -1 };

STAGE_LAB_FIXTURE

static size_t discover_make(uint8_t *out, uint8_t type, uint32_t id, size_t len)
{
	out[0] = type;
	store_be32(out + 1, id);
	for (size_t i = BEACON_DISCOVER_SIZE; i < len; i++)
		out[i] = (uint8_t)i;
	return len;
}

// What is answered here, and what the control plane has to learn first and answers itself.
static void answers(void **state)
{
	static const struct {
		const char *from;
		uint8_t type;
		uint32_t id;
		int punt;
		unsigned link; // of an answer
	} facts[] = {
	    {AT_A, 1, NODE_A, NO_PUNT, LAB_RAW},
	    {AT_SIX, 1, NODE_SIX, NO_PUNT, LAB_RAW},
	    {AT_EX, 8, NODE_EX, NO_PUNT, LAB_RAW},
	    {AT_A, 1, 0, NO_PUNT, LAB_SOCK},
	    {AT_A, 8, 0, NO_PUNT, LAB_SOCK},
	    {AT_OTHER, 1, NODE_NOBODY, PUNT_DISCOVER_NEW, 0},
	    {AT_SIX, 1, NODE_NOBODY, PUNT_DISCOVER_NEW, 0},
	    {AT_A, 1, NODE_FAR, PUNT_DISCOVER_NEW, 0},
	    {A_PORT, 1, NODE_A, PUNT_DISCOVER_CHANGED, 0},
	    {AT_A, 8, NODE_A, PUNT_DISCOVER_CHANGED, 0},
	    {AT_EX, 1, NODE_EX, PUNT_DISCOVER_CHANGED, 0},
	    {AT_OTHER, 1, NODE_A, PUNT_DISCOVER_MOVED, 0},
	    {AT_SIX, 1, NODE_A, PUNT_DISCOVER_MOVED, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		uint64_t refreshed = lab_count(&lab, COUNTER_REFRESHED);
		struct endpoint from = lab_endpoint(facts[i].from);
		struct beacon_discover_reply reply;
		struct punt_record punt;
		uint8_t sent[8], copy[64];
		const uint8_t *answer;
		struct dgram *d;
		uint32_t len;

		discover_make(sent, facts[i].type, facts[i].id, BEACON_DISCOVER_SIZE);
		lab_begin(&lab, LAB_RAW);
		d = lab_dgram(&lab, facts[i].from, sent, BEACON_DISCOVER_SIZE);
		lab_run(&lab, NS_PER_S);
		assert_int_equal(lab_punt(&lab, &punt, copy, sizeof(copy)), facts[i].punt >= 0);
		assert_int_equal(lab_count(&lab, COUNTER_REFRESHED) - refreshed,
		    facts[i].punt < 0 && facts[i].id != 0);
		if (facts[i].punt >= 0) {
			assert_int_equal(d->verdict, VERDICT_PUNT);
			assert_int_equal(punt.punt_class, facts[i].punt);
			assert_int_equal(punt.rx_ns, NS_PER_S);
			assert_int_equal(punt.unanswered, 1);
			assert_int_equal(punt.len, BEACON_DISCOVER_SIZE);
			assert_memory_equal(copy, sent, BEACON_DISCOVER_SIZE);
			assert_true(endpoint_equal(&punt.from, &from));
			assert_int_equal(punt.local, endpoint_is_v4(&from) ? LAB_V4 : LAB_V6);
			assert_int_equal(punt.link, LAB_RAW);
			continue;
		}
		answer = lab_sent(&lab, d, &len);
		assert_int_equal(len, endpoint_is_v4(&from) ? 8 : 20);
		assert_int_equal(beacon_discover_reply_parse(answer, len, &reply), 0);
		assert_true(endpoint_equal(&reply.observed, &from));
		assert_true(endpoint_equal(&d->to, &from));
		assert_int_equal(d->out_link, facts[i].link);
		if (facts[i].link == LAB_RAW)
			lab_check_frame(d);
	}
}

// A Discover that came to another address of ours than the node's stored one.
static void other_local(void **state)
{
	uint8_t sent[8], copy[64];
	struct punt_record punt;

	(void)state;
	discover_make(sent, 1, NODE_A, BEACON_DISCOVER_SIZE);
	lab_begin(&lab, LAB_SOCK);
	lab_payload(&lab, AT_A, LAB_V6, sent, BEACON_DISCOVER_SIZE);
	lab_run(&lab, 5);
	assert_true(lab_punt(&lab, &punt, copy, sizeof(copy)));
	assert_int_equal(punt.punt_class, PUNT_DISCOVER_CHANGED);
	assert_int_equal(punt.local, LAB_V6);
}

// Keys: punted until the control plane has stored this one; signatures always.
static void keys(void **state)
{
	static const struct {
		size_t len;
		bool stored, same, punt;
	} facts[] = {
	    {BEACON_DISCOVER_KEY_SIZE - 1, false, false, false},
	    {BEACON_DISCOVER_KEY_SIZE, false, false, true},
	    {BEACON_DISCOVER_KEY_SIZE, true, true, false},
	    {BEACON_DISCOVER_KEY_SIZE, true, false, true},
	    {BEACON_DISCOVER_SIGNED_SIZE - 1, true, true, false},
	    {BEACON_DISCOVER_SIGNED_SIZE, true, true, true},
	};
	struct node_entry e;

	(void)state;
	assert_true(node_table_find(&lab.memory.nodes, NODE_A, &e));
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		struct node_info *info = &lab.memory.nodes.info[node_entry_index(e)];
		uint8_t sent[256], copy[256];
		struct punt_record punt;
		struct dgram *d;

		discover_make(sent, 1, NODE_A, facts[i].len);
		info->has_key = 0;
		lab_node(&lab, NODE_A, AT_A, LAB_NEXTHOP, 0);
		if (facts[i].stored)
			node_writer_bind(&lab.nodes, NODE_A, sent + BEACON_DISCOVER_SIZE);
		info->key[31] ^= !facts[i].same;
		lab_begin(&lab, LAB_RAW);
		d = lab_dgram(&lab, AT_A, sent, facts[i].len);
		lab_run(&lab, 5);
		assert_int_equal(d->verdict, VERDICT_SEND);
		assert_int_equal(lab_punt(&lab, &punt, copy, sizeof(copy)), facts[i].punt);
		if (!facts[i].punt)
			continue;
		assert_int_equal(punt.punt_class, PUNT_DISCOVER_NEW);
		assert_int_equal(punt.len, facts[i].len);
		assert_memory_equal(copy, sent, facts[i].len);
	}
}

// Discovers from invented sources, and how many of them got a class of their own.
static unsigned throng(unsigned n, uint64_t now_ns)
{
	unsigned again = 0;
	uint8_t sent[8], copy[64];
	struct punt_record punt;

	for (unsigned i = 0; i < n; i++) {
		struct dgram *d;

		discover_make(sent, 1, (uint32_t)random() | 1U << 31, BEACON_DISCOVER_SIZE);
		lab_begin(&lab, LAB_SOCK);
		d = lab_payload(&lab, AT_OTHER, LAB_V4, sent, BEACON_DISCOVER_SIZE);
		d->src = endpoint_from_v4((uint32_t)random() % 0xdfffffff | 1, 7);
		lab_run(&lab, now_ns);
		while (lab_punt(&lab, &punt, copy, sizeof(copy)))
			again += punt.punt_class == PUNT_DISCOVER_AGAIN;
	}
	return again;
}

static bool punted_as(const char *from, uint32_t id, uint64_t now_ns, enum punt_class class)
{
	uint8_t sent[8], copy[64];
	struct punt_record punt;

	discover_make(sent, 1, id, BEACON_DISCOVER_SIZE);
	lab_begin(&lab, LAB_SOCK);
	lab_payload(&lab, from, LAB_V4, sent, BEACON_DISCOVER_SIZE);
	lab_run(&lab, now_ns);
	return lab_punt(&lab, &punt, copy, sizeof(copy)) && punt.punt_class == class;
}

// A flood uses up the rate of strangers. Who asks again within a minute is through all the same,
// once, and however often the flood asks with new names, it is not.
static void who_comes_again(void **state)
{
	static const struct {
		const char *from;
		uint32_t id;
		enum punt_class strange;
	} facts[] = {
	    {AT_A, 5000, PUNT_DISCOVER_NEW},
	    {AT_SIX, 5001, PUNT_DISCOVER_NEW},
	    {AT_OTHER, NODE_A, PUNT_DISCOVER_MOVED},
	};
	uint64_t now = 100000 * NS_PER_S;

	(void)state;
	srandom(11);
	lab.env.set.punt_rate[PUNT_DISCOVER_NEW] = 1000;
	lab.env.set.punt_rate[PUNT_DISCOVER_MOVED] = 1000;
	// Without a throng, asking twice is nothing special.
	for (int i = 0; i < 2; i++)
		assert_true(punted_as(AT_A, 5000, now, PUNT_DISCOVER_NEW));
	for (unsigned i = 0; i < ARRAY_SIZE(facts); i++) {
		now += 1000 * NS_PER_S;
		lab.env.police.punt_full_at[PUNT_DISCOVER_MOVED] = now + NS_PER_S;
		assert_in_range(throng(2000, now), 0, 5);
		assert_false(punted_as(facts[i].from, facts[i].id, now, facts[i].strange));
		now += 60 * NS_PER_S;
		lab.env.police.punt_full_at[PUNT_DISCOVER_MOVED] = now + NS_PER_S;
		assert_in_range(throng(2000, now), 0, 5);
		assert_true(punted_as(facts[i].from, facts[i].id, now, PUNT_DISCOVER_AGAIN));
		assert_false(punted_as(facts[i].from, 6000, now, PUNT_DISCOVER_AGAIN));
		now += 200 * NS_PER_S;
		lab.env.police.punt_full_at[PUNT_DISCOVER_MOVED] = now + NS_PER_S;
		throng(2000, now);
		assert_false(punted_as(facts[i].from, facts[i].id, now, PUNT_DISCOVER_AGAIN));
	}
	lab.env.set.punt_rate[PUNT_DISCOVER_NEW] = 0;
	lab.env.set.punt_rate[PUNT_DISCOVER_MOVED] = 0;
}

// A second of 100,000 strangers, for a minute and more: few of them are taken for old ones.
static void few_are_mistaken(void **state)
{
	enum { STRANGERS = 8000000 };
	struct familiar f;
	uint64_t mistaken = 0, hash = 1;
	void *room = calloc(1, FAMILIAR_SIZE);

	(void)state;
	assert_non_null(room);
	familiar_init(&f, room);
	for (unsigned i = 0; i < STRANGERS; i++) {
		hash = (hash + 0x9e3779b97f4a7c15ULL) * 0xbf58476d1ce4e5b9ULL;
		hash ^= hash >> 31;
		mistaken += familiar_meet(&f, hash, NS_PER_S * 1000 + i * 10000ULL);
	}
	assert_in_range(mistaken, 1, STRANGERS / 50);
	free(room);
}

static void signs_of_life(void **state)
{
	static const struct {
		const char *from;
		uint32_t now_s, seen_s;
	} facts[] = {{AT_A, 100, 100}, {AT_A, 107, 100}, {A_PORT, 300, 100}, {AT_OTHER, 300, 100},
	    {AT_A, 300, 300}};
	uint8_t sent[8], copy[8];
	struct punt_record punt;
	struct node_entry e;

	(void)state;
	assert_true(node_table_find(&lab.memory.nodes, NODE_A, &e));
	discover_make(sent, 1, NODE_A, BEACON_DISCOVER_SIZE);
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		lab_begin(&lab, LAB_SOCK);
		lab_payload(&lab, facts[i].from, LAB_V4, sent, BEACON_DISCOVER_SIZE);
		lab_run(&lab, facts[i].now_s * NS_PER_S);
		assert_int_equal(lab.memory.nodes.last_seen[node_entry_index(e)], facts[i].seen_s);
		lab_punt(&lab, &punt, copy, sizeof(copy));
	}
}

// Who may hand what to the control plane without an answer from us.
static void punts(void **state)
{
	static const struct {
		const char *from;
		uint8_t bytes[12];
		size_t len;
		int punt;
		enum drop drop;
	} facts[] = {
	    {AT_A, {3, 0, 0, 0, 1, 0, 0, 0, 2}, 9, PUNT_PUNCH, DROP_NONE},
	    {AT_OTHER, {3, 0, 0, 0, 1, 0, 0, 0, 2}, 9, PUNT_PUNCH, DROP_NONE},
	    {AT_OTHER, {0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42}, 20, PUNT_STUN, DROP_NONE},
	    {AT_PEER, {7, 0, 0, 0, 9, 0, 1, 0, 0, 0, 5}, 11, PUNT_SYNC, DROP_NONE},
	    {"203.0.113.1:9002", {7, 0, 0, 0, 9, 0, 0}, 7, NO_PUNT, DROP_PEER_UNKNOWN},
	    {"203.0.113.9:1234", {7, 0, 0, 0, 9, 0, 0}, 7, PUNT_SYNC, DROP_NONE},
	    {AT_A, {7, 0, 0, 0, 9, 0, 0}, 7, NO_PUNT, DROP_PEER_UNKNOWN},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		uint8_t bytes[64] = {0}, copy[64];
		struct punt_record punt;
		struct dgram *d;

		memcpy(bytes, facts[i].bytes, sizeof(facts[i].bytes));
		lab_begin(&lab, LAB_RAW);
		d = lab_dgram(&lab, facts[i].from, bytes, facts[i].len);
		lab_run(&lab, 5);
		assert_int_equal(d->drop, facts[i].drop);
		assert_int_equal(d->verdict, facts[i].drop ? VERDICT_DROP : VERDICT_PUNT);
		assert_int_equal(lab.out.released, 1);
		assert_int_equal(lab_punt(&lab, &punt, copy, sizeof(copy)), facts[i].punt >= 0);
		if (facts[i].punt < 0)
			continue;
		assert_int_equal(punt.punt_class, facts[i].punt);
		assert_int_equal(punt.len, facts[i].len);
		assert_memory_equal(copy, bytes, facts[i].len);
	}
}

// What becomes of a punch request.
static enum drop punch(const char *from, uint32_t requester)
{
	uint8_t bytes[BEACON_PUNCH_REQUEST_SIZE] = {
	    BEACON_PUNCH_REQUEST, 0, 0, 0, requester, 0, 0, 0, NODE_EX};
	struct punt_record punt;
	struct dgram *d;

	lab_begin(&lab, LAB_SOCK);
	d = lab_payload(&lab, from, LAB_V4, bytes, sizeof(bytes));
	lab_run(&lab, 400 * NS_PER_S);
	lab_punt(&lab, &punt, bytes, sizeof(bytes));
	return d->verdict == VERDICT_DROP ? d->drop : DROP_NONE;
}

// Invented requesters leave room to those who are where they said.
static void punch_flood(void **state)
{
	unsigned strangers = 0;

	(void)state;
	lab.env.set.punt_rate[PUNT_PUNCH] = 1000; // 100 at once
	while (punch(AT_OTHER, NODE_NOBODY) == DROP_NONE)
		assert_true(++strangers < 100);
	assert_in_range(strangers, 40, 60);
	assert_int_equal(punch(AT_B, NODE_NOBODY), DROP_POLICE_PUNT);
	assert_int_equal(punch(AT_OTHER, NODE_B), DROP_POLICE_PUNT);
	for (unsigned i = strangers; i < 100; i++)
		assert_int_equal(punch(AT_B, NODE_B), DROP_NONE);
	assert_int_equal(punch(AT_B, NODE_B), DROP_POLICE_PUNT);
	lab.env.set.punt_rate[PUNT_PUNCH] = 0;
	assert_int_equal(punch(AT_OTHER, NODE_NOBODY), DROP_NONE);
}

// What becomes of a stranger's datagram.
static enum drop stranger_sends(const uint8_t *bytes, size_t len)
{
	struct dgram *d;

	lab_begin(&lab, LAB_SOCK);
	d = lab_payload(&lab, AT_OTHER, LAB_V4, bytes, len);
	lab_run(&lab, 5);
	assert_in_range(d->verdict, VERDICT_PUNT, VERDICT_DROP);
	return d->verdict == VERDICT_DROP ? d->drop : DROP_NONE;
}

// Of whom the control plane does not hear gets no answer; who is known has one all the same.
static void ring_full(void **state)
{
	uint64_t full = lab_drops(&lab, DROP_PUNT_FULL);
	uint8_t new[8], known[64], stun[20] = {0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42};
	struct punt_record punt;
	enum drop drop = DROP_NONE;
	struct dgram *d;
	uint32_t len;

	(void)state;
	discover_make(new, 1, NODE_NOBODY, BEACON_DISCOVER_SIZE);
	for (int i = 0; i < 2000 && !drop; i++)
		drop = stranger_sends(new, BEACON_DISCOVER_SIZE);
	assert_int_equal(drop, DROP_PUNT_FULL);
	assert_int_equal(stranger_sends(stun, sizeof(stun)), DROP_PUNT_FULL);
	assert_int_equal(lab_drops(&lab, DROP_PUNT_FULL), full + 2);
	discover_make(known, 1, NODE_B, BEACON_DISCOVER_KEY_SIZE);
	lab_begin(&lab, LAB_SOCK);
	d = lab_dgram(&lab, AT_B, known, BEACON_DISCOVER_KEY_SIZE);
	lab_run(&lab, 5);
	assert_int_equal(lab_sent(&lab, d, &len)[0], BEACON_DISCOVER_REPLY);
	assert_int_equal(lab_drops(&lab, DROP_PUNT_FULL), full + 3);
	while (lab_punt(&lab, &punt, stun, sizeof(stun)))
		;
	assert_int_equal(stranger_sends(new, BEACON_DISCOVER_SIZE), DROP_NONE);
	assert_true(lab_punt(&lab, &punt, stun, sizeof(stun)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(answers),
	    cmocka_unit_test(other_local),
	    cmocka_unit_test(keys),
	    cmocka_unit_test(who_comes_again),
	    cmocka_unit_test(few_are_mistaken),
	    cmocka_unit_test(signs_of_life),
	    cmocka_unit_test(punts),
	    cmocka_unit_test(punch_flood),
	    cmocka_unit_test(ring_full),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
