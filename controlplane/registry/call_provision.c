// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/registry/call.h"
#include "controlplane/registry/network_plan.h"
#include "controlplane/registry/object.h"
#include "controlplane/registry/pre_roles.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// Networks by blueprint (pilotctl provision), and what clients ask of services that are not here.

// What a blueprint says, checked.
struct blueprint {
	struct network_plan plan;
	struct policy_change policy;
	const json_t *roles;
	char *pre_roles;
};

static bool read_roles(struct call *c, struct blueprint *b)
{
	size_t i;
	json_t *v;

	json_array_foreach(b->roles, i, v)
	{
		const char *id = object_text(v, "external_id"), *role = object_text(v, "role");
		int rc = pre_roles_add(&b->pre_roles, id, role_parse(role));

		if (rc == -ENOSPC)
			call_fail(c, "too many roles");
		else if (rc)
			call_fail(c, "invalid role \"%.40s\" for %.80s", role, id);
		if (rc)
			return false;
	}
	return true;
}

// What somebody else would have to be asked for.
static bool needs_others(struct call *c, const json_t *o)
{
	static const char *const keys[] = {"identity_provider", "webhooks", "audit_export"};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (json_object_size(json_object_get(o, keys[i]))) {
			call_fail(c, "%s is not supported by this registry", keys[i]);
			return true;
		}
	return false;
}

static bool read_blueprint(
    struct registry *r, struct call *c, struct blueprint *b, struct network **net)
{
	const json_t *o = field_json(c->in, "blueprint"), *policy = json_object_get(o, "policy");

	b->roles = json_object_get(o, "roles");
	b->plan = (struct network_plan){.name = object_text(o, "name"),
	    .join_rule = object_text(o, "join_rule"),
	    .token = object_text(o, "join_token"),
	    .admin_token = object_text(o, "network_admin_token"),
	    .enterprise = object_bool(o, "enterprise")};
	*net = network_by_name(&r->networks, b->plan.name);
	return !needs_others(c, o) &&
	       plan_check(c, &b->plan, NULL, json_object_get(o, "expr_policy")) &&
	       policy_change_read(c, &b->policy, json_object_get(policy, "max_members"),
		   json_object_get(policy, "allowed_ports"), json_object_get(policy, "description"),
		   *net ? (*net)->count : 0) &&
	       read_roles(c, b);
}

static void say(struct call *c, bool really, const char *what)
{
	if (really)
		out_text(&c->out, NULL, what);
}

// The blueprint's parts on a network, each with its line for the answer.
static void apply(struct call *c, struct network *net, struct blueprint *b)
{
	const struct policy_change *p = &b->policy;

	if (b->plan.enterprise && !net->enterprise) {
		net->enterprise = true;
		say(c, true, "enabled enterprise features");
	}
	policy_change_apply(net, p);
	say(c, p->has_max || p->has_ports || p->description, "applied network policy");
	if (b->plan.expr_policy) {
		free(net->expr_policy);
		net->expr_policy = b->plan.expr_policy;
		b->plan.expr_policy = NULL;
		say(c, true, "applied expr policy");
	}
	if (b->pre_roles) {
		char text[64];

		free(net->pre_roles);
		net->pre_roles = b->pre_roles;
		b->pre_roles = NULL;
		snprintf(text, sizeof(text), "stored %u RBAC pre-assignments",
		    pre_roles_count(net->pre_roles));
		say(c, true, text);
	}
}

static void do_provision(struct registry *r, struct call *c)
{
	struct blueprint b = {.roles = NULL};
	struct network *net;
	char text[NAME_LEN_MAX + 40];
	bool known;

	if (!json_is_object(field_json(c->in, "blueprint"))) {
		call_fail(c, "blueprint is required");
		return;
	}
	if (!read_blueprint(r, c, &b, &net)) {
		char why[sizeof(c->error)];

		memcpy(why, c->error, sizeof(why));
		snprintf(c->error, sizeof(c->error), "invalid blueprint: %.200s", why);
		goto out;
	}
	known = net != NULL;
	// of a new network the policy is applied below, like that of a known one
	if (!known) {
		char *policy = b.plan.expr_policy;

		b.plan.expr_policy = NULL;
		net = plan_create(r, c, &b.plan);
		b.plan.expr_policy = policy;
	}
	if (!net)
		goto out;
	out_int(&c->out, "network_id", net->id);
	out_text(&c->out, "name", net->name);
	out_bool(&c->out, "created", !known);
	out_open(&c->out, "actions", '[');
	snprintf(text, sizeof(text), "%s network %u (%s)", known ? "found existing" : "created",
	    net->id, net->name);
	say(c, true, text);
	apply(c, net, &b);
	out_close(&c->out, ']');
	save_network(r, net);
	call_audit(c, "network.provisioned", 0, net->id, "%s", net->name);
out:
	plan_free(&b.plan);
	free(b.pre_roles);
}

