// SPDX-License-Identifier: BSD-3-Clause
// A client that means harm: what it may not change, and what it may not fill.
#include "tests/unit/registry_lab.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PUB "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="

// One address cannot fill the registry, neither without proof nor with keys of its own making.
static void test_newcomers(void **state)
{
	static const char refusal[] =
	    "too many new nodes from this address (max 2 a day or without proof)";
	struct lab *l = *state;
	struct lab_node a;

	l->t.now_s = 1000 * 3600;
	l->registry.config.source_nodes = 2;
	a = lab_node(l, 1);
	lab_node(l, 2);
	lab_refused(l, refusal, "{'type':'register','public_key':'" PUB "'}");
	lab_expect(l, "{}", "{'type':'heartbeat','node_id':1,'signature':'%s'}",
	    lab_sign(&a, "heartbeat:1"));
	lab_refused(l, refusal, "{'type':'register','public_key':'" PUB "'}");
	// the silent one without proof makes room
	l->t.now_s += STALE_S;
	registry_tick(&l->registry, l->t);
	assert_int_equal(l->registry.nodes.count, 1);
	lab_node(l, 3);
	lab_refused(l, refusal, "{'type':'register','public_key':'" PUB "'}");
	// and a day, of which an hour is enough for one
	l->t.now_s += 3600;
	lab_node(l, 4);
	// who is known comes again
	lab_node(l, 1);
}

// Who knows a node's key, as everybody does, says nothing for it.
static void test_said_for_others(void **state)
{
	struct lab *l = *state;
	struct lab_node n = lab_node(l, 1);
	char key[KEY_TEXT_MAX];

	key_text(key, n.key);
	lab_expect(l, "{}", "{'type':'heartbeat','node_id':1,'signature':'%s'}",
	    lab_sign(&n, "heartbeat:1"));
	lab_expect(l, "{'observed_addr':''}",
	    "{'type':'register','listen_addr':'','version':'v1','public_key':'%s'}", key);
	// it has chosen to be nowhere
	endpoint_parse("203.0.113.66:1", 0, &l->from);
	l->conn = (struct anchor){0};
	lab_expect(l, "{'node_id':1}",
	    "{'type':'register','listen_addr':':66','version':'v66','public_key':'%s'}", key);
	assert_int_equal(directory_find(&l->registry.nodes, 1)->at.port, 0);
	lab_expect(l, "{}", "{'type':'heartbeat','node_id':1,'signature':'%s'}",
	    lab_sign(&n, "heartbeat:1"));
	assert_int_equal(directory_find(&l->registry.nodes, 1)->at.port, 66);
	endpoint_parse("198.51.100.66:1", 0, &l->from);
	lab_expect(l, "{'node_id':1}",
	    "{'type':'register','listen_addr':':67','version':'v67','public_key':'%s'}", key);
	lab_expect(l, "{'version':'v1'}", "{'type':'lookup','node_id':1}");
	endpoint_parse("203.0.113.66:1", 0, &l->from);
	lab_expect(l, "{'node_id':1}",
	    "{'type':'register','listen_addr':':66','version':'v2','public_key':'%s'}", key);
	lab_expect(l, "{'version':'v2'}", "{'type':'lookup','node_id':1}");
}

// One address does not take all the places of beacons.
static void test_beacons_of_an_address(void **state)
{
	struct lab *l = *state;

	for (unsigned i = 1; i <= BEACON_SOURCE_MAX; i++)
		lab_expect(l, "{}",
		    "{'type':'beacon_register','beacon_id':%u,'addr':'192.0.2.1:9001'}", i);
	lab_refused(l, "too many beacons of this address (max 32)",
	    "{'type':'beacon_register','beacon_id':1000,'addr':'192.0.2.1:9001'}");
	lab_expect(l, "{}", "{'type':'beacon_register','beacon_id':1,'addr':'192.0.2.2:9001'}");
	endpoint_parse("203.0.113.66:1", 0, &l->from);
	lab_expect(l, "{}", "{'type':'beacon_register','beacon_id':1000,'addr':'192.0.2.3:9001'}");
	endpoint_parse("198.51.100.7:1", 0, &l->from);
	l->t.now_s += BEACON_TTL_S + 1;
	lab_expect(l, "{}", "{'type':'beacon_register','beacon_id':2000,'addr':'192.0.2.1:9001'}");
}

static void ask_handshake(struct lab *l, const struct lab_node *n, const char *why)
{
	lab_expect(l, "{'status':'delivered'}",
	    "{'type':'request_handshake','from_node_id':%u,'to_node_id':1,'justification':'%s',"
	    "'signature':'%s'}",
	    n->id, why, lab_sign(n, "handshake:%u:1", n->id));
}

