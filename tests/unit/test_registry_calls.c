// SPDX-License-Identifier: BSD-3-Clause
// Requests of the minimum (wire-registry.md section 8) and the rules beyond it.
#include "tests/unit/registry_lab.h"

#include <stdio.h>

#define PUB "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="

static void test_vectors(void **state)
{
	// wire-registry.md section 11
	static const struct {
		const char *challenge, *signature;
	} vectors[] = {
	    {"heartbeat:4242", "hIhd/A25pqJTMJsGvUUges/Migg+YG4HayDDMxA3WRvMyDboJ8vsYfh/DOkgXpbV13f"
			       "vYiUOfQtNKdViwlzDAg=="},
	    {"resolve:4242:17",
		"2SjjqGttGjtj64B80wJi2ltXY15Dvb9ojHzRx/4zXG/bvXbJ/JAfhX3KZOZIdYf4E42Z"
		"tkwsUobsDwNVp8QwAw=="},
	    {"report_trust:4242:17",
		"t7u/p9K/NqsiFgeFfJgdqB3Cnd46CY6ZIGu5dKmjYBDzzeFaNBgLp70RonRt5c5"
		"ctE3t4rtfFSAP4ZEcw+CUCA=="},
	    {"handshake:4242:17",
		"/vIJH0CiiLP8YKWvNE1DOLrCu7tpMnJwcUYv23ek7fWnuv0Kket7U1de0tExVc2z+"
		"V3QBJaF8lwF9enUcRScCg=="},
	    {"respond:4242:17",
		"XicugQCyZTC9eMr4ijDQKWOB0Qka21PDhjuoTsjsOFSi0WmyLKb3Dv7Ashi9hAbNa4Gh"
		"Pv3fuWI9msQ7B4dHAw=="},
	    {"set_tags:4242", "YA+wb72BNuZZHp/XAWaGEGbdL7OEfKjRovuoxs9WJ7wILruAS+i0nA/ZbjqMsNW+V1Ud"
			      "b0OqbtF1FJ1nIYboAw=="},
	};
	struct lab_node n;
	uint8_t seed[IDENTITY_SEED_SIZE];
	char key[KEY_TEXT_MAX];

	(void)state;
	for (unsigned i = 0; i < sizeof(seed); i++)
		seed[i] = (uint8_t)i;
	identity_derive(seed, n.key, n.secret);
	assert_string_equal(key_text(key, n.key), PUB);
	for (size_t i = 0; i < ARRAY_SIZE(vectors); i++)
		assert_string_equal(lab_sign(&n, "%s", vectors[i].challenge), vectors[i].signature);
}

static void test_register(void **state)
{
	struct lab *l = *state;

	lab_expect(l,
	    "{'type':'register_ok','node_id':1,'network_id':0,'address':'0:0000.0000.0001',"
	    "'public_key':'" PUB "','observed_addr':'198.51.100.7:40111','protocol_version':1}",
	    "{'type':'register','listen_addr':'10.0.0.1:40111','public_key':'" PUB "'}");
	lab_expect(l, "{'node_id':1,'observed_addr':''}",
	    "{'type':'register','listen_addr':'','public_key':'" PUB "'}");
	lab_expect(l, "{'observed_addr':'198.51.100.7:50000'}",
	    "{'type':'register','listen_addr':'nonsense','public_key':'" PUB "'}");
	lab_expect(l, "{'observed_addr':''}",
	    "{'type':'register','listen_addr':'1.2.3.4:99999','public_key':'" PUB "'}");
	lab_expect(l, "{'hostname_error':'hostname \\\"localhost\\\" is reserved'}",
	    "{'type':'register','hostname':'localhost','public_key':'" PUB "'}");
	lab_refused(l, "request failed", "{'type':'register'}");
	lab_refused(
	    l, "invalid public key: must be 32 bytes", "{'type':'register','public_key':'QUJD'}");
	// one spelling of a key only: bits behind the last byte must be zero
	lab_refused(l, "invalid public key: no standard base64",
	    "{'type':'register','public_key':'A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbh='}");
}

