// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/registry/call.h"
#include "controlplane/registry/network_plan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Networks: list, create, join, leave, rename, delete (wire-registry.md 2.C).

static void out_backbone(struct registry *r, struct json_out *o)
{
	out_open(o, NULL, '{');
	out_int(o, "id", 0);
	out_text(o, "name", "backbone");
	out_int(o, "members", r->nodes.live);
	out_text(o, "join_rule", "open");
	out_bool(o, "enterprise", false);
	out_int(o, "created", r->created);
	out_close(o, '}');
}

static void out_network(struct json_out *o, const struct network *net)
{
	out_open(o, NULL, '{');
	out_int(o, "id", net->id);
	out_text(o, "name", net->name);
	out_int(o, "members", net->count);
	out_text(o, "join_rule", join_rule_name(net->rule));
	out_bool(o, "enterprise", net->enterprise);
	out_int(o, "created", net->created);
	if (net->max_members)
		out_int(o, "max_members", net->max_members);
	if (net->enterprise && net->description)
		out_text(o, "description", net->description);
	if (net->rules) {
		out_bool(o, "managed", true);
		out_raw(o, "rules", net->rules);
	}
	if (net->expr_policy)
		out_bool(o, "has_expr_policy", true);
	out_close(o, '}');
}

static void do_list_networks(struct registry *r, struct call *c)
{
	const struct network *net;
	uint16_t last = field_u16(c->in, "after");

	out_open(&c->out, "networks", '[');
	if (!last)
		out_backbone(r, &c->out);
	for (net = network_after(&r->networks, last); net && !call_is_full(c);
	     net = network_after(&r->networks, last)) {
		out_network(&c->out, net);
		last = net->id;
	}
	out_close(&c->out, ']');
	if (net)
		out_int(&c->out, "next", last);
}

static void do_create_network(struct registry *r, struct call *c)
{
	uint32_t creator = field_u32(c->in, "node_id");
	struct dir_node *n = directory_live(&r->nodes, creator);
	struct network *net = NULL;
	struct network_plan p = {.name = field_text(c->in, "name"),
	    .join_rule = field_text(c->in, "join_rule"),
	    .token = field_text(c->in, "token"),
	    .admin_token = field_text(c->in, "network_admin_token"),
	    .enterprise = field_bool(c->in, "enterprise")};

	// An administrator without a node of his own gets a network without an owner.
	if (creator && !n)
		call_fail(c, "node %u not registered", creator);
	else if (plan_check(c, &p, field_json(c->in, "rules"), field_json(c->in, "expr_policy")))
		net = plan_create(r, c, &p);
	plan_free(&p);
	if (!net)
		return;
	if (n && !registry_join(r, net, n, ROLE_OWNER))
		call_fail(c, "out of memory");
	call_audit(c, "network.created", creator, net->id, "%s", net->name);
	out_int(&c->out, "network_id", net->id);
	out_text(&c->out, "name", net->name);
	out_bool(&c->out, "enterprise", net->enterprise);
	if (net->rules)
		out_bool(&c->out, "managed", true);
}

// The verb is how the request's type begins.
static void check_not_backbone(struct registry *r, struct call *c)
{
	if (field_u16(c->in, "network_id") == 0)
		call_fail(c, "cannot %.*s the backbone network", (int)strcspn(c->row->type, "_"),
		    c->row->type);
	else
		call_network(r, c);
}

static bool token_matches(const struct network *net, const char *token)
{
	return net->token && *net->token && text_equal_secret(net->token, token);
}

static void do_join_network(struct registry *r, struct call *c)
{
	uint32_t id = field_u32(c->in, "node_id");
	struct dir_node *n = directory_live(&r->nodes, id);
	struct network *net = call_network(r, c);

	if (!net)
		return;
	if (!n)
		call_fail(c, "node %u not registered", id);
	else if (net->rule == JOIN_TOKEN && !token_matches(net, field_text(c->in, "token")))
		call_fail(c, "invalid token for network %u", net->id);
	else if (net->rule == JOIN_INVITE)
		call_fail(
		    c, "invite-only networks require invite_to_network + respond_invite flow");
	else if (member_find(net, id))
		call_fail(c, "node %u already in network %u", id, net->id);
	else if (net->max_members && net->count >= net->max_members)
		call_fail(c, "network membership limit reached");
	else if (!registry_join(r, net, n, ROLE_MEMBER))
		call_fail(c, "out of memory");
	if (c->failed)
		return;
	call_audit(c, "network.joined", id, net->id, "%s", "");
	out_int(&c->out, "network_id", net->id);
	out_address(&c->out, "address", net->id, id);
	if (net->rules)
		out_raw(&c->out, "rules", net->rules);
	if (net->expr_policy)
		out_raw(&c->out, "expr_policy", net->expr_policy);
}