static void do_provision_status(struct registry *r, struct call *c)
{
	const struct network *net;
	struct json_out *o = &c->out;

	out_open(o, "networks", '[');
	for (net = network_after(&r->networks, 0); net;
	     net = network_after(&r->networks, net->id)) {
		out_open(o, NULL, '{');
		out_int(o, "network_id", net->id);
		out_text(o, "name", net->name);
		out_bool(o, "enterprise", net->enterprise);
		out_int(o, "members", net->count);
		out_text(o, "join_rule", join_rule_name(net->rule));
		if (net->max_members)
			out_int(o, "max_members", net->max_members);
		if (net->port_count)
			out_ports(o, "allowed_ports", net);
		if (net->pre_roles)
			out_int(o, "rbac_pre_assignments", pre_roles_count(net->pre_roles));
		out_close(o, '}');
	}
	out_close(o, ']');
}

static void do_get_webhook(struct registry *r, struct call *c)
{
	static const char *const counts[] = {"delivered", "failed", "dropped", "dlq_size"};

	(void)r;
	out_bool(&c->out, "enabled", false);
	out_text(&c->out, "url", "");
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		out_int(&c->out, counts[i], 0);
}

static void do_disabled(struct registry *r, struct call *c)
{
	(void)r;
	out_bool(&c->out, "enabled", false);
}

static void do_unconfigured(struct registry *r, struct call *c)
{
	(void)r;
	out_bool(&c->out, "configured", false);
}

static void do_no_events(struct registry *r, struct call *c)
{
	(void)r;
	out_open(&c->out, "events", '[');
	out_close(&c->out, ']');
	out_int(&c->out, "count", 0);
}

// Switching off what is off is fine.
static void refuse_service(struct call *c, const char *field, const char *what)
{
	if (*field_text(c->in, field))
		call_fail(c, "%s cannot be configured: not supported by this registry", what);
	else
		out_text(&c->out, "status", "disabled");
}

static void do_set_webhook(struct registry *r, struct call *c)
{
	(void)r;
	refuse_service(c, "url", "webhooks");
}

static void do_set_export(struct registry *r, struct call *c)
{
	(void)r;
	refuse_service(c, "endpoint", "audit export");
}

static void do_set_idp(struct registry *r, struct call *c)
{
	(void)r;
	refuse_service(c, "url", "identity providers");
}

static void do_validate_token(struct registry *r, struct call *c)
{
	(void)r;
	call_fail(c, "tokens cannot be validated: no identity provider is configured");
}

static void do_unsupported(struct registry *r, struct call *c)
{
	(void)r;
	call_fail(c, "%s cannot be served: not supported by this registry", c->row->type);
}

const struct call_row call_provision_rows[] = {
    {"provision_network", do_provision, CALL_ADMIN | CALL_WRITES, NULL, NULL, NULL},
    {"get_provision_status", do_provision_status, CALL_ADMIN, NULL, NULL, NULL},
    {"get_webhook", do_get_webhook, CALL_ADMIN, NULL, NULL, NULL},
    {"get_webhook_dlq", do_no_events, CALL_ADMIN, NULL, NULL, NULL},
    {"get_audit_export", do_disabled, CALL_ADMIN, NULL, NULL, NULL},
    {"get_idp_config", do_unconfigured, CALL_ADMIN, NULL, NULL, NULL},
    {"set_webhook", do_set_webhook, CALL_ADMIN, NULL, NULL, NULL},
    {"set_identity_webhook", do_set_webhook, CALL_ADMIN, NULL, NULL, NULL},
    {"set_audit_export", do_set_export, CALL_ADMIN, NULL, NULL, NULL},
    {"set_idp_config", do_set_idp, CALL_ADMIN, NULL, NULL, NULL},
    {"validate_token", do_validate_token, CALL_ADMIN, NULL, NULL, NULL},
    {"submit_badge", do_unsupported, 0, NULL, NULL, NULL},
    {"enroll_recovery", do_unsupported, 0, NULL, NULL, NULL},
    {"recover_identity", do_unsupported, 0, NULL, NULL, NULL},
    {"subscribe_replication", do_unsupported, 0, NULL, NULL, NULL},
    {0},
};
