// SPDX-License-Identifier: BSD-3-Clause
// Blueprints, directories, and requests of services that are not here.
#include "controlplane/registry/pre_roles.h"
#include "tests/unit/registry_lab.h"

#include <errno.h>
#include <stdlib.h>

static void provide_id(struct lab *l, uint32_t node, const char *id)
{
	lab_expect(l, "{}",
	    "{'type':'set_external_id','node_id':%u,'external_id':'%s','admin_token':'adm'}", node,
	    id);
}

static void join(struct lab *l, const struct lab_node *n, const char *token)
{
	lab_expect(l, "{'network_id':1}",
	    "{'type':'join_network','node_id':%u,'network_id':1,'token':'%s','signature':'%s'}",
	    n->id, token, lab_sign(n, "join_network:%u:1", n->id));
}

static void expect_role(struct lab *l, uint32_t node, const char *role)
{
	json_t *answer =
	    lab_ask(l, "{'type':'get_member_role','network_id':1,'target_node_id':%u}", node);

	assert_string_equal(json_string_value(json_object_get(answer, "role")), role);
	json_decref(answer);
}

static void test_pre_roles(void **state)
{
	char *list = NULL, longest[EXTERNAL_ID_MAX + 2];

	(void)state;
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = 0;
	assert_int_equal(pre_roles_find(NULL, "a"), ROLE_NONE);
	assert_int_equal(pre_roles_add(&list, "Ann Lee@x", ROLE_ADMIN), 0);
	assert_int_equal(pre_roles_add(&list, "bob", ROLE_MEMBER), 0);
	assert_int_equal(pre_roles_add(&list, "BOB", ROLE_OWNER), 0); // known: as it is
	assert_int_equal(pre_roles_add(&list, "", ROLE_OWNER), -EINVAL);
	assert_int_equal(pre_roles_add(&list, "a\nb", ROLE_OWNER), -EINVAL);
	assert_int_equal(pre_roles_add(&list, longest, ROLE_OWNER), -EINVAL);
	assert_int_equal(pre_roles_add(&list, "c", ROLE_NONE), -EINVAL);
	assert_int_equal(pre_roles_count(list), 2);
	assert_int_equal(pre_roles_find(list, "ann lee@X"), ROLE_ADMIN);
	assert_int_equal(pre_roles_find(list, "Bob"), ROLE_MEMBER);
	assert_int_equal(pre_roles_find(list, "Lee@x"), ROLE_NONE);
	assert_int_equal(pre_roles_find(list, "bo"), ROLE_NONE);
	free(list);
}

static void test_blueprint(void **state)
{
	struct lab *l = *state;
	struct lab_node a = lab_node(l, 1), b = lab_node(l, 2);

	lab_expect(l,
	    "{'type':'provision_network_ok','network_id':1,'name':'corp','created':true,'actions':"
	    "['created network 1 (corp)','applied network policy','applied expr policy',"
	    "'stored 2 RBAC pre-assignments']}",
	    "{'type':'provision_network','admin_token':'adm','blueprint':{'name':'corp',"
	    "'join_rule':'token','join_token':'s','enterprise':true,'policy':{'max_members':5,"
	    "'allowed_ports':[7,1001],'description':'d'},'expr_policy':{'version':1,'rules':[{}]},"
	    "'roles':[{'external_id':'ann@corp','role':'admin'},"
	    "{'external_id':'bob@corp','role':'owner'}]}}");
	lab_expect(l, "{'max_members':5,'allowed_ports':[7,1001],'description':'d'}",
	    "{'type':'get_network_policy','network_id':1}");
	// who comes gets the role of the external id, and there is one owner
	provide_id(l, a.id, "Bob@corp");
	provide_id(l, b.id, "ann@corp");
	join(l, &a, "s");
	join(l, &b, "s");
	expect_role(l, a.id, "owner");
	expect_role(l, b.id, "admin");
	lab_expect(l,
	    "{'created':false,'actions':['found existing network 1 (corp)','applied network "
	    "policy']}",
	    "{'type':'provision_network','admin_token':'adm','blueprint':{'name':'corp',"
	    "'policy':{'max_members':9}}}");
	lab_expect(l,
	    "{'networks':[{'network_id':1,'name':'corp','enterprise':true,'members':2,"
	    "'join_rule':'token','max_members':9,'allowed_ports':[7,1001],"
	    "'rbac_pre_assignments':2}]}",
	    "{'type':'get_provision_status','admin_token':'adm'}");
}

static void test_wrong_blueprints(void **state)
{
	static const struct {
		const char *blueprint, *error;
	} wrong[] = {
	    {"1", "blueprint is required"},
	    {"{}", "invalid blueprint: network name required"},
	    {"{'name':'x','join_rule':'maybe'}",
		"invalid blueprint: invalid join_rule: open, token or invite"},
	    {"{'name':'x','join_rule':'token'}",
		"invalid blueprint: token required: a token network without one would be open to "
		"anyone"},
	    {"{'name':'x','policy':{'allowed_ports':[0]}}",
		"invalid blueprint: invalid port number in allowed_ports (must be integer "
		"1-65535)"},
	    {"{'name':'x','policy':{'max_members':-1}}",
		"invalid blueprint: invalid max_members (must be integer 0-10000)"},
	    {"{'name':'x','roles':[{'external_id':'a','role':'king'}]}",
		"invalid blueprint: invalid role \"king\" for a"},
	    {"{'name':'x','roles':[{'role':'admin'}]}",
		"invalid blueprint: invalid role \"admin\" for "},
	    {"{'name':'x','webhooks':{'audit_url':'https://x'}}",
		"invalid blueprint: webhooks is not supported by this registry"},
	    {"{'name':'x','expr_policy':{'version':2}}",
		"invalid blueprint: expr_policy: unsupported version 2 (want 1)"},
	};
	struct lab *l = *state;

	lab_refused(l, "invalid admin token",
	    "{'type':'provision_network','admin_token':'no','blueprint':{'name':'x'}}");
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		lab_refused(l, wrong[i].error,
		    "{'type':'provision_network','admin_token':'adm','blueprint':%s}",
		    wrong[i].blueprint);
	assert_int_equal(l->registry.networks.count, 0);
}

