// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/registry/lookups.h"
#include "crypto/identity.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#define KEY "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=" // 1 and zeros

static bool answer(struct lookups *l, uint32_t node, const char *json, uint32_t now_s)
{
	return lookups_answer(l, node, json, strlen(json), now_s);
}

static void known(struct lookups *l, uint32_t node, uint32_t now_s)
{
	char json[200];

	snprintf(json, sizeof(json), "{\"node_id\":%u,\"public_key\":\"" KEY "\"}", node);
	assert_true(answer(l, node, json, now_s));
}

static void setup(struct lookups *l)
{
	assert_int_equal(identity_init(), 0);
	assert_int_equal(lookups_open(l), 0);
	// with one in a hundred four of a thousand nodes share a set, and a fifth takes a place
	l->secret = 0x5851f42d4c957f2d;
}

// A node that is asked about: what the registry says, and what is known then and later.
static void answers(void **state)
{
	static const struct {
		const char *json;
		bool good;
		enum lookup_state then, after_61_s, after_301_s;
		unsigned anchors;
	} facts[] = {
	    {"{\"node_id\":7,\"public_key\":\"" KEY "\"}", true, LOOKUP_KNOWN, LOOKUP_KNOWN,
		LOOKUP_ASKED, 0},
	    {"{\"node_id\":7,\"public_key\":\"" KEY "\",\"real_addr\":\"192.0.2.7:4000\"}", true,
		LOOKUP_KNOWN, LOOKUP_KNOWN, LOOKUP_ASKED, 1},
	    {"{\"node_id\":7,\"public_key\":\"" KEY "\",\"real_addr\":\"\"}", true, LOOKUP_KNOWN,
		LOOKUP_KNOWN, LOOKUP_ASKED, 0},
	    {"{\"type\":\"error\",\"error\":\"node 7 not found\"}", true, LOOKUP_ABSENT,
		LOOKUP_ASKED, LOOKUP_ASKED, 0},
	    {"{\"type\":\"error\",\"error\":\"rate limited\"}", false, LOOKUP_ASKED, LOOKUP_ASKED,
		LOOKUP_ASKED, 0},
	    {"{\"node_id\":8,\"public_key\":\"" KEY "\"}", false, LOOKUP_ASKED, LOOKUP_ASKED,
		LOOKUP_ASKED, 0},
	    {"{\"node_id\":7,\"public_key\":\"AQ==\"}", false, LOOKUP_ASKED, LOOKUP_ASKED,
		LOOKUP_ASKED, 0},
	    {"{\"node_id\":7}", false, LOOKUP_ASKED, LOOKUP_ASKED, LOOKUP_ASKED, 0},
	    {"[", false, LOOKUP_ASKED, LOOKUP_ASKED, LOOKUP_ASKED, 0},
	    // a Fairway registry that knows our token: private nodes, too, at most three
	    {"{\"node_id\":7,\"public_key\":\"" KEY "\",\"anchors\":[\"192.0.2.7\"]}", true,
		LOOKUP_KNOWN, LOOKUP_KNOWN, LOOKUP_ASKED, 1},
	    {"{\"node_id\":7,\"public_key\":\"" KEY "\",\"real_addr\":\"192.0.2.9:1\","
	     "\"anchors\":[\"192.0.2.7\",\"2001:db8::7\",7,\"x\",\"::1\",\"::2\"]}",
		true, LOOKUP_KNOWN, LOOKUP_KNOWN, LOOKUP_ASKED, 3},
	    {"{\"node_id\":7,\"public_key\":\"" KEY "\",\"real_addr\":\"192.0.2.9:1\","
	     "\"anchors\":[]}",
		true, LOOKUP_KNOWN, LOOKUP_KNOWN, LOOKUP_ASKED, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		struct lookup found = {0};
		struct lookups l;

		setup(&l);
		assert_int_equal(lookups_find(&l, 7, 100, &found), LOOKUP_ASKED);
		assert_int_equal(lookups_next(&l), 7);
		assert_int_equal(answer(&l, 7, facts[i].json, 100), facts[i].good);
		assert_int_equal(lookups_find(&l, 7, 101, &found), facts[i].then);
		if (facts[i].then == LOOKUP_KNOWN)
			assert_int_equal(found.key[0], 1);
		assert_int_equal(found.anchor_count, facts[i].anchors);
		assert_int_equal(lookups_find(&l, 7, 161, &found), facts[i].after_61_s);
		assert_int_equal(lookups_find(&l, 7, 401, &found), facts[i].after_301_s);
		lookups_close(&l);
	}
}

// By address, whatever the port.
static void addresses(void **state)
{
	static const struct {
		const char *from;
		bool here;
	} facts[] = {{"192.0.2.7:4000", true}, {"192.0.2.7:1", true}, {"[2001:db8::7]:9", true},
	    {"192.0.2.8:4000", false}, {"[2001:db8::8]:9", false}, {"0.0.0.0:1", false}};
	struct lookup found;
	struct endpoint from;
	struct lookups l;

	(void)state;
	setup(&l);
	assert_true(answer(&l, 7,
	    "{\"node_id\":7,\"public_key\":\"" KEY
	    "\",\"anchors\":[\"192.0.2.7\",\"2001:db8::7\"]}",
	    100));
	assert_false(l.untold);
	assert_int_equal(lookups_find(&l, 7, 101, &found), LOOKUP_KNOWN);
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		assert_int_equal(endpoint_parse(facts[i].from, 0, &from), 0);
		assert_int_equal(lookup_is_from(&found, &from), facts[i].here);
	}
	known(&l, 8, 100);
	assert_true(l.untold);
	lookups_close(&l);
}

