// SPDX-License-Identifier: BSD-3-Clause
// Where a node is: which datagrams speak for it, and what others are told.
#include "tests/unit/registry_lab.h"

#include <stdio.h>
#include <string.h>

static bool is_from(struct lab *l, uint32_t node, const char *text)
{
	struct endpoint at;
	bool known;

	assert_int_equal(endpoint_parse(text, 1, &at), 0);
	return place_is_from(&l->registry, node, &at, &known) && known;
}

static void resolves_to(struct lab *l, const struct lab_node *n, const char *text)
{
	char want[100];

	snprintf(want, sizeof(want), "{'real_addr':'%s'}", text);
	lab_expect(l, want, "{'type':'resolve','requester_id':%u,'node_id':%u,'signature':'%s'}",
	    n->id, n->id, lab_sign(n, "resolve:%u:%u", n->id, n->id));
}

static bool heard(void *ctx, uint32_t node, struct endpoint *at)
{
	*at = *(struct endpoint *)ctx;
	return node == 1;
}

// From now on the relay hears node 1 at `at`, which the caller may change.
static void hear_at(struct lab *l, struct endpoint *at, const char *text)
{
	l->registry.heard_at = heard;
	l->registry.heard_ctx = at;
	assert_int_equal(endpoint_parse(text, 0, at), 0);
}

// Its connection is IPv6, its datagrams are IPv4: they count once the key is proven.
static void test_two_families(void **state)
{
	struct lab *l = *state;
	struct lab_node n;
	uint8_t seed[IDENTITY_SEED_SIZE] = {0};
	char key[KEY_TEXT_MAX];

	memset(seed, 1, sizeof(seed));
	identity_derive(seed, n.key, n.secret);
	key_text(key, n.key);
	endpoint_parse("[2001:db8::7]:50000", 0, &l->from);
	lab_expect(l, "{'node_id':1,'observed_addr':'198.51.100.9:4000'}",
	    "{'type':'register','listen_addr':'198.51.100.9:4000','public_key':'%s'}", key);
	assert_false(is_from(l, 1, "198.51.100.9"));
	assert_int_equal(directory_find(&l->registry.nodes, 1)->at.port, 0);
	lab_expect(l, "{}", "{'type':'heartbeat','node_id':1,'signature':'%s'}",
	    lab_sign(&n, "heartbeat:1"));
	assert_true(is_from(l, 1, "198.51.100.9") && is_from(l, 1, "2001:db8::7"));
	assert_false(is_from(l, 1, "198.51.100.8") || is_from(l, 1, "2001:db8::8"));
	n.id = 1;
	resolves_to(l, &n, "198.51.100.9:4000");
	// somebody else claims as much without the key
	endpoint_parse("[2001:db8::66]:1", 0, &l->from);
	l->conn = (struct anchor){0};
	lab_expect(l, "{'node_id':1}",
	    "{'type':'register','listen_addr':'203.0.113.66:1','public_key':'%s'}", key);
	assert_true(is_from(l, 1, "198.51.100.9"));
	assert_false(is_from(l, 1, "203.0.113.66") || is_from(l, 1, "2001:db8::66"));
	// no address of a site, and no other address of the same family
	endpoint_parse("[2001:db8::7]:50000", 0, &l->from);
	lab_expect(l, "{'observed_addr':'[2001:db8::7]:4000'}",
	    "{'type':'register','listen_addr':'10.0.0.9:4000','public_key':'%s'}", key);
	lab_expect(l, "{'observed_addr':'[2001:db8::7]:4000'}",
	    "{'type':'register','listen_addr':'[2001:db8::9]:4000','public_key':'%s'}", key);
}

