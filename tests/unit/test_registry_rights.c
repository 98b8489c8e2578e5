// SPDX-License-Identifier: BSD-3-Clause
// Who may do what, and learn what: the rules that go beyond the daemons' registry.
#include "tests/unit/registry_lab.h"

#include <stdio.h>

// An owner 1 and a member 2 of the enterprise network 1, a stranger 3.
struct party {
	struct lab_node owner, member, stranger;
};

static struct party make_party(struct lab *l)
{
	struct party p = {lab_node(l, 1), lab_node(l, 2), lab_node(l, 3)};

	lab_expect(l, "{'network_id':1}",
	    "{'type':'create_network','node_id':1,'name':'corp','enterprise':true,'admin_token':"
	    "'adm','network_admin_token':'own'}");
	lab_expect(l, "{}", "{'type':'join_network','node_id':2,'network_id':1,'signature':'%s'}",
	    lab_sign(&p.member, "join_network:2:1"));
	return p;
}

// Requests of the owner, with what is signed.
static const struct {
	const char *type, *fields, *target; // the end of what is signed
} role_gated[] = {
    {"rename_network", "'name':'corp-two'", ""},
    {"set_network_policy", "'max_members':50", ""},
    {"set_expr_policy", "'expr_policy':''", ""},
    {"set_member_tags", "'target_node_id':2,'tags':['a']", ":2"},
    {"promote_member", "'target_node_id':2", ":2"},
    {"demote_member", "'target_node_id':2", ":2"},
    {"transfer_ownership", "'new_owner_id':2", ":2"},
    {"kick_member", "'target_node_id':1", ":1"},
    {"delete_network", "'x':0", ""},
};

static void refused_as(struct lab *l, size_t i, const struct lab_node *n, const char *signature)
{
	json_t *answer = lab_ask(l, "{'type':'%s','network_id':1,'node_id':%u,%s,'signature':'%s'}",
	    role_gated[i].type, n->id, role_gated[i].fields, signature);

	if (strcmp(json_string_value(json_object_get(answer, "type")), "error") != 0)
		fail_msg("%s as node %u was done", role_gated[i].type, n->id);
	json_decref(answer);
}

static const char *sign_role(size_t i, const struct lab_node *as, const struct lab_node *by)
{
	return lab_sign(by, "%s:%u:1%s", role_gated[i].type, as->id, role_gated[i].target);
}

// The node that says "I am the owner" is nobody; a member and a stranger sign in vain.
static void test_roles(void **state)
{
	struct lab *l = *state;
	struct party p = make_party(l);

	for (size_t i = 0; i < ARRAY_SIZE(role_gated); i++) {
		refused_as(l, i, &p.owner, "");
		for (int who = 0; who < 3; who++) {
			const struct lab_node *as = who == 0   ? &p.owner
						    : who == 1 ? &p.member
							       : &p.stranger;
			const struct lab_node *by = who == 0 ? &p.stranger : as;

			refused_as(l, i, as, sign_role(i, as, by));
		}
	}
	// the owner's own signature is good for all of them, up to giving the network away
	for (size_t i = 0; i < ARRAY_SIZE(role_gated) - 2; i++)
		lab_expect(l, "{'network_id':1}",
		    "{'type':'%s','network_id':1,'node_id':1,%s,'signature':'%s'}",
		    role_gated[i].type, role_gated[i].fields, sign_role(i, &p.owner, &p.owner));
	lab_expect(
	    l, "{'role':'owner'}", "{'type':'get_member_role','network_id':1,'target_node_id':2}");
	// so is the network's token, but not for what is the registry's
	lab_expect(l, "{'role':'member'}",
	    "{'type':'demote_member','network_id':1,'target_node_id':1,'admin_token':'own'}");
	lab_refused(l, "invalid admin token",
	    "{'type':'create_network','name':'mine','admin_token':'own'}");
}

static void test_enterprise_is_the_administrators(void **state)
{
	struct lab *l = *state;
	struct party p = make_party(l);
	json_t *answer = lab_ask(l,
	    "{'type':'set_network_enterprise','network_id':1,'enterprise':false,'node_id':1,"
	    "'signature':'%s'}",
	    lab_sign(&p.owner, "set_network_enterprise:1:1"));

	assert_string_equal(json_string_value(json_object_get(answer, "type")), "error");
	json_decref(answer);
	lab_expect(l, "{'enterprise':false}",
	    "{'type':'set_network_enterprise','network_id':1,'enterprise':false,'admin_token':"
	    "'adm'}");
	lab_refused(l, "enterprise feature: requires enterprise network",
	    "{'type':'kick_member','network_id':1,'target_node_id':2,'admin_token':'adm'}");
	lab_expect(l, "{'enterprise':true}",
	    "{'type':'set_network_enterprise','network_id':1,'enterprise':true,'admin_token':"
	    "'adm'}");
	lab_expect(
	    l, "{'role':'owner'}", "{'type':'get_member_role','network_id':1,'target_node_id':1}");
}