// Whoever waits for an answer does not ask again before it is late.
static void one_question(void **state)
{
	struct lookup found;
	struct lookups l;

	(void)state;
	setup(&l);
	for (int i = 0; i < 5; i++)
		assert_int_equal(lookups_find(&l, 7, 100, &found), LOOKUP_ASKED);
	assert_int_equal(lookups_next(&l), 7);
	assert_int_equal(lookups_next(&l), 0);
	lookups_find(&l, 7, 100 + LOOKUP_ASKED_S, &found);
	assert_int_equal(lookups_next(&l), 7);
	lookups_close(&l);
}

// Who shows another key than the known one makes it ask again, soon enough and not too often.
static void doubt(void **state)
{
	struct lookup found;
	struct lookups l;

	(void)state;
	setup(&l);
	assert_false(lookups_doubt(&l, 7, 100));
	known(&l, 7, 100);
	assert_false(lookups_doubt(&l, 7, 104)); // it has just been said
	assert_true(lookups_doubt(&l, 7, 105));
	assert_true(lookups_doubt(&l, 7, 109));
	assert_int_equal(lookups_find(&l, 7, 109, &found), LOOKUP_KNOWN); // until then
	assert_int_equal(lookups_next(&l), 7);
	assert_int_equal(lookups_next(&l), 0);
	assert_true(lookups_doubt(&l, 7, 110)); // no answer came
	assert_int_equal(lookups_next(&l), 7);
	known(&l, 7, 111);
	assert_false(lookups_doubt(&l, 7, 112));
	assert_int_equal(lookups_find(&l, 7, 410, &found), LOOKUP_KNOWN);
	assert_false(lookups_doubt(&l, 7, 411));
	lookups_close(&l);
}

// Invented ids fill neither the memory nor the registry's time, and push nobody out.
static void flood(void **state)
{
	struct lookup found;
	struct lookups l;
	unsigned stayed = 0, asked = 0;

	(void)state;
	setup(&l);
	for (uint32_t id = 1; id <= 1000; id++)
		known(&l, id, 100);
	for (uint32_t id = 1000000; id < 1500000; id++) {
		lookups_find(&l, id, 110, &found);
		if (id % 100 == 0 && lookups_next(&l)) {
			asked++;
			answer(&l, id, "{\"error\":\"node not found\"}", 110);
		}
	}
	assert_in_range(asked, 4000, 5000);
	assert_in_range(l.count, 1, LOOKUP_WAITING_MAX);
	for (uint32_t id = 1; id <= 1000; id++)
		stayed += lookups_find(&l, id, 111, &found) == LOOKUP_KNOWN;
	assert_int_equal(stayed, 1000);
	lookups_close(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(answers),
	    cmocka_unit_test(addresses),
	    cmocka_unit_test(one_question),
	    cmocka_unit_test(doubt),
	    cmocka_unit_test(flood),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