static void test_heartbeat(void **state)
{
	struct lab *l = *state;
	struct lab_node n = lab_node(l, 1);
	char *good = strdup(lab_sign(&n, "heartbeat:1"));

	lab_expect(l, "{'type':'heartbeat_ok','time':1800000000}",
	    "{'type':'heartbeat','node_id':1,'signature':'%s'}", good);
	lab_expect(l, "{'type':'heartbeat_ok'}",
	    "{'type':'heartbeat','node_id':1,'signature':'%s'}", good);
	// the same bytes again are known, others are not
	assert_int_equal(l->verifications, 1);
	lab_refused(l, "request failed", "{'type':'heartbeat','node_id':1,'signature':'%s'}",
	    lab_sign(&n, "heartbeat:2"));
	lab_refused(
	    l, "signature required for authenticated node", "{'type':'heartbeat','node_id':1}");
	lab_refused(l, "invalid signature encoding: no standard base64",
	    "{'type':'heartbeat','node_id':1,'signature':'?'}");
	lab_refused(
	    l, "node 9: node not found", "{'type':'heartbeat','node_id':9,'signature':'%s'}", good);
	lab_expect(l, "{'type':'heartbeat_ok'}",
	    "{'type':'heartbeat','node_id':1,'listen_addr':'1.1.1.1:77','signature':'%s'}",
	    lab_sign(&n, "heartbeat:1:1.1.1.1:77"));
	assert_int_equal(directory_find(&l->registry.nodes, 1)->at.port, 77);
	free(good);
}

static void test_expiry(void **state)
{
	struct lab *l = *state;
	struct lab_node n = lab_node(l, 1), silent = lab_node(l, 2);

	lab_expect(l, "{}", "{'type':'set_hostname','node_id':1,'hostname':'one','signature':'%s'}",
	    lab_sign(&n, "set_hostname:1"));
	l->t.now_s += STALE_S - 1;
	registry_tick(&l->registry, l->t);
	assert_int_equal(l->registry.nodes.live, 2);
	l->t.now_s += 1;
	registry_tick(&l->registry, l->t);
	assert_int_equal(l->registry.nodes.live, 0);
	// who proved its key is remembered, who did not is forgotten, and its id not given again
	assert_int_equal(l->registry.nodes.count, 1);
	lab_refused(
	    l, "hostname \"one\" not found", "{'type':'resolve_hostname','hostname':'one'}");
	assert_int_equal(lab_node(l, 1).id, n.id);
	assert_int_equal(lab_node(l, 2).id, silent.id + 1);
}

static void test_takeover(void **state)
{
	struct lab *l = *state;
	struct lab_node n = lab_node(l, 1);
	char key[KEY_TEXT_MAX];
	struct endpoint home = l->from;

	key_text(key, n.key);
	// from elsewhere, without proof: answered, but the endpoint stays
	endpoint_parse("203.0.113.9:1", 0, &l->from);
	lab_expect(l, "{'node_id':1,'observed_addr':'203.0.113.9:5'}",
	    "{'type':'register','listen_addr':':5','public_key':'%s'}", key);
	assert_true(endpoint_same_addr(&directory_find(&l->registry.nodes, 1)->at, &home));
	// until the key is proven on the same connection
	lab_expect(l, "{}", "{'type':'heartbeat','node_id':1,'signature':'%s'}",
	    lab_sign(&n, "heartbeat:1"));
	assert_true(endpoint_same_addr(&directory_find(&l->registry.nodes, 1)->at, &l->from));
	// signed once, signed always
	lab_expect(l, "{'node_id':1}",
	    "{'type':'register','listen_addr':':6','public_key':'%s','signature':'%s'}", key,
	    lab_sign(&n, "register::6:%s", key));
	lab_refused(l, "signature required: this key has signed its registration before",
	    "{'type':'register','listen_addr':':7','public_key':'%s'}", key);
	lab_refused(l, "request failed",
	    "{'type':'register','listen_addr':':7','public_key':'%s','signature':'%s'}", key,
	    lab_sign(&n, "register::6:%s", key));
}