// An e-mail address says whose node it is and opens nothing.
static void test_email(void **state)
{
	struct lab *l = *state;
	struct lab_node n = lab_node(l, 1);
	char key[KEY_TEXT_MAX];

	lab_expect(l, "{'node_id':1}",
	    "{'type':'register','owner':'ann@example.org','listen_addr':':1','public_key':'%s'}",
	    key_text(key, n.key));
	lab_expect(l, "{'node_id':2}",
	    "{'type':'register','owner':'ann@example.org','listen_addr':':2',"
	    "'public_key':'A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg='}");
	lab_expect(l, "{'type':'heartbeat_ok'}",
	    "{'type':'heartbeat','node_id':1,'signature':'%s'}", lab_sign(&n, "heartbeat:1"));
	// nor when the first one has gone
	lab_expect(l, "{}", "{'type':'deregister','node_id':1,'signature':'%s'}",
	    lab_sign(&n, "deregister:1"));
	lab_expect(l, "{'node_id':3}",
	    "{'type':'register','owner':'ann@example.org','listen_addr':':3',"
	    "'public_key':'A7EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg='}");
	assert_int_equal(lab_node(l, 1).id, 1);
}

static bool has(json_t *answer, const char *field)
{
	const json_t *node = json_array_get(json_object_get(answer, "nodes"), 1);
	bool yes = json_object_get(node ? node : answer, field) != NULL;

	json_decref(answer);
	return yes;
}

// Where a private node is, is for itself, who it trusts, and members of its networks.
static void test_endpoints(void **state)
{
	struct lab *l = *state;
	struct party p = make_party(l);

	assert_false(has(lab_ask(l, "{'type':'lookup','node_id':2}"), "real_addr"));
	assert_false(has(lab_ask(l, "{'type':'lookup','node_id':2}"), "lan_addrs"));
	assert_false(has(lab_ask(l, "{'type':'list_nodes','network_id':1}"), "real_addr"));
	lab_refused(l, "request failed",
	    "{'type':'resolve','requester_id':3,'node_id':2,'signature':'%s'}",
	    lab_sign(&p.stranger, "resolve:3:2"));
	lab_refused(l, "signature required for authenticated node",
	    "{'type':'resolve','requester_id':1,'node_id':2}");
	lab_refused(l, "request failed",
	    "{'type':'resolve','requester_id':1,'node_id':2,'signature':'%s'}",
	    lab_sign(&p.stranger, "resolve:1:2"));
	lab_expect(l, "{'real_addr':'198.51.100.7:4000'}",
	    "{'type':'resolve','requester_id':1,'node_id':2,'signature':'%s'}",
	    lab_sign(&p.owner, "resolve:1:2"));
	lab_refused(l, "request failed",
	    "{'type':'punch','requester_id':3,'node_a':3,'node_b':2,'signature':'%s'}",
	    lab_sign(&p.stranger, "punch:3:2"));
	lab_refused(l, "request failed",
	    "{'type':'punch','requester_id':3,'node_a':1,'node_b':2,'signature':'%s'}",
	    lab_sign(&p.stranger, "punch:1:2"));
	lab_expect(l, "{'node_a_addr':'198.51.100.7:4000','node_b_addr':'198.51.100.7:4000'}",
	    "{'type':'punch','requester_id':1,'node_a':1,'node_b':2,'signature':'%s'}",
	    lab_sign(&p.owner, "punch:1:2"));
	// a public one's is for all
	lab_expect(l, "{}", "{'type':'set_visibility','node_id':2,'public':true,'signature':'%s'}",
	    lab_sign(&p.member, "set_visibility:2"));
	assert_true(has(lab_ask(l, "{'type':'lookup','node_id':2}"), "real_addr"));
	assert_true(has(lab_ask(l, "{'type':'list_nodes','network_id':1}"), "real_addr"));
}

