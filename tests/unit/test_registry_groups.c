// SPDX-License-Identifier: BSD-3-Clause
// Trust, handshakes, networks, roles, invites, policies, search.
#include "tests/unit/registry_lab.h"

#include <stdio.h>

static void resolve(struct lab *l, const struct lab_node *a, const struct lab_node *b, bool may)
{
	const char *sig = lab_sign(a, "resolve:%u:%u", a->id, b->id);

	if (may)
		lab_expect(l, "{'real_addr':'198.51.100.7:4000'}",
		    "{'type':'resolve','requester_id':%u,'node_id':%u,'signature':'%s'}", a->id,
		    b->id, sig);
	else
		lab_refused(l, "request failed",
		    "{'type':'resolve','requester_id':%u,'node_id':%u,'signature':'%s'}", a->id,
		    b->id, sig);
}

static void test_trust(void **state)
{
	struct lab *l = *state;
	struct lab_node a = lab_node(l, 1), b = lab_node(l, 2);

	resolve(l, &a, &b, false);
	resolve(l, &a, &a, true);
	// one side alone is remembered, not trusted
	lab_expect(l, "{'type':'report_trust_ok'}",
	    "{'type':'report_trust','node_id':1,'peer_id':2,'signature':'%s'}",
	    lab_sign(&a, "report_trust:1:2"));
	resolve(l, &a, &b, false);
	resolve(l, &b, &a, false);
	lab_expect(l, "{'trusted':false}", "{'type':'check_trust','node_id':1,'peer_id':2}");
	lab_expect(l, "{}", "{'type':'report_trust','node_id':2,'peer_id':1,'signature':'%s'}",
	    lab_sign(&b, "report_trust:2:1"));
	resolve(l, &a, &b, true);
	resolve(l, &b, &a, true);
	lab_expect(l, "{'trusted':true}", "{'type':'check_trust','node_id':2,'peer_id':1}");
	lab_expect(l, "{}", "{'type':'revoke_trust','node_id':2,'peer_id':1,'signature':'%s'}",
	    lab_sign(&b, "revoke_trust:2:1"));
	resolve(l, &a, &b, false);
	lab_refused(l, "request failed",
	    "{'type':'revoke_trust','node_id':2,'peer_id':1,'signature':'%s'}",
	    lab_sign(&b, "revoke_trust:2:1"));
	assert_int_equal(l->registry.pairs.count + l->registry.pairs.one_sided, 0);
}

// wire-registry.md 8.7
static void test_handshake(void **state)
{
	struct lab *l = *state;
	struct lab_node a = lab_node(l, 1), b = lab_node(l, 2);

	lab_expect(l, "{'status':'delivered'}",
	    "{'type':'request_handshake','from_node_id':1,'to_node_id':2,'justification':'hi',"
	    "'signature':'%s'}",
	    lab_sign(&a, "handshake:1:2"));
	lab_refused(l, "handshake request already pending from node 1",
	    "{'type':'request_handshake','from_node_id':1,'to_node_id':2,'signature':'%s'}",
	    lab_sign(&a, "handshake:1:2"));
	lab_expect(l,
	    "{'requests':[{'from_node_id':1,'public_key':'"
	    "iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1"
	    "w=','justification':'hi','timestamp':1800000000}],'responses':[]}",
	    "{'type':'poll_handshakes','node_id':2,'signature':'%s'}",
	    lab_sign(&b, "poll_handshakes:2"));
	lab_expect(l, "{'requests':[],'responses':[]}",
	    "{'type':'poll_handshakes','node_id':2,'signature':'%s'}",
	    lab_sign(&b, "poll_handshakes:2"));
	resolve(l, &b, &a, false);
	lab_expect(l, "{'accept':true,'peer_id':1}",
	    "{'type':'respond_handshake','node_id':2,'peer_id':1,'accept':true,'signature':'%s'}",
	    lab_sign(&b, "respond:2:1"));
	resolve(l, &b, &a, true);
	resolve(l, &a, &b, true);
	lab_expect(l,
	    "{'requests':[],'responses':[{'from_node_id':2,'accept':true,"
	    "'timestamp':1800000000}]}",
	    "{'type':'poll_handshakes','node_id':1,'signature':'%s'}",
	    lab_sign(&a, "poll_handshakes:1"));
}