static void test_profile(void **state)
{
	struct lab *l = *state;
	struct lab_node n = lab_node(l, 1), other = lab_node(l, 2);

	lab_expect(l, "{'node_id':1,'tags':['gpu','llm']}",
	    "{'type':'set_tags','node_id':1,'tags':['#gpu','llm','gpu'],'signature':'%s'}",
	    lab_sign(&n, "set_tags:1"));
	lab_expect(l, "{'tags':[]}", "{'type':'set_tags','node_id':1,'signature':'%s'}",
	    lab_sign(&n, "set_tags:1"));
	lab_refused(l, "too many tags (max 10)",
	    "{'type':'set_tags','node_id':1,'tags':['a','b','c','d','e','f','g','h','i','j','k']}");
	lab_refused(l, "tag \"abcdefghijklmnopqrstuvwxyzabcdefghijk\" too long (max 32 chars)",
	    "{'type':'set_tags','node_id':1,'tags':['abcdefghijklmnopqrstuvwxyzabcdefghijk']}");
	lab_refused(l, "request failed", "{'type':'set_tags','node_id':1,'tags':['']}");
	lab_expect(l, "{'node_id':1,'visibility':'public'}",
	    "{'type':'set_visibility','node_id':1,'public':true,'signature':'%s'}",
	    lab_sign(&n, "set_visibility:1"));
	lab_expect(l, "{'hostname':'ann'}",
	    "{'type':'set_hostname','node_id':1,'hostname':'ann','admin_token':'adm'}");
	lab_refused(l, "hostname \"ann\" already in use by node 1",
	    "{'type':'set_hostname','node_id':2,'hostname':'ann','signature':'%s'}",
	    lab_sign(&other, "set_hostname:2"));
	lab_refused(l,
	    "invalid hostname: hostname must be lowercase alphanumeric with hyphens, start/end "
	    "with alphanumeric",
	    "{'type':'set_hostname','node_id':2,'hostname':'Ann'}");
	lab_expect(l, "{'node_id':1,'address':'0:0000.0000.0001','public':true,'hostname':'ann'}",
	    "{'type':'resolve_hostname','hostname':'ann'}");
	lab_expect(l,
	    "{'node_id':1,'networks':[0],'public':true,'polo_score':0,'hostname':'ann',"
	    "'real_addr':'198.51.100.7:4000'}",
	    "{'type':'lookup','node_id':1}");
	lab_expect(l, "{'type':'deregister_ok'}",
	    "{'type':'deregister','node_id':1,'signature':'%s'}", lab_sign(&n, "deregister:1"));
	lab_expect(l, "{'type':'deregister_ok'}", "{'type':'deregister','node_id':1}");
	lab_refused(l, "node 1: node not found", "{'type':'lookup','node_id':1}");
}

// A name needs proof where one could be taken from somebody; a program that comes back may be
// another version.
static void test_return(void **state)
{
	struct lab *l = *state;
	struct lab_node n = lab_node(l, 1);
	char key[KEY_TEXT_MAX];
	json_t *found;

	key_text(key, n.key);
	lab_expect(l,
	    "{'hostname_error':'hostname \\\"ann\\\" not set: a signed registration or "
	    "set_hostname is required'}",
	    "{'type':'register','public_key':'%s','hostname':'ann','version':'v1.9.0'}", key);
	lab_expect(l, "{'version':'v1.9.0'}", "{'type':'lookup','node_id':1}");
	lab_expect(l, "{}", "{'type':'deregister','node_id':1,'signature':'%s'}",
	    lab_sign(&n, "deregister:1"));
	lab_expect(
	    l, "{'hostname':'ann'}", "{'type':'register','public_key':'%s','hostname':'ann'}", key);
	found = lab_ask(l, "{'type':'lookup','node_id':1}");
	assert_null(json_object_get(found, "version"));
	json_decref(found);
}