// What only its node, or the administrator, may change.
static void test_own_affairs(void **state)
{
	static const struct {
		const char *type, *fields;
	} own[] = {
	    {"set_hostname", "'hostname':'thief'"},
	    {"set_tags", "'tags':['x']"},
	    {"set_visibility", "'public':true"},
	    {"set_task_exec", "'enabled':true"},
	    {"deregister", "'x':0"},
	    {"poll_handshakes", "'x':0"},
	    {"poll_invites", "'x':0"},
	    {"heartbeat", "'listen_addr':''"},
	};
	struct lab *l = *state;
	struct party p = make_party(l);

	for (size_t i = 0; i < ARRAY_SIZE(own); i++) {
		lab_refused(l, "signature required for authenticated node",
		    "{'type':'%s','node_id':2,%s}", own[i].type, own[i].fields);
		lab_refused(l, "request failed", "{'type':'%s','node_id':2,%s,'signature':'%s'}",
		    own[i].type, own[i].fields, lab_sign(&p.stranger, "%s:2", own[i].type));
		lab_refused(l, "request failed", "{'type':'%s','node_id':2,%s,'signature':'%s'}",
		    own[i].type, own[i].fields, lab_sign(&p.member, "%s:3", own[i].type));
	}
	lab_refused(l, "request failed",
	    "{'type':'set_tags','node_id':2,'tags':[],'admin_token':'x','signature':'%s'}",
	    lab_sign(&p.stranger, "set_tags:2"));
	lab_expect(l, "{}", "{'type':'set_tags','node_id':2,'tags':[],'admin_token':'adm'}");
}

static void test_key_expiry(void **state)
{
	struct lab *l = *state;
	struct party p = make_party(l);
	const char *sig = lab_sign(&p.owner, "set_key_expiry:1");

	lab_refused(l, "enterprise feature: key expiry requires enterprise network membership",
	    "{'type':'set_key_expiry','node_id':3,'expires_at':'2028-01-01T00:00:00Z',"
	    "'admin_token':'adm'}");
	lab_refused(l, "request failed",
	    "{'type':'set_key_expiry','node_id':1,'expires_at':'2020-01-01T00:00:00Z',"
	    "'admin_token':'adm'}");
	lab_refused(l, "invalid expires_at: cannot exceed 10 years",
	    "{'type':'set_key_expiry','node_id':1,'expires_at':'2060-01-01T00:00:00Z',"
	    "'admin_token':'adm'}");
	lab_expect(l, "{'expires_at':'2027-01-15T20:00:00Z'}",
	    "{'type':'set_key_expiry','node_id':1,'expires_at':'2027-01-15T20:00:00Z',"
	    "'signature':'%s'}",
	    sig);
	lab_expect(l, "{'key_expiry_warning':true}",
	    "{'type':'heartbeat','node_id':1,'signature':'%s'}", lab_sign(&p.owner, "heartbeat:1"));
	l->t.unix_s += 12 * 3600;
	lab_refused(l, "node 1: key expired at 2027-01-15T20:00:00Z",
	    "{'type':'heartbeat','node_id':1,'signature':'%s'}", lab_sign(&p.owner, "heartbeat:1"));
}

// Daemons send the change unsigned, on the connection that they sign heartbeats on.
static void test_scores(void **state)
{
	struct lab *l = *state;
	struct lab_node n = lab_node(l, 1);

	lab_refused(l, "signature required: no node has signed a request on this connection",
	    "{'type':'update_polo_score','node_id':1,'delta':-1}");
	lab_expect(l, "{}", "{'type':'heartbeat','node_id':1,'signature':'%s'}",
	    lab_sign(&n, "heartbeat:1"));
	lab_expect(l, "{'polo_score':-1,'address':'0:0000.0000.0001'}",
	    "{'type':'update_polo_score','node_id':1,'delta':-1}");
	lab_refused(l, "request failed", "{'type':'update_polo_score','node_id':1}");
	lab_refused(
	    l, "request failed", "{'type':'update_polo_score','node_id':1,'delta':1000001}");
	lab_refused(l, "node 9 not found", "{'type':'get_polo_score','node_id':9}");
	lab_refused(
	    l, "invalid admin token", "{'type':'set_polo_score','node_id':1,'polo_score':40}");
	lab_expect(l, "{'polo_score':40}",
	    "{'type':'set_polo_score','node_id':1,'polo_score':40,'admin_token':'adm'}");
	lab_expect(l, "{'polo_score':1000000}",
	    "{'type':'update_polo_score','node_id':1,'delta':1000000}");
	lab_expect(l, "{'polo_score':1000000}", "{'type':'lookup','node_id':1}");
	l->conn = (struct anchor){0}; // somebody else's
	lab_expect(l, "{'polo_score':1000000}", "{'type':'get_polo_score','node_id':1}");
	lab_refused(l, "signature required: no node has signed a request on this connection",
	    "{'type':'update_polo_score','node_id':1,'delta':-1}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_roles, lab_open, lab_close),
	    cmocka_unit_test_setup_teardown(
		test_enterprise_is_the_administrators, lab_open, lab_close),
	    cmocka_unit_test_setup_teardown(test_email, lab_open, lab_close),
	    cmocka_unit_test_setup_teardown(test_endpoints, lab_open, lab_close),
	    cmocka_unit_test_setup_teardown(test_own_affairs, lab_open, lab_close),
	    cmocka_unit_test_setup_teardown(test_key_expiry, lab_open, lab_close),
	    cmocka_unit_test_setup_teardown(test_scores, lab_open, lab_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