static void test_reject(void **state)
{
	struct lab *l = *state;
	struct lab_node a = lab_node(l, 1), b = lab_node(l, 2);

	lab_expect(l, "{}",
	    "{'type':'request_handshake','from_node_id':1,'to_node_id':2,'signature':'%s'}",
	    lab_sign(&a, "handshake:1:2"));
	lab_expect(l, "{'accept':false}",
	    "{'type':'respond_handshake','node_id':2,'peer_id':1,'accept':false,'signature':'%s'}",
	    lab_sign(&b, "respond:2:1"));
	assert_int_equal(l->registry.pairs.one_sided, 0);
	// an answer nobody asked for opens nothing
	lab_expect(l, "{'accept':true}",
	    "{'type':'respond_handshake','node_id':2,'peer_id':1,'accept':true,'signature':'%s'}",
	    lab_sign(&b, "respond:2:1"));
	resolve(l, &b, &a, false);
}

static void test_networks(void **state)
{
	struct lab *l = *state;
	struct lab_node a = lab_node(l, 1), b = lab_node(l, 2);

	lab_refused(l, "invalid admin token",
	    "{'type':'create_network','node_id':1,'name':'lab','admin_token':'x'}");
	lab_refused(l, "token required: a token network without one would be open to anyone",
	    "{'type':'create_network','name':'lab','join_rule':'token','admin_token':'adm'}");
	lab_expect(l, "{'network_id':1,'name':'lab','enterprise':false}",
	    "{'type':'create_network','node_id':1,'name':'lab','join_rule':'token','token':'s',"
	    "'admin_token':'adm'}");
	lab_refused(l, "network \"lab\" already exists",
	    "{'type':'create_network','node_id':1,'name':'lab','admin_token':'adm'}");
	lab_refused(l, "invalid token for network 1",
	    "{'type':'join_network','node_id':2,'network_id':1,'token':'t','signature':'%s'}",
	    lab_sign(&b, "join_network:2:1"));
	lab_expect(l, "{'network_id':1,'address':'1:0001.0000.0002'}",
	    "{'type':'join_network','node_id':2,'network_id':1,'token':'s','signature':'%s'}",
	    lab_sign(&b, "join_network:2:1"));
	lab_refused(l, "node 2 already in network 1",
	    "{'type':'join_network','node_id':2,'network_id':1,'token':'s','signature':'%s'}",
	    lab_sign(&b, "join_network:2:1"));
	resolve(l, &a, &b, true);
	lab_expect(l, "{'networks':[0,1]}", "{'type':'lookup','node_id':2}");
	lab_expect(l, "{'trusted':true}", "{'type':'check_trust','node_id':2,'peer_id':1}");
	lab_refused(l, "request failed", "{'type':'list_nodes','network_id':0}");
	lab_refused(l, "network 7: network not found", "{'type':'list_nodes','network_id':7}");
	lab_expect(l, "{'network_id':1}",
	    "{'type':'leave_network','node_id':2,'network_id':1,'signature':'%s'}",
	    lab_sign(&b, "leave_network:2:1"));
	resolve(l, &a, &b, false);
	// a bare node_id is no authority, a signature is
	lab_refused(l, "rbac: signature or admin token required",
	    "{'type':'delete_network','node_id':1,'network_id':1}");
	lab_refused(l, "request failed",
	    "{'type':'delete_network','node_id':2,'network_id':1,'signature':'%s'}",
	    lab_sign(&b, "delete_network:2:1"));
	lab_expect(l, "{'network_id':1}",
	    "{'type':'delete_network','node_id':1,'network_id':1,'signature':'%s'}",
	    lab_sign(&a, "delete_network:1:1"));
	lab_expect(l, "{'networks':[0]}", "{'type':'lookup','node_id':1}");
}

// Asks for all pages of a list; how many there were, and how many entries.
static unsigned ask_pages(struct lab *l, const char *request, const char *list, size_t *entries)
{
	json_int_t after = 0;
	unsigned pages = 0;

	*entries = 0;
	do {
		json_t *answer = lab_ask(l, "{%s,'after':%lld}", request, (long long)after);

		*entries += json_array_size(json_object_get(answer, list));
		after = (json_int_t)json_number_value(json_object_get(answer, "next"));
		json_decref(answer);
	} while (++pages < 100 && after);
	return pages;
}