// Its connection comes through a proxy or another uplink of the same family.
static void test_two_uplinks(void **state)
{
	struct lab *l = *state;
	struct lab_node n = lab_node(l, 1);
	char key[KEY_TEXT_MAX];
	struct endpoint at;

	key_text(key, n.key);
	hear_at(l, &at, "203.0.113.1:777");
	lab_expect(l, "{'observed_addr':'198.51.100.7:4000'}",
	    "{'type':'register','listen_addr':'203.0.113.1:4000','public_key':'%s'}", key);
	assert_false(is_from(l, 1, "203.0.113.1"));
	lab_expect(l, "{}", "{'type':'heartbeat','node_id':1,'signature':'%s'}",
	    lab_sign(&n, "heartbeat:1"));
	assert_true(is_from(l, 1, "203.0.113.1") && is_from(l, 1, "198.51.100.7"));
	assert_false(is_from(l, 1, "203.0.113.2"));
	// others are told of it when the relay hears the node there
	resolves_to(l, &n, "203.0.113.1:777");
	endpoint_parse("203.0.113.2:777", 0, &at);
	resolves_to(l, &n, "198.51.100.7:4000");
	// who has no key changes nothing
	l->conn = (struct anchor){0};
	lab_expect(
	    l, "{}", "{'type':'register','listen_addr':'203.0.113.2:4000','public_key':'%s'}", key);
	assert_true(is_from(l, 1, "203.0.113.1"));
	assert_false(is_from(l, 1, "203.0.113.2"));
	// the node itself: in a heartbeat, or at the next registration
	lab_expect(l, "{}",
	    "{'type':'heartbeat','node_id':1,'listen_addr':'203.0.113.2:9','signature':'%s'}",
	    lab_sign(&n, "heartbeat:1:203.0.113.2:9"));
	assert_true(is_from(l, 1, "203.0.113.2") && !is_from(l, 1, "203.0.113.1"));
	lab_expect(l, "{}",
	    "{'type':'register','listen_addr':':9','public_key':'%s','signature':'%s'}", key,
	    lab_sign(&n, "register::9:%s", key));
	assert_false(is_from(l, 1, "203.0.113.2"));
}

// A relay elsewhere learns from where a node counts if it has the token, and nobody else does.
static void test_relays_are_told(void **state)
{
	struct lab *l = *state;
	struct lab_node n = lab_node(l, 1);
	char key[KEY_TEXT_MAX];
	json_t *found;

	key_text(key, n.key);
	lab_expect(
	    l, "{'anchors':['198.51.100.7']}", "{'type':'lookup','node_id':1,'admin_token':'adm'}");
	lab_expect(
	    l, "{}", "{'type':'register','listen_addr':'203.0.113.1:4000','public_key':'%s'}", key);
	lab_expect(l, "{}", "{'type':'heartbeat','node_id':1,'signature':'%s'}",
	    lab_sign(&n, "heartbeat:1"));
	lab_expect(l, "{'anchors':['203.0.113.1','198.51.100.7']}",
	    "{'type':'lookup','node_id':1,'admin_token':'adm'}");
	found = lab_ask(l, "{'type':'lookup','node_id':1,'admin_token':'nope'}");
	assert_int_equal(object_u32(found, "node_id"), 1);
	assert_null(json_object_get(found, "anchors"));
	json_decref(found);
	found = lab_ask(l, "{'type':'lookup','node_id':1}");
	assert_null(json_object_get(found, "anchors"));
	json_decref(found);
}