static void test_rotate(void **state)
{
	struct lab *l = *state;
	struct lab_node n = lab_node(l, 1), other = lab_node(l, 2), next;
	uint8_t seed[IDENTITY_SEED_SIZE] = {9};
	char key[KEY_TEXT_MAX];

	identity_derive(seed, next.key, next.secret);
	key_text(key, n.key);
	lab_expect(l, "{'node_id':1}",
	    "{'type':'register','listen_addr':':6','public_key':'%s','signature':'%s'}", key,
	    lab_sign(&n, "register::6:%s", key));
	lab_expect(l, "{}",
	    "{'type':'rotate_key','node_id':1,'signature':'%s','new_public_key':'%s'}",
	    lab_sign(&n, "rotate:1"), key_text(key, next.key));
	lab_refused(l, "request failed", "{'type':'heartbeat','node_id':1,'signature':'%s'}",
	    lab_sign(&n, "heartbeat:1"));
	lab_expect(l, "{}", "{'type':'heartbeat','node_id':1,'signature':'%s'}",
	    lab_sign(&next, "heartbeat:1"));
	lab_expect(l, "{'rotate_count':1}", "{'type':'get_key_info','node_id':1}");
	lab_refused(l, "invalid new_public_key: already in use",
	    "{'type':'rotate_key','node_id':2,'signature':'%s','new_public_key':'%s'}",
	    lab_sign(&other, "rotate:2"), key);
	// the new key has not signed a registration yet, the old one is nobody's
	lab_expect(
	    l, "{'node_id':1}", "{'type':'register','listen_addr':':6','public_key':'%s'}", key);
	assert_int_equal(lab_node(l, 1).id, 3);
}

// An answer that was written takes away what it told, not what came meanwhile, and no invite.
static void test_delivery(void **state)
{
	struct lab *l = *state;
	struct lab_node a = lab_node(l, 1), b = lab_node(l, 2);
	struct inbox_entry invite = {.kind = INBOX_INVITE, .from = a.id, .network = 1};
	struct dir_node *n;

	lab_node(l, 3);
	n = directory_find(&l->registry.nodes, 3);
	assert_int_equal(inbox_add(&n->inbox, invite), 0);
	lab_expect(l, "{}",
	    "{'type':'request_handshake','from_node_id':1,'to_node_id':3,'signature':'%s'}",
	    lab_sign(&a, "handshake:1:3"));
	lab_expect(l, "{}",
	    "{'type':'request_handshake','from_node_id':2,'to_node_id':3,'signature':'%s'}",
	    lab_sign(&b, "handshake:2:3"));
	assert_int_equal(n->inbox->count, 3);
	call_delivered(&l->registry, 3, n->inbox->at[1].seq);
	assert_int_equal(n->inbox->count, 2);
	assert_int_equal(n->inbox->at[1].from, b.id);
	call_delivered(&l->registry, 3, UINT64_MAX);
	assert_int_equal(n->inbox->count, 1);
	assert_int_equal(n->inbox->at[0].kind, INBOX_INVITE);
}

// Go's way with fields: what is missing or mistyped is zero, numbers are doubles.
static void test_fields(void **state)
{
	struct lab *l = *state;

	lab_node(l, 1);
	lab_expect(l, "{'node_id':1}", "{'type':'lookup','node_id':1.9}");
	lab_refused(l, "node 0: node not found", "{'type':'lookup','node_id':'1'}");
	lab_refused(l, "node 0: node not found", "{'type':'lookup','node_id':-1}");
	lab_refused(l, "node 0: node not found", "{'type':'lookup','node_id':4294967296}");
	lab_refused(l, "request failed", "{}");
	lab_refused(l, "request failed", "{'type':'already not found'}");
}