// Requests come through, only not their texts, when those that wait are too long.
static void test_texts_that_wait(void **state)
{
	struct lab *l = *state;
	struct lab_node to = lab_node(l, 1), a = lab_node(l, 2), b = lab_node(l, 3);

	l->registry.inbox_bytes = INBOX_TEXT_MAX - 5;
	ask_handshake(l, &a, "hello");
	ask_handshake(l, &b, "hello");
	lab_expect(l, "{'responses':[]}", "{'type':'poll_handshakes','node_id':1,'signature':'%s'}",
	    lab_sign(&to, "poll_handshakes:1"));
	assert_int_equal(l->registry.inbox_bytes, INBOX_TEXT_MAX - 5);
	ask_handshake(l, &a, "");
	ask_handshake(l, &b, "again");
	assert_int_equal(l->registry.inbox_bytes, INBOX_TEXT_MAX);
}

static struct lab_node node_from(struct lab *l, uint8_t seed, const char *address)
{
	assert_int_equal(endpoint_parse(address, 0, &l->from), 0);
	l->conn = (struct anchor){0};
	return lab_node(l, seed);
}

// What waits at node 1 is delivered.
static void requests_emptied(struct lab *l, const struct lab_node *to)
{
	lab_expect(l, "{'type':'poll_handshakes_ok'}",
	    "{'type':'poll_handshakes','node_id':1,'signature':'%s'}",
	    lab_sign(to, "poll_handshakes:1"));
	call_delivered(&l->registry, 1, UINT64_MAX);
}

// One network's texts leave room for others', whoever is to read them and does not.
static void test_texts_of_a_network(void **state)
{
	struct lab *l = *state;
	struct lab_node to = lab_node(l, 1), n;
	char why[JUSTIFICATION_MAX + 1];
	size_t taken = 0;

	memset(why, 'x', sizeof(why));
	why[JUSTIFICATION_MAX] = '\0';
	n = node_from(l, 2, "192.0.2.5:1");
	for (unsigned i = 0; i < 2 * TEXT_BURST / JUSTIFICATION_MAX; i++) {
		ask_handshake(l, &n, why);
		taken += l->registry.inbox_bytes;
		requests_emptied(l, &to);
	}
	assert_in_range(taken, TEXT_BURST - JUSTIFICATION_MAX, TEXT_BURST + JUSTIFICATION_MAX);
	n = node_from(l, 3, "192.0.3.5:1");
	ask_handshake(l, &n, "hello");
	assert_int_equal(l->registry.inbox_bytes, 5);
	requests_emptied(l, &to);
	l->t.now_s += 100;
	n = node_from(l, 4, "192.0.2.6:1");
	ask_handshake(l, &n, "hello");
	assert_int_equal(l->registry.inbox_bytes, 5);
}

// Who waits at node 1, by their ids; how many.
static size_t requests_waiting(struct lab *l, const struct lab_node *to, uint32_t ids[INBOX_MAX])
{
	json_t *answer = lab_ask(l, "{'type':'poll_handshakes','node_id':1,'signature':'%s'}",
	    lab_sign(to, "poll_handshakes:1"));
	const json_t *requests = json_object_get(answer, "requests");
	size_t count = json_array_size(requests);

	for (size_t i = 0; i < count && i < INBOX_MAX; i++)
		ids[i] = object_u32(json_array_get(requests, i), "from_node_id");
	json_decref(answer);
	return count;
}

// The nodes of one network fill an inbox, and others find a place in it all the same, as long as
// they are from networks that have fewer.
static void test_crowded_inbox(void **state)
{
	static const struct {
		const char *from;
		bool delivered;
	} facts[] = {
	    {"203.0.113.9:1", true}, {"203.0.114.9:1", true}, {"[2001:db8:7::1]:1", true},
	    {"203.0.113.200:1", true}, // the second of its network
	    {"192.0.2.250:1", false},  // of the flood's
	};
	struct lab *l = *state;
	struct lab_node to = lab_node(l, 1), n;
	uint32_t ids[INBOX_MAX];

	for (uint8_t i = 0; i < INBOX_MAX; i++) {
		char address[32];

		snprintf(address, sizeof(address), "192.0.2.%u:1", 1 + i % 50);
		n = node_from(l, (uint8_t)(2 + i), address);
		ask_handshake(l, &n, "");
	}
	for (uint8_t i = 0; i < ARRAY_SIZE(facts); i++) {
		n = node_from(l, (uint8_t)(150 + i), facts[i].from);
		if (facts[i].delivered)
			ask_handshake(l, &n, "");
		else
			lab_refused(l, "request failed",
			    "{'type':'request_handshake','from_node_id':%u,'to_node_id':1,"
			    "'signature':'%s'}",
			    n.id, lab_sign(&n, "handshake:%u:1", n.id));
	}
	assert_int_equal(requests_waiting(l, &to, ids), INBOX_MAX);
	// The flood's last ones have gone.
	for (size_t i = 0; i < INBOX_MAX; i++)
		assert_int_equal(ids[i], i < INBOX_MAX - 4 ? 2 + i : 6 + i);
}

