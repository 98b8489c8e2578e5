// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/registry/call.h"
#include "controlplane/registry/document.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

// Policies of networks: stored and handed out; the daemons enforce them.

static void out_policy(struct call *c, const struct network *net)
{
	out_int(&c->out, "network_id", net ? net->id : 0);
	out_int(&c->out, "max_members", net ? net->max_members : 0);
	out_open(&c->out, "allowed_ports", '[');
	for (unsigned i = 0; net && i < net->port_count; i++)
		out_int(&c->out, NULL, net->ports[i]);
	out_close(&c->out, ']');
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

static bool set_ports(struct call *c, struct network *net, const json_t *list)
{
	uint16_t ports[NETWORK_PORT_MAX];
	uint8_t count = 0;
	size_t i;
	json_t *v;

	if (json_array_size(list) > NETWORK_PORT_MAX) {
		call_fail(c, "too many allowed_ports (max %d)", NETWORK_PORT_MAX);
		return false;
	}
	json_array_foreach(list, i, v)
	{
		double port = json_number_value(v);
		unsigned k = 0;

		if (!(port >= 1 && port <= UINT16_MAX) || port != floor(port)) {
			call_fail(c, "invalid port number in allowed_ports: %g", port);
			return false;
		}
		while (k < count && ports[k] != (uint16_t)port)
			k++;
		if (k == count)
			ports[count++] = (uint16_t)port;
	}
	memcpy(net->ports, ports, count * sizeof(*ports));
	net->port_count = count;
	return true;
}

static bool set_max_members(struct call *c, struct network *net, double max)
{
	if (!(max >= 0 && max <= NETWORK_MEMBER_MAX)) {
		call_fail(c, "invalid max_members: 0 to %d", NETWORK_MEMBER_MAX);
		return false;
	}
	if (max >= 1 && max < net->count) {
		call_fail(c, "cannot set max_members to %.0f: network already has %u members", max,
		    net->count);
		return false;
	}
	net->max_members = (uint32_t)max;
	return true;
}

static void do_set_policy(struct registry *r, struct call *c)
{
	struct network *net = call_network(r, c);
	const json_t *ports = field_json(c->in, "allowed_ports");
	const char *text = json_string_value(field_json(c->in, "description"));
	double max;

	if (!net || !call_has_role(r, c, net, ROLE_ADMIN))
		return;
	if (!net->enterprise)
		call_fail(c, "enterprise feature: requires enterprise network");
	else if (text && strlen(text) > NETWORK_DESCRIPTION_MAX)
		call_fail(c, "policy description too long (max %d chars)", NETWORK_DESCRIPTION_MAX);
	if (c->failed ||
	    (field_number(c->in, "max_members", &max) && !set_max_members(c, net, max)) ||
	    (json_is_array(ports) && !set_ports(c, net, ports)))
		return;
	if (text)
		text_set(&net->description, text);
	save_network(r, net);
	call_audit(c, "network.policy", 0, net->id, "max_members=%u ports=%u", net->max_members,
	    net->port_count);
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
	if (!field) {
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
	call_audit(c, "network.expr_policy", 0, net->id, json ? "set" : "cleared");
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