// What would not fit into an answer comes in pages.
static void test_large_lists(void **state)
{
	enum { RULES = 1 << 20, NETWORKS = 7, TAG_BYTES = 9000, MEMBERS = 900 };
	struct lab *l = *state;
	struct network *net;
	size_t entries;
	char name[32];

	for (int i = 0; i < NETWORKS; i++) {
		snprintf(name, sizeof(name), "net-%d", i);
		net = network_add(&l->registry.networks, 0, name);
		assert_non_null(net);
		net->rules = malloc(RULES);
		assert_non_null(net->rules);
		memset(net->rules, ' ', RULES);
		memcpy(net->rules, "{}", 2);
		net->rules[RULES - 1] = 0;
	}
	assert_int_equal(ask_pages(l, "'type':'list_networks'", "networks", &entries), 3);
	assert_int_equal(entries, NETWORKS + 1); // with the backbone
	for (uint32_t id = 1; id <= MEMBERS; id++) {
		struct member *m = member_add(net, id, ROLE_MEMBER);

		assert_non_null(m);
		m->tags = malloc(TAG_BYTES);
		assert_non_null(m->tags);
		memset(m->tags, 'a', TAG_BYTES);
		m->tags[TAG_BYTES - 1] = 0;
	}
	assert_int_equal(ask_pages(l, "'type':'list_nodes','network_id':7", "nodes", &entries), 3);
	assert_int_equal(entries, MEMBERS);
}

static void test_invites(void **state)
{
	struct lab *l = *state;
	struct lab_node a = lab_node(l, 1), b = lab_node(l, 2);

	lab_refused(l, "enterprise feature: invite-only networks require the enterprise flag",
	    "{'type':'create_network','name':'corp','join_rule':'invite','admin_token':'adm'}");
	lab_expect(l, "{'network_id':1,'enterprise':true}",
	    "{'type':'create_network','node_id':1,'name':'corp','join_rule':'invite',"
	    "'enterprise':true,'admin_token':'adm'}");
	lab_refused(l, "request failed",
	    "{'type':'join_network','node_id':2,'network_id':1,'signature':'%s'}",
	    lab_sign(&b, "join_network:2:1"));
	lab_refused(l, "inviter 2 is not a member of network 1",
	    "{'type':'invite_to_network','inviter_id':2,'network_id':1,'target_node_id':1,"
	    "'signature':'%s'}",
	    lab_sign(&b, "invite:2:1:1"));
	lab_expect(l, "{'network_id':1,'target_node_id':2}",
	    "{'type':'invite_to_network','inviter_id':1,'network_id':1,'target_node_id':2,"
	    "'signature':'%s'}",
	    lab_sign(&a, "invite:1:1:2"));
	lab_expect(l, "{'invites':[{'network_id':1,'inviter_id':1,'timestamp':1800000000}]}",
	    "{'type':'poll_invites','node_id':2,'signature':'%s'}", lab_sign(&b, "poll_invites:2"));
	lab_expect(l, "{'accepted':true,'network_id':1}",
	    "{'type':'respond_invite','node_id':2,'network_id':1,'accept':true,'signature':'%s'}",
	    lab_sign(&b, "respond_invite:2:1"));
	lab_expect(l, "{'role':'admin'}",
	    "{'type':'promote_member','network_id':1,'node_id':0,'target_node_id':2,"
	    "'admin_token':'adm'}");
	lab_refused(l, "node 2 is already an admin",
	    "{'type':'promote_member','network_id':1,'target_node_id':2,'admin_token':'adm'}");
	lab_refused(l, "cannot kick the network owner",
	    "{'type':'kick_member','network_id':1,'target_node_id':1,'admin_token':'adm'}");
	lab_expect(l, "{'old_owner':1,'new_owner':2}",
	    "{'type':'transfer_ownership','network_id':1,'node_id':1,'new_owner_id':2,"
	    "'admin_token':'adm'}");
	lab_expect(
	    l, "{'role':'owner'}", "{'type':'get_member_role','network_id':1,'target_node_id':2}");
	lab_refused(l, "cannot leave network: owner must transfer ownership first",
	    "{'type':'leave_network','node_id':2,'network_id':1,'signature':'%s'}",
	    lab_sign(&b, "leave_network:2:1"));
	lab_expect(l, "{'target_node_id':1}",
	    "{'type':'kick_member','network_id':1,'target_node_id':1,'admin_token':'adm'}");
}

