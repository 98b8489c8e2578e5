// SPDX-License-Identifier: BSD-3-Clause
// Fleets: the file with its errors, who is welcomed, a file that changes.
#include "tests/unit/registry_lab.h"

#include <errno.h>
#include <stdio.h>

#define KEY_1 "iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w="

static void test_errors(void **state)
{
	static const struct {
		const char *file, *error;
	} wrong[] = {
	    {"[]", "line 1: not an object"},
	    {"{\n'fleets': [\n}", "line 3: unexpected token near '}'"},
	    {"{}", "line 1: \"fleets\" is no list of 1 to 256 with up to 100000 agents"},
	    {"{'fleets':[], 'fleet':1}", "line 1: \"fleet\" is no key here"},
	    {"{'fleets':[{}]}", "line 1: fleet 1: network name required"},
	    {"{'fleets':[{'name':'x'},\n\n{'name':'x'}]}",
		"line 3: fleet 2: name \"x\" is used twice"},
	    {"{'fleets':[{'name':'x','tags':['A']}]}",
		"line 1: fleet 1: tag \"A\" must be lowercase alphanumeric with hyphens"},
	    {"{'fleets':[\n{'name':'x','agents':'y'}]}", "line 2: fleet 1: \"agents\" is no list"},
	    {"{'fleets':[{'name':'x',\n'agents':[\n{'hostname':'a','public_key':'" KEY_1
	     "'},\n{'hostname':'b','public_key':'QUJD'}]}]}",
		"line 4: agent 2: public_key \"QUJD\" is not base64 of 32 bytes"},
	    {"{'fleets':[{'name':'x{[','agents':[]}]}",
		"line 1: fleet 1: network name must be lowercase alphanumeric with hyphens"},
	    {"{'fleets':[{'name':'w'},{'name':'x','agents':[\n{'hostname':'A'}]}]}",
		"line 2: agent 1: \"A\": hostname must be lowercase alphanumeric with hyphens, "
		"start/end with alphanumeric"},
	    {"{'fleets':[{'name':'x','agents':[{'publickey':'a'}]}]}",
		"line 1: agent 1: \"publickey\" is no key here"},
	    {"{'fleets':[{'name':'x','agents':[{'hostname':'a','public_key':'" KEY_1
	     "'},{'hostname':'b','public_key':'" KEY_1 "'}]}]}",
		"agents \"a\" and \"b\" have one key"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct parse_error error = {.text = ""};
		struct fleets f;
		char text[512];

		snprintf(text, sizeof(text), "%s", wrong[i].file);
		for (char *c = text; *c; c++)
			if (*c == '\'')
				*c = '"';
		assert_int_equal(fleets_parse(&f, text, strlen(text), &error), -EINVAL);
		assert_string_equal(error.text, wrong[i].error);
		fleets_free(&f);
	}
}

static void read_fleets(struct lab *l, const char *file)
{
	struct parse_error error = {.text = ""};
	struct fleets next;

	if (fleets_parse(&next, file, strlen(file), &error) ||
	    fleets_replace(&l->registry, &next, l->t.unix_s, &error))
		fail_msg("%s", error.text);
}

static bool trusted(struct lab *l, uint32_t a, uint32_t b)
{
	json_t *answer = lab_ask(l, "{'type':'check_trust','node_id':%u,'peer_id':%u}", a, b);
	bool yes = json_is_true(json_object_get(answer, "trusted"));

	json_decref(answer);
	return yes;
}

static uint32_t come(struct lab *l, uint8_t seed, const char *fields)
{
	json_t *answer = lab_ask(l,
	    "{'type':'register','listen_addr':':4000','public_key':'A%cEHv/"
	    "POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=',%s}",
	    '0' + seed, fields);
	json_t *id = json_object_get(answer, "node_id");
	uint32_t n = (uint32_t)json_number_value(id);

	assert_non_null(id);
	json_decref(answer);
	return n;
}

static const char trading[] =
    "{\"fleets\":[{\"name\":\"trading\",\"token\":\"boot\",\"tags\":[\"finance\"],"
    "\"agents\":[{\"hostname\":\"desk-1\",\"public_key\":\"" KEY_1 "\",\"tags\":[\"eu\"]}]}]}";

// By key, by token, and by the token in what daemons send as e-mail.
static void test_first_boot(void **state)
{
	struct lab *l = *state;
	struct lab_node a;
	uint32_t b, c, stranger, wrong;

	read_fleets(l, trading);
	a = lab_node(l, 1);
	lab_expect(l, "{'hostname':'desk-1','tags':['finance','eu'],'networks':[0,1]}",
	    "{'type':'lookup','node_id':%u}", a.id);
	b = come(l, 1, "'identity_token':'boot'");
	c = come(l, 2, "'owner':'boot@trading.fleet'");
	lab_expect(l, "{'tags':['finance'],'networks':[0,1]}", "{'type':'lookup','node_id':%u}", b);
	lab_expect(l, "{'tags':['finance'],'networks':[0,1]}", "{'type':'lookup','node_id':%u}", c);
	// the token is not kept
	lab_expect(l, "{'owner':'@trading.fleet'}",
	    "{'type':'get_identity','node_id':%u,'admin_token':'adm'}", c);
	stranger = come(l, 3, "'owner':'boot@trading.example'");
	wrong = come(l, 4, "'owner':'boat@trading.fleet'");
	come(l, 5, "'owner':'@trading.fleet'");
	come(l, 6, "'owner':'boot@.fleet'");
	assert_true(trusted(l, a.id, b) && trusted(l, b, c) && trusted(l, c, a.id));
	assert_false(trusted(l, a.id, stranger) || trusted(l, wrong, b));
	assert_int_equal(network_find(&l->registry.networks, 1)->count, 3);
}

// Members find each other by name on a connection that has shown whose it is.
static void test_names_of_members(void **state)
{
	struct lab *l = *state;
	struct lab_node a, b;

	read_fleets(l, trading);
	a = lab_node(l, 1);
	b = lab_node(l, 2);
	lab_refused(
	    l, "hostname \"desk-1\" not found", "{'type':'resolve_hostname','hostname':'desk-1'}");
	lab_expect(l, "{}", "{'type':'heartbeat','node_id':%u,'signature':'%s'}", b.id,
	    lab_sign(&b, "heartbeat:%u", b.id));
	lab_refused(
	    l, "hostname \"desk-1\" not found", "{'type':'resolve_hostname','hostname':'desk-1'}");
	lab_expect(l, "{}",
	    "{'type':'join_network','node_id':%u,'network_id':1,'token':'boot',"
	    "'signature':'%s'}",
	    b.id, lab_sign(&b, "join_network:%u:1", b.id));
	lab_expect(
	    l, "{'node_id':1,'public':false}", "{'type':'resolve_hostname','hostname':'desk-1'}");
	// another connection has shown nothing
	l->conn = (struct anchor){0};
	lab_refused(l, "hostname \"desk-1\" not found",
	    "{'type':'resolve_hostname','hostname':'desk-1','requester_id':%u}", b.id);
	assert_int_equal(a.id, 1);
}

static void test_changed_file(void **state)
{
	struct lab *l = *state;
	uint32_t early, late;
	struct lab_node a;

	a = lab_node(l, 1);
	early = come(l, 1, "'owner':'boot@trading.fleet'");
	lab_expect(l, "{'networks':[0]}", "{'type':'lookup','node_id':%u}", a.id);
	read_fleets(l, trading);
	// listed agents join at once, those with a token when they come
	lab_expect(
	    l, "{'hostname':'desk-1','networks':[0,1]}", "{'type':'lookup','node_id':%u}", a.id);
	lab_expect(l, "{'networks':[0]}", "{'type':'lookup','node_id':%u}", early);
	read_fleets(l, "{\"fleets\":[{\"name\":\"trading\",\"token\":\"fresh\"}]}");
	assert_string_equal(network_find(&l->registry.networks, 1)->token, "fresh");
	late = come(l, 2, "'owner':'boot@trading.fleet'");
	lab_expect(l, "{'networks':[0]}", "{'type':'lookup','node_id':%u}", late);
	late = come(l, 3, "'owner':'fresh@trading.fleet'");
	lab_expect(l, "{'networks':[0,1]}", "{'type':'lookup','node_id':%u}", late);
	// who is in stays in
	lab_expect(l, "{'networks':[0,1]}", "{'type':'lookup','node_id':%u}", a.id);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_errors),
	    cmocka_unit_test_setup_teardown(test_first_boot, lab_open, lab_close),
	    cmocka_unit_test_setup_teardown(test_names_of_members, lab_open, lab_close),
	    cmocka_unit_test_setup_teardown(test_changed_file, lab_open, lab_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
