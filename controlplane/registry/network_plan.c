// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/registry/network_plan.h"

#include "controlplane/registry/document.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

bool plan_check(
    struct call *c, struct network_plan *p, const json_t *rules, const json_t *expr_policy)
{
	char why[160] = "";

	if (!network_name_check(p->name, why, sizeof(why)))
		call_fail(c, "%s", why);
	else if (*p->join_rule && !join_rule_parse(p->join_rule, &p->rule))
		call_fail(c, "invalid join_rule: open, token or invite");
	else if (p->rule == JOIN_INVITE && !p->enterprise)
		call_fail(
		    c, "enterprise feature: invite-only networks require the enterprise flag");
	else if (p->rule == JOIN_TOKEN && !*p->token)
		call_fail(c, "token required: a token network without one would be open to anyone");
	else if (strlen(p->token) > NETWORK_TOKEN_MAX || strlen(p->admin_token) > NETWORK_TOKEN_MAX)
		call_fail(c, "token too long (max %d)", NETWORK_TOKEN_MAX);
	else if (!rules_read(rules, &p->rules, why, sizeof(why)) ||
		 !policy_read(expr_policy, &p->expr_policy, why, sizeof(why)))
		call_fail(c, "%s", why);
	return !c->failed;
}

struct network *plan_create(struct registry *r, struct call *c, struct network_plan *p)
{
	struct network *net = network_add(&r->networks, 0, p->name);

	if (!net) {
		if (errno == EEXIST)
			call_fail(c, "network \"%s\" already exists", p->name);
		else
			call_fail(c, "network ID space exhausted (max 65535 networks)");
		return NULL;
	}
	net->rule = p->rule;
	net->enterprise = p->enterprise;
	net->created = c->t.unix_s;
	net->rules = p->rules;
	net->expr_policy = p->expr_policy;
	p->rules = p->expr_policy = NULL;
	text_set(&net->token, p->token);
	text_set(&net->admin_token, p->admin_token);
	save_network(r, net);
	save_meta(r);
	return net;
}

void plan_free(struct network_plan *p)
{
	free(p->rules);
	free(p->expr_policy);
}

static bool read_ports(struct call *c, struct policy_change *p, const json_t *list)
{
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
			call_fail(c, "invalid port number in allowed_ports (must be integer "
				     "1-65535)");
			return false;
		}
		while (k < p->port_count && p->ports[k] != (uint16_t)port)
			k++;
		if (k == p->port_count)
			p->ports[p->port_count++] = (uint16_t)port;
	}
	return true;
}

static bool read_max_members(struct call *c, struct policy_change *p, double max, uint32_t members)
{
	if (!(max >= 0 && max <= NETWORK_MEMBER_MAX)) {
		call_fail(c, "invalid max_members (must be integer 0-%d)", NETWORK_MEMBER_MAX);
		return false;
	}
	if (max >= 1 && max < members) {
		call_fail(c, "cannot set max_members to %.0f: network already has %u members", max,
		    members);
		return false;
	}
	p->max_members = (uint32_t)max;
	return true;
}

bool policy_change_read(struct call *c, struct policy_change *p, const json_t *max_members,
    const json_t *allowed_ports, const json_t *description, uint32_t members)
{
	*p = (struct policy_change){.has_max = json_is_number(max_members),
	    .has_ports = json_is_array(allowed_ports),
	    .description = json_string_value(description)};
	if (p->description && strlen(p->description) > NETWORK_DESCRIPTION_MAX) {
		call_fail(c, "policy description too long (max %d chars)", NETWORK_DESCRIPTION_MAX);
		return false;
	}
	return (!p->has_max || read_max_members(c, p, json_number_value(max_members), members)) &&
	       (!p->has_ports || read_ports(c, p, allowed_ports));
}

void policy_change_apply(struct network *net, const struct policy_change *p)
{
	if (p->has_max)
		net->max_members = p->max_members;
	if (p->has_ports) {
		memcpy(net->ports, p->ports, p->port_count * sizeof(*p->ports));
		net->port_count = p->port_count;
	}
	if (p->description)
		text_set(&net->description, p->description);
}

void out_ports(struct json_out *o, const char *key, const struct network *net)
{
	out_open(o, key, '[');
	for (unsigned i = 0; net && i < net->port_count; i++)
		out_int(o, NULL, net->ports[i]);
	out_close(o, ']');
}