static void test_policies(void **state)
{
	struct lab *l = *state;

	lab_node(l, 1);
	lab_expect(l, "{'network_id':0,'max_members':0,'allowed_ports':[],'description':''}",
	    "{'type':'get_network_policy','network_id':0}");
	lab_refused(l, "network 65536: network not found",
	    "{'type':'get_network_policy','network_id':65536}");
	lab_expect(l, "{'network_id':1}",
	    "{'type':'create_network','node_id':1,'name':'corp','enterprise':true,"
	    "'admin_token':'adm','network_admin_token':'own'}");
	lab_expect(l, "{'max_members':50,'allowed_ports':[7,1001],'description':'d'}",
	    "{'type':'set_network_policy','network_id':1,'max_members':50,"
	    "'allowed_ports':[7,1001,7],'description':'d','admin_token':'own'}");
	lab_refused(l, "invalid port number in allowed_ports (must be integer 1-65535)",
	    "{'type':'set_network_policy','network_id':1,'allowed_ports':[0],'admin_token':'adm'}");
	lab_expect(l, "{'max_members':50,'allowed_ports':[7,1001]}",
	    "{'type':'get_network_policy','network_id':1}");
	lab_refused(l, "request failed",
	    "{'type':'set_expr_policy','network_id':1,'expr_policy':{'version':2,'rules':[1]},"
	    "'admin_token':'adm'}");
	lab_expect(l, "{'network_id':1}",
	    "{'type':'set_expr_policy','network_id':1,'expr_policy':{'version':1,'rules':[{}]},"
	    "'admin_token':'adm'}");
	lab_expect(l, "{'expr_policy':{'version':1,'rules':[{}]}}",
	    "{'type':'get_expr_policy','network_id':1}");
	lab_expect(l, "{'tags':['service']}",
	    "{'type':'set_member_tags','network_id':1,'target_node_id':1,'tags':['service'],"
	    "'admin_token':'adm'}");
	lab_expect(l, "{'members':{'1':['service']}}",
	    "{'type':'get_member_tags','network_id':1,'target_node_id':0}");
}

// What pilotctl shows is what the daemons' registry says.
static void test_refusals(void **state)
{
	static const struct {
		const char *error, *request;
	} table[] = {
	    {"rename_network cannot be used on the backbone network",
		"{'type':'rename_network','network_id':0,'name':'x','admin_token':'adm'}"},
	    {"set_network_enterprise cannot be used on the backbone network",
		"{'type':'set_network_enterprise','enterprise':true,'admin_token':'adm'}"},
	    {"network 7: network not found",
		"{'type':'rename_network','network_id':7,'name':'x','admin_token':'adm'}"},
	    {"enterprise feature: requires enterprise network",
		"{'type':'invite_to_network','network_id':1,'inviter_id':1,'target_node_id':2,"
		"'admin_token':'adm'}"},
	    {"expr_policy field is required",
		"{'type':'set_expr_policy','network_id':1,'expr_policy':null,'admin_token':'adm'}"},
	    {"expr_policy field is required",
		"{'type':'set_expr_policy','network_id':1,'expr_policy':5,'admin_token':'adm'}"},
	    {"expr_policy: at least one rule is required",
		"{'type':'set_expr_policy','network_id':1,'expr_policy':{'version':1},"
		"'admin_token':'adm'}"},
	    {"invalid expires_at: cannot exceed 10 years",
		"{'type':'set_key_expiry','node_id':1,'expires_at':'2099-01-01T00:00:00Z',"
		"'admin_token':'adm'}"},
	    {"enterprise feature: key expiry requires enterprise network membership",
		"{'type':'set_key_expiry','node_id':1,'expires_at':'2030-01-01T00:00:00Z',"
		"'admin_token':'adm'}"},
	};
	struct lab *l = *state;
	struct lab_node a = lab_node(l, 1);

	lab_node(l, 2);
	lab_expect(l, "{'network_id':1}",
	    "{'type':'create_network','node_id':1,'name':'plain','admin_token':'adm'}");
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		lab_refused(l, table[i].error, "%s", table[i].request);
	lab_refused(l, "network 9: network not found",
	    "{'type':'respond_invite','node_id':1,'network_id':9,'accept':true,'signature':'%s'}",
	    lab_sign(&a, "respond_invite:1:9"));
	lab_expect(l, "{'network_id':1}",
	    "{'type':'set_expr_policy','network_id':1,'expr_policy':{'version':1,'rules':[]},"
	    "'admin_token':'adm'}");
}