static void test_lan_addresses(void **state)
{
	struct lab *l = *state;

	lab_node(l, 1);
	lab_expect(l, "{'node_id':2}",
	    "{'type':'register','public_key':'" PUB "','lan_addrs':['10.0.0.1:1','','fd00::1 x',"
	    "'10.0.0.2:2']}");
	assert_string_equal(
	    directory_find(&l->registry.nodes, 2)->lan_addrs, "10.0.0.1:1\n10.0.0.2:2");
	// what only jansson reads
	lab_expect(l, "{'node_id':2}",
	    "{'type':'register','public_key':'" PUB "','lan_addrs':[ '10.0.0.3:3', 7 ],"
	    "'endpoints':[{'network':'tcp','addr':'192.0.2.1:1'},{'network':'','addr':'x'},"
	    "{'network':'quic','addr':'192.0.2.1:2'}]}");
	assert_string_equal(directory_find(&l->registry.nodes, 2)->lan_addrs, "10.0.0.3:3");
	assert_string_equal(
	    directory_find(&l->registry.nodes, 2)->endpoints, "tcp 192.0.2.1:1\nquic 192.0.2.1:2");
}

// Is it a request for us just when it is one for jansson, with the same fields?
static void same_request(const char *text, size_t len)
{
	json_t *want = object_parse(text, len);
	struct request *have = request_parse(text, len);
	const char *key;
	json_t *v;

	if (!want != !have)
		fail_msg("\"%.*s\" %s", (int)len, text, have ? "passes" : "is refused");
	json_object_foreach(want, key, v)
	{
		// texts end before a zero
		bool same = json_is_string(v)
				? strcmp(json_string_value(v), field_text(have, key)) == 0
				: json_equal(field_json(have, key), v);

		if (!same)
			fail_msg("%.*s: %s", (int)len, text, key);
	}
	json_decref(want);
	request_free(have);
}

static void test_request_bodies(void **state)
{
	static const char *const bodies[] = {"", "null", " null\n", "nullx", "[1]", "1", "\"a\"",
	    "{", "{}", " {\t}\r\n", "{}x", "{,}", "{\"a\":1,}", "{\"a\"}", "{\"a\":}", "{1:2}",
	    "{\"a\":1 \"b\":2}", "{\"a\" : 1 , \"b\" : \"x\"}", "{\"a\":1,\"a\":2}",
	    "{\"a\":0,\"b\":-0,\"c\":00}", "{\"a\":01}", "{\"a\":-1}", "{\"a\":-}", "{\"a\":+1}",
	    "{\"a\":1.}", "{\"a\":1.5e3}", "{\"a\":1e999}", "{\"a\":1e}", "{\"a\":1\n}",
	    "{\"a\":999999999999999,\"b\":9999999999999999,\"c\":123456789012345678901234567890}",
	    "{\"a\":true,\"b\":false,\"c\":null}", "{\"a\":tru}", "{\"a\":truex}", "{\"a\":nul}",
	    "{\"a\":[1,\"x\",{\"b\":[]}],\"c\":{\"d\":{}}}", "{\"a\":[1,]}", "{\"a\":[}",
	    "{\"a\":[\"x\",\"\",\"yz\"],\"b\":[\"1\"]}", "{\"a\":[\"x\",\"\\n\"]}",
	    "{\"a\":[\"x\" ,\"y\"]}", "{\"a\":[\"x\",1]}", "{\"a\":[\"", "{\"a\":{]}",
	    "{\"a\":\"\\u0041\\n\\\\\\\"\"}", "{\"\\u0061b\":\"\\ud83d\\ude00x\"}",
	    "{\"a\":\"\\ud83d\"}", "{\"a\":\"\\u0000\"}", "{\"a\\u0000\":1}",
	    "{\"a\":[\"\\u0000\"]}", "{\"a\":\"\\x\"}", "{\"a\":\"\xc3\xa4\"}", "{\"\xc3\xa4\":1}",
	    "{\"a\":\"\xc3\"}", "{\"a\":\"\xff\"}", "{\"a\":\"tab\there\"}", "{\"a\":\"\x7f\"}",
	    "{\"a\":\"", "{\"a\":\"x", "{\"\":\"\"}", "{\"a\":\"\",\"\":{}}"};
	char text[64], *many;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
		size_t len = strlen(bodies[i]);

		same_request(bodies[i], len);
		// every byte of it gone, and another
		for (size_t at = 0; at < len && len < sizeof(text); at++) {
			memcpy(text, bodies[i], at);
			memcpy(text + at, bodies[i] + at + 1, len - at - 1);
			same_request(text, len - 1);
			memcpy(text, bodies[i], len);
			for (const char *c = "\"\\{}[],:01-.eE x\xc3"; *c; c++) {
				text[at] = *c;
				same_request(text, len);
			}
			text[at] = 0;
			assert_null(request_parse(text, len));
		}
	}
	many = malloc((REQUEST_FIELD_MAX + 1) * 5 + 2);
	assert_non_null(many);
	for (size_t i = 0; i <= REQUEST_FIELD_MAX; i++)
		memcpy(many + 1 + i * 5, "\"\":1,", 5 + 1);
	many[0] = '{';
	many[REQUEST_FIELD_MAX * 5] = '}';
	same_request(many, REQUEST_FIELD_MAX * 5 + 1);
	many[REQUEST_FIELD_MAX * 5] = ',';
	many[REQUEST_FIELD_MAX * 5 + 5] = '}';
	assert_null(request_parse(many, REQUEST_FIELD_MAX * 5 + 6));
	free(many);
}