// Which addresses a node may claim beside its connection's.
static void test_claims(void **state)
{
	static const struct {
		const char *from, *says, *at, *claim;
	} facts[] = {
	    {"198.51.100.7", "198.51.100.7:4000", "198.51.100.7:4000", ""},
	    {"198.51.100.7", ":4000", "198.51.100.7:4000", ""},
	    {"198.51.100.7", "203.0.113.1:4000", "198.51.100.7:4000", "203.0.113.1:4000"},
	    {"198.51.100.7", "203.0.113.1:0", "", ""},
	    {"198.51.100.7", "10.0.0.1:4000", "198.51.100.7:4000", ""},
	    {"198.51.100.7", "127.0.0.1:4000", "198.51.100.7:4000", ""},
	    {"198.51.100.7", "224.0.0.1:4000", "198.51.100.7:4000", ""},
	    {"10.0.0.1", "10.1.0.1:4000", "10.0.0.1:4000", "10.1.0.1:4000"},
	    {"10.0.0.1", "192.168.0.1:4000", "10.0.0.1:4000", "192.168.0.1:4000"},
	    {"10.0.0.1", "203.0.113.1:4000", "10.0.0.1:4000", "203.0.113.1:4000"},
	    {"10.0.0.1", "127.0.0.1:4000", "10.0.0.1:4000", ""},
	    {"10.0.0.1", "0.0.0.0:4000", "10.0.0.1:4000", ""},
	    {"10.0.0.1", "169.254.0.1:4000", "10.0.0.1:4000", ""},
	    {"10.0.0.1", "239.0.0.1:4000", "10.0.0.1:4000", ""},
	    {"10.0.0.1", "[2001:db8::1]:4000", "[2001:db8::1]:4000", ""},
	    {"127.0.0.1", "127.0.0.3:4000", "127.0.0.1:4000", "127.0.0.3:4000"},
	    {"2001:db8::7", "[2001:db8::9]:4000", "[2001:db8::7]:4000", "[2001:db8::9]:4000"},
	    {"2001:db8::7", "[fd00::9]:4000", "[2001:db8::7]:4000", ""},
	    {"fd00::7", "[fd00::9]:4000", "[fd00::7]:4000", "[fd00::9]:4000"},
	    {"fd00::7", "[::]:4000", "[fd00::7]:4000", ""},
	    {"fd00::7", "[ff02::1]:4000", "[fd00::7]:4000", ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		char at[ENDPOINT_TEXT_MAX] = "", claim[ENDPOINT_TEXT_MAX] = "";
		struct endpoint from;
		struct place p;

		assert_int_equal(endpoint_parse(facts[i].from, 50000, &from), 0);
		p = place_read(&from, facts[i].says);
		if (p.at.port)
			endpoint_format(&p.at, at, sizeof(at));
		if (p.claim.port)
			endpoint_format(&p.claim, claim, sizeof(claim));
		if (strcmp(at, facts[i].at) != 0 || strcmp(claim, facts[i].claim) != 0)
			fail_msg("%s says %s: at %s, claims %s", facts[i].from, facts[i].says, at,
			    claim);
	}
}

// A host that has moved signs from its new address: where it was does not count any more.
static void test_moved(void **state)
{
	struct lab *l = *state;
	struct lab_node n = lab_node(l, 1);
	struct endpoint at;

	hear_at(l, &at, "203.0.113.1:777");
	resolves_to(l, &n, "198.51.100.7:4000");
	endpoint_parse("203.0.113.1:50001", 0, &l->from);
	lab_expect(l, "{}", "{'type':'heartbeat','node_id':1,'signature':'%s'}",
	    lab_sign(&n, "heartbeat:1"));
	assert_true(is_from(l, 1, "203.0.113.1") && !is_from(l, 1, "198.51.100.7"));
	resolves_to(l, &n, "203.0.113.1:777");
}

// The relay knows the port that a NAT has chosen since, but not another address.
static void test_heard(void **state)
{
	struct lab *l = *state;
	struct lab_node a = lab_node(l, 1);
	struct endpoint at;

	hear_at(l, &at, "198.51.100.7:777");
	resolves_to(l, &a, "198.51.100.7:777");
	endpoint_parse("198.51.100.8:777", 0, &at);
	resolves_to(l, &a, "198.51.100.7:4000");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_two_families, lab_open, lab_close),
	    cmocka_unit_test_setup_teardown(test_two_uplinks, lab_open, lab_close),
	    cmocka_unit_test_setup_teardown(test_relays_are_told, lab_open, lab_close),
	    cmocka_unit_test(test_claims),
	    cmocka_unit_test_setup_teardown(test_moved, lab_open, lab_close),
	    cmocka_unit_test_setup_teardown(test_heard, lab_open, lab_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