// A text with a zero in it is a text, up to there.
static void test_zeros(void **state)
{
	struct lab *l = *state;
	struct lab_node a = lab_node(l, 1), b = lab_node(l, 2);
	json_t *polled;

	lab_expect(l, "{'status':'delivered'}",
	    "{'type':'request_handshake','from_node_id':1,'to_node_id':2,"
	    "'justification':'for \\u0000 work','signature':'%s'}",
	    lab_sign(&a, "handshake:1:2"));
	polled = lab_ask(l, "{'type':'poll_handshakes','node_id':2,'signature':'%s'}",
	    lab_sign(&b, "poll_handshakes:2"));
	assert_string_equal(
	    object_text(json_array_get(json_object_get(polled, "requests"), 0), "justification"),
	    "for ");
	json_decref(polled);
}

static void set_tags(struct lab *l, const struct lab_node *n, const char *tags, bool public)
{
	lab_expect(l, "{}", "{'type':'set_tags','node_id':%u,'tags':%s,'signature':'%s'}", n->id,
	    tags, lab_sign(n, "set_tags:%u", n->id));
	lab_expect(l, "{}", "{'type':'set_visibility','node_id':%u,'public':%s,'signature':'%s'}",
	    n->id, public ? "true" : "false", lab_sign(n, "set_visibility:%u", n->id));
}

static void test_find(void **state)
{
	struct lab *l = *state;
	struct lab_node a = lab_node(l, 1), b = lab_node(l, 2), c;
	json_t *page;

	set_tags(l, &a, "['finance']", true);
	set_tags(l, &b, "['finance','eu']", false);
	l->t.now_s += 10;
	c = lab_node(l, 3);
	set_tags(l, &c, "['finance']", true);
	// heard last first, private nodes hidden
	page = lab_ask(l, "{'type':'find','tags':['finance'],'limit':1}");
	assert_int_equal(
	    object_u32(json_array_get(json_object_get(page, "nodes"), 0), "node_id"), c.id);
	lab_expect(l,
	    "{'nodes':[{'node_id':1,'address':'0:0000.0000.0001','tags':['finance'],"
	    "'public':true,'silent_seconds':10}]}",
	    "{'type':'find','tags':['finance'],'limit':1,'after':'%s'}", object_text(page, "next"));
	json_decref(page);
	lab_expect(l, "{'nodes':[]}", "{'type':'find','tags':['eu']}");
	lab_expect(l, "{'nodes':[]}", "{'type':'find','tags':['nobody']}");
	lab_expect(l,
	    "{'nodes':[{'node_id':2,'address':'0:0000.0000.0002','tags':['finance','eu'],"
	    "'public':false,'silent_seconds':0}]}",
	    "{'type':'find','tags':['finance','eu'],'requester_id':2,'signature':'%s'}",
	    lab_sign(&b, "find:2"));
	lab_refused(l, "tags or network_id required", "{'type':'find'}");
}

static void test_beacons(void **state)
{
	struct lab *l = *state;

	lab_refused(l, "beacon_id required", "{'type':'beacon_register','addr':'a:1'}");
	lab_expect(l, "{'beacon_id':3}",
	    "{'type':'beacon_register','beacon_id':3,'addr':'203.0.113.20:9001'}");
	lab_expect(
	    l, "{'beacons':[{'id':3,'addr':'203.0.113.20:9001'}]}", "{'type':'beacon_list'}");
	l->t.now_s += BEACON_TTL_S + 1;
	lab_expect(l, "{'beacons':[]}", "{'type':'beacon_list'}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_trust, lab_open, lab_close),
	    cmocka_unit_test_setup_teardown(test_handshake, lab_open, lab_close),
	    cmocka_unit_test_setup_teardown(test_reject, lab_open, lab_close),
	    cmocka_unit_test_setup_teardown(test_networks, lab_open, lab_close),
	    cmocka_unit_test_setup_teardown(test_large_lists, lab_open, lab_close),
	    cmocka_unit_test_setup_teardown(test_invites, lab_open, lab_close),
	    cmocka_unit_test_setup_teardown(test_policies, lab_open, lab_close),
	    cmocka_unit_test_setup_teardown(test_refusals, lab_open, lab_close),
	    cmocka_unit_test_setup_teardown(test_zeros, lab_open, lab_close),
	    cmocka_unit_test_setup_teardown(test_find, lab_open, lab_close),
	    cmocka_unit_test_setup_teardown(test_beacons, lab_open, lab_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