static void test_directory(void **state)
{
	struct lab *l = *state;
	struct lab_node a = lab_node(l, 1), b = lab_node(l, 2), c = lab_node(l, 3);

	lab_expect(l, "{'network_id':1}",
	    "{'type':'create_network','node_id':1,'name':'corp','enterprise':true,'join_rule':"
	    "'token','token':'s','admin_token':'adm'}");
	join(l, &b, "s");
	provide_id(l, b.id, "Bob");
	lab_expect(l,
	    "{'type':'directory_sync_ok','updated':1,'disabled':0,'mapped':1,'unmapped':1,"
	    "'actions':['role Bob: member → admin (node 2)']}",
	    "{'type':'directory_sync','network_id':1,'admin_token':'adm','entries':["
	    "{'external_id':'cleo','role':'admin'},"
	    "{'external_id':'bob','role':'admin','display_name':'bobs-box'}]}");
	expect_role(l, b.id, "admin");
	lab_expect(l, "{'hostname':'bobs-box'}", "{'type':'lookup','node_id':2}");
	provide_id(l, c.id, "cleo");
	join(l, &c, "s");
	expect_role(l, c.id, "admin");
	lab_expect(l,
	    "{'network_id':1,'total':3,'mapped':2,'unmapped':1,'enterprise':true,"
	    "'pre_assignments':1,'last_sync':'2027-01-15T08:00:00Z'}",
	    "{'type':'directory_status','network_id':1,'admin_token':'adm'}");
	// who is disabled or not listed goes, but not the owner
	provide_id(l, a.id, "ann");
	lab_expect(l,
	    "{'updated':0,'disabled':2,'mapped':1,'unmapped':0,'actions':['disabled cleo (node 3)',"
	    "'kept the owner ann (node 1)','removed unlisted Bob (node 2)']}",
	    "{'type':'directory_sync','network_id':1,'admin_token':'adm','remove_unlisted':true,"
	    "'entries':[{'external_id':'Cleo','disabled':true}]}");
	assert_int_equal(network_find(&l->registry.networks, 1)->count, 1);
}

static void test_directory_refusals(void **state)
{
	struct lab *l = *state;

	lab_node(l, 1);
	lab_expect(l, "{}", "{'type':'create_network','name':'open','admin_token':'adm'}");
	lab_refused(l, "invalid admin token", "{'type':'directory_sync','network_id':1}");
	lab_refused(l, "network_id is required", "{'type':'directory_status','admin_token':'adm'}");
	lab_refused(l, "network 7: network not found",
	    "{'type':'directory_sync','network_id':7,'admin_token':'adm'}");
	lab_refused(l, "entries array is required",
	    "{'type':'directory_sync','network_id':1,'admin_token':'adm'}");
	lab_refused(l, "enterprise feature: directory sync requires enterprise network",
	    "{'type':'directory_sync','network_id':1,'admin_token':'adm','entries':[{}]}");
}

static void test_absent_services(void **state)
{
	struct lab *l = *state;

	lab_expect(l, "{'type':'get_webhook_ok','enabled':false}",
	    "{'type':'get_webhook','admin_token':'adm'}");
	lab_expect(l, "{'events':[],'count':0}", "{'type':'get_webhook_dlq','admin_token':'adm'}");
	lab_expect(l, "{'enabled':false}", "{'type':'get_audit_export','admin_token':'adm'}");
	lab_expect(l, "{'configured':false}", "{'type':'get_idp_config','admin_token':'adm'}");
	lab_expect(l, "{'status':'disabled'}",
	    "{'type':'set_audit_export','format':'','endpoint':'','admin_token':'adm'}");
	lab_refused(l, "audit export cannot be configured: not supported by this registry",
	    "{'type':'set_audit_export','endpoint':'https://x','admin_token':'adm'}");
	lab_refused(l, "webhooks cannot be configured: not supported by this registry",
	    "{'type':'set_webhook','url':'https://x','admin_token':'adm'}");
	lab_refused(l, "identity providers cannot be configured: not supported by this registry",
	    "{'type':'set_idp_config','url':'https://x','admin_token':'adm'}");
	lab_refused(l, "tokens cannot be validated: no identity provider is configured",
	    "{'type':'validate_token','token':'x','admin_token':'adm'}");
	lab_refused(l, "recover_identity cannot be served: not supported by this registry",
	    "{'type':'recover_identity','node_id':1}");
	lab_refused(l, "subscribe_replication cannot be served: not supported by this registry",
	    "{'type':'subscribe_replication','token':'x'}");
	lab_refused(l, "invalid admin token", "{'type':'get_webhook'}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_pre_roles),
	    cmocka_unit_test_setup_teardown(test_blueprint, lab_open, lab_close),
	    cmocka_unit_test_setup_teardown(test_wrong_blueprints, lab_open, lab_close),
	    cmocka_unit_test_setup_teardown(test_directory, lab_open, lab_close),
	    cmocka_unit_test_setup_teardown(test_directory_refusals, lab_open, lab_close),
	    cmocka_unit_test_setup_teardown(test_absent_services, lab_open, lab_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
