// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/registry/call.h"
#include "controlplane/registry/document.h"
#include "controlplane/registry/network_plan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

// Policies of networks: stored and handed out; the daemons enforce them.

static void out_policy(struct call *c, const struct network *net)
{
	out_int(&c->out, "network_id", net ? net->id : 0);
	out_int(&c->out, "max_members", net ? net->max_members : 0);
	out_ports(&c->out, "allowed_ports", net);
	out_text(&c->out, "description", net && net->description ? net->description : "");
}

// The daemons ask for the backbone's too. A number that is no network is none of it.
static void do_get_policy(struct registry *r, struct call *c)
{
	const struct network *net = NULL;
	double id = 0;

	if (field_number(c->in, "network_id", &id) && id != 0) {
		if (!(id > 0 && id <= NETWORK_MAX)) {
			call_fail(c, "network %.0f: network not found", fabs(id) < 1e12 ? id : -1);
			return;
		}
		net = call_network(r, c);
		if (!net)
			return;
	}
	out_policy(c, net);
}

static void do_set_policy(struct registry *r, struct call *c)
{
	struct network *net = call_network(r, c);
	struct policy_change change;

	if (!net || !call_has_role(r, c, net, ROLE_ADMIN))
		return;
	if (!net->enterprise)
		call_fail(c, "enterprise feature: requires enterprise network");
	if (c->failed ||
	    !policy_change_read(c, &change, field_json(c->in, "max_members"),
		field_json(c->in, "allowed_ports"), field_json(c->in, "description"), net->count))
		return;
	policy_change_apply(net, &change);
	save_network(r, net);
	call_audit(c, "network.policy_changed", 0, net->id, "max_members=%u ports=%u",
	    net->max_members, net->port_count);
	out_policy(c, net);
}

static void do_get_expr(struct registry *r, struct call *c)
{
	const struct network *net = NULL;

	if (field_u16(c->in, "network_id")) {
		net = call_network(r, c);
		if (!net)
			return;
	}
	out_int(&c->out, "network_id", net ? net->id : 0);
	if (net && net->expr_policy)
		out_raw(&c->out, "expr_policy", net->expr_policy);
}

static void do_set_expr(struct registry *r, struct call *c)
{
	struct network *net = call_network(r, c);
	const json_t *field = field_json(c->in, "expr_policy");
	char why[160], *json;

	if (!net || !call_has_role(r, c, net, ROLE_ADMIN))
		return;
	if (!json_is_object(field) && !json_is_string(field)) {
		call_fail(c, "expr_policy field is required");
		return;
	}
	if (!policy_read(field, &json, why, sizeof(why))) {
		call_fail(c, "%s", why);
		return;
	}
	free(net->expr_policy);
	net->expr_policy = json;
	save_network(r, net);
	call_audit(c, json ? "network.expr_policy_set" : "network.expr_policy_cleared", 0, net->id,
	    "%s", "");
	out_int(&c->out, "network_id", net->id);
	if (!json)
		out_bool(&c->out, "cleared", true);
}

const struct call_row call_policy_rows[] = {
    {"get_network_policy", do_get_policy, 0, NULL, NULL, NULL},
    {"set_network_policy", do_set_policy, CALL_SIGNED | CALL_OPTIONAL | CALL_WRITES, "node_id",
	"set_network_policy:{node_id}:{network_id}", NULL},
    {"get_expr_policy", do_get_expr, 0, NULL, NULL, NULL},
    {"set_expr_policy", do_set_expr, CALL_SIGNED | CALL_OPTIONAL | CALL_WRITES, "node_id",
	"set_expr_policy:{node_id}:{network_id}", NULL},
    {0},
};