// Where all are from networks of their own nobody gives way.
static void test_inbox_of_many_networks(void **state)
{
	struct lab *l = *state;
	struct lab_node to = lab_node(l, 1), n;
	uint32_t ids[INBOX_MAX];

	for (uint8_t i = 0; i <= INBOX_MAX; i++) {
		char address[32];

		snprintf(address, sizeof(address), "10.0.%u.1:1", i);
		n = node_from(l, (uint8_t)(2 + i), address);
		if (i < INBOX_MAX)
			ask_handshake(l, &n, "");
	}
	lab_refused(l, "request failed",
	    "{'type':'request_handshake','from_node_id':%u,'to_node_id':1,'signature':'%s'}", n.id,
	    lab_sign(&n, "handshake:%u:1", n.id));
	assert_int_equal(requests_waiting(l, &to, ids), INBOX_MAX);
	assert_int_equal(ids[INBOX_MAX - 1], 1 + INBOX_MAX);
}

// Answers that nobody asked for do not push out one that was.
static void test_answers_not_asked_for(void **state)
{
	struct lab *l = *state;
	struct lab_node n = lab_node(l, 1), a = lab_node(l, 2);
	json_t *answer, *responses;

	lab_expect(l, "{}",
	    "{'type':'request_handshake','from_node_id':1,'to_node_id':2,'signature':'%s'}",
	    lab_sign(&n, "handshake:1:2"));
	lab_expect(l, "{}",
	    "{'type':'respond_handshake','node_id':2,'peer_id':1,'accept':true,'signature':'%s'}",
	    lab_sign(&a, "respond:2:1"));
	for (uint8_t seed = 3; seed < 3 + INBOX_MAX; seed++) {
		struct lab_node other = lab_node(l, seed);

		lab_expect(l, "{}",
		    "{'type':'respond_handshake','node_id':%u,'peer_id':1,'accept':true,"
		    "'signature':'%s'}",
		    other.id, lab_sign(&other, "respond:%u:1", other.id));
	}
	answer = lab_ask(l, "{'type':'poll_handshakes','node_id':1,'signature':'%s'}",
	    lab_sign(&n, "poll_handshakes:1"));
	responses = json_object_get(answer, "responses");
	assert_int_equal(json_array_size(responses), INBOX_MAX);
	assert_int_equal(object_u32(json_array_get(responses, 0), "from_node_id"), 2);
	json_decref(answer);
}

// A long request of many values is none: to read it would take longer than all others.
static void test_values(void **state)
{
	static const char *const values[] = {"0,", "[],", "{},", "\\\\", ",", " "};
	enum { SIZE = 1 << 20 };
	char *text = malloc(SIZE + 100);

	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		bool plain = i + 1 == sizeof(values) / sizeof(values[0]), quoted = i >= 3;
		size_t len = (size_t)sprintf(text, "{\"x\":%s", quoted ? "\"" : "[");
		struct request *q;

		while (len < SIZE)
			len += (size_t)sprintf(text + len, "%s", values[i]);
		len += (size_t)sprintf(text + len, "%s", quoted ? "\"}" : "0]}");
		q = request_parse(text, len);
		assert_int_equal(q != NULL, plain);
		request_free(q);
	}
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_newcomers, lab_open, lab_close),
	    cmocka_unit_test_setup_teardown(test_said_for_others, lab_open, lab_close),
	    cmocka_unit_test_setup_teardown(test_beacons_of_an_address, lab_open, lab_close),
	    cmocka_unit_test_setup_teardown(test_texts_that_wait, lab_open, lab_close),
	    cmocka_unit_test_setup_teardown(test_texts_of_a_network, lab_open, lab_close),
	    cmocka_unit_test_setup_teardown(test_crowded_inbox, lab_open, lab_close),
	    cmocka_unit_test_setup_teardown(test_inbox_of_many_networks, lab_open, lab_close),
	    cmocka_unit_test_setup_teardown(test_answers_not_asked_for, lab_open, lab_close),
	    cmocka_unit_test(test_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