static struct type_count counted(const struct lab *l, const char *type)
{
	const char *name;

	for (unsigned i = 0; (name = call_type_name(i)); i++) {
		assert_in_range(i, 0, REGISTRY_TYPES_MAX - 1);
		if (!strcmp(name, type))
			return l->registry.types[i];
	}
	fail_msg("no requests of type %s", type);
	return (struct type_count){0};
}

// Each type of request has counts of its own; of one that is not known there is no row.
static void test_counts(void **state)
{
	struct lab *l = *state;
	struct lab_node a = lab_node(l, 1);
	struct type_count n;
	uint64_t sum = 0;

	for (int i = 0; i < 3; i++)
		lab_expect(l, "{'type':'heartbeat_ok'}",
		    "{'type':'heartbeat','node_id':1,'signature':'%s'}",
		    lab_sign(&a, "heartbeat:1"));
	lab_refused(l, "request failed", "{'type':'heartbeat','node_id':1,'signature':'%s'}",
	    lab_sign(&a, "heartbeat:2"));
	lab_refused(l, "node 9: node not found", "{'type':'lookup','node_id':9}");
	json_decref(lab_ask(l, "{'type':'nonsense'}"));
	n = counted(l, "heartbeat");
	assert_int_equal(n.requests, 4);
	assert_int_equal(n.errors, 1);
	n = counted(l, "lookup");
	assert_int_equal(n.requests, 1);
	assert_int_equal(n.errors, 1);
	for (unsigned i = 0; i < REGISTRY_TYPES_MAX; i++)
		sum += l->registry.types[i].requests;
	assert_int_equal(sum + 1, l->registry.count[REGISTRY_REQUESTS]);
	assert_int_equal(l->registry.count[REGISTRY_UNKNOWN], 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_request_bodies),
	    cmocka_unit_test_setup_teardown(test_lan_addresses, lab_open, lab_close),
	    cmocka_unit_test_setup_teardown(test_vectors, lab_open, lab_close),
	    cmocka_unit_test_setup_teardown(test_register, lab_open, lab_close),
	    cmocka_unit_test_setup_teardown(test_heartbeat, lab_open, lab_close),
	    cmocka_unit_test_setup_teardown(test_expiry, lab_open, lab_close),
	    cmocka_unit_test_setup_teardown(test_takeover, lab_open, lab_close),
	    cmocka_unit_test_setup_teardown(test_profile, lab_open, lab_close),
	    cmocka_unit_test_setup_teardown(test_return, lab_open, lab_close),
	    cmocka_unit_test_setup_teardown(test_rotate, lab_open, lab_close),
	    cmocka_unit_test_setup_teardown(test_delivery, lab_open, lab_close),
	    cmocka_unit_test_setup_teardown(test_fields, lab_open, lab_close),
	    cmocka_unit_test_setup_teardown(test_counts, lab_open, lab_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