static void do_leave_network(struct registry *r, struct call *c)
{
	uint32_t id = field_u32(c->in, "node_id");
	struct network *net = call_network(r, c);
	const struct member *m = net ? member_find(net, id) : NULL;

	if (!net)
		return;
	if (!m) {
		call_fail(c, "node %u is not a member of network %u", id, net->id);
		return;
	}
	if (m->role == ROLE_OWNER && net->enterprise) {
		call_fail(c, "cannot leave network: owner must transfer ownership first");
		return;
	}
	registry_leave(r, net, id);
	call_audit(c, "network.left", id, net->id, "%s", "");
	out_int(&c->out, "network_id", net->id);
}

static void do_delete_network(struct registry *r, struct call *c)
{
	struct network *net = call_network(r, c);
	uint16_t id;

	if (!net || !call_has_role(r, c, net, ROLE_OWNER))
		return;
	id = net->id;
	call_audit(c, "network.deleted", 0, id, "%s", net->name);
	registry_delete_network(r, net);
	out_int(&c->out, "network_id", id);
}

static void do_rename_network(struct registry *r, struct call *c)
{
	struct network *net = call_network(r, c);
	const char *name = field_text(c->in, "name");
	char why[160], before[NAME_LEN_MAX + 1];
	int rc;

	if (!net || !call_has_role(r, c, net, ROLE_ADMIN))
		return;
	if (!network_name_check(name, why, sizeof(why))) {
		call_fail(c, "%s", why);
		return;
	}
	snprintf(before, sizeof(before), "%s", net->name);
	rc = network_rename(&r->networks, net, name);
	if (rc) {
		call_fail(c, "network \"%s\" already exists", name);
		return;
	}
	save_network(r, net);
	call_audit(c, "network.renamed", 0, net->id, "%s, was %s", name, before);
	out_int(&c->out, "network_id", net->id);
	out_text(&c->out, "name", name);
}

// On: every member has a role and somebody is the owner. Off: nobody has.
static void set_roles(struct registry *r, struct network *net)
{
	for (uint32_t i = 0; i < net->count; i++) {
		struct member *m = &net->members[i];

		if (!net->enterprise)
			m->role = ROLE_NONE;
		else if (m->role == ROLE_NONE)
			m->role = i == 0 && !network_owner(net) ? ROLE_OWNER : ROLE_MEMBER;
		save_member(r, net, m);
	}
}

static void do_set_enterprise(struct registry *r, struct call *c)
{
	struct network *net = call_network(r, c);

	if (!net)
		return;
	net->enterprise = field_bool(c->in, "enterprise");
	set_roles(r, net);
	save_network(r, net);
	call_audit(c, "network.enterprise_changed", 0, net->id, net->enterprise ? "on" : "off");
	out_int(&c->out, "network_id", net->id);
	out_bool(&c->out, "enterprise", net->enterprise);
}

const struct call_row call_network_rows[] = {
    {"list_networks", do_list_networks, 0, NULL, NULL, NULL},
    {"create_network", do_create_network, CALL_ADMIN | CALL_WRITES, NULL, NULL, NULL},
    {"join_network", do_join_network, CALL_SIGNED | CALL_OR_ADMIN | CALL_WRITES, "node_id",
	"join_network:{node_id}:{network_id}", check_not_backbone},
    {"leave_network", do_leave_network, CALL_SIGNED | CALL_OR_ADMIN | CALL_WRITES, "node_id",
	"leave_network:{node_id}:{network_id}", check_not_backbone},
    {"delete_network", do_delete_network, CALL_SIGNED | CALL_OPTIONAL | CALL_WRITES, "node_id",
	"delete_network:{node_id}:{network_id}", check_not_backbone},
    {"rename_network", do_rename_network, CALL_SIGNED | CALL_OPTIONAL | CALL_WRITES, "node_id",
	"rename_network:{node_id}:{network_id}", NULL},
    {"set_network_enterprise", do_set_enterprise, CALL_ADMIN | CALL_WRITES, NULL, NULL, NULL},
    {0},
};
