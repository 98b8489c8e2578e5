// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/registry/call.h"

#include <string.h>

// Who is it, and where.

enum { DAY_S = 86400, LIST_MAX = 10000 };

static void out_endpoint(struct json_out *o, const char *key, const struct endpoint *at)
{
	char text[ENDPOINT_TEXT_MAX] = "";

	if (at->port)
		endpoint_format(at, text, sizeof(text));
	out_text(o, key, text);
}

// [{"network":"tcp","addr":"..."}], from one line each.
static void out_endpoints(struct json_out *o, const char *list)
{
	if (!list)
		return;
	out_open(o, "endpoints", '[');
	while (*list) {
		size_t net = strcspn(list, " "), len = strcspn(list, "\n");

		out_open(o, NULL, '{');
		out_text_n(o, "network", list, net);
		out_text_n(o, "addr", list + net + 1, len - net - 1);
		out_close(o, '}');
		list += len + (list[len] == '\n');
	}
	out_close(o, ']');
}

// For relays that have the administrator's token: from where datagrams count, of private nodes too.
static void out_anchors(struct registry *r, struct call *c, const struct dir_node *n)
{
	struct endpoint at[PLACE_ANCHORS];
	char text[ENDPOINT_TEXT_MAX];
	unsigned count;

	if (!call_shows_token(r, c, NULL))
		return;
	count = place_anchors(n, at);
	out_open(&c->out, "anchors", '[');
	for (unsigned i = 0; i < count; i++)
		if (endpoint_format_addr(&at[i], text, sizeof(text)) > 0)
			out_text(&c->out, NULL, text);
	out_close(&c->out, ']');
}

static void do_lookup(struct registry *r, struct call *c)
{
	const struct dir_node *n = call_node(r, c, "node_id");
	struct json_out *o = &c->out;
	char key[KEY_TEXT_MAX];

	if (!n)
		return;
	out_int(o, "node_id", n->id);
	out_address(o, "address", 0, n->id);
	out_open(o, "networks", '[');
	out_int(o, NULL, 0);
	for (unsigned i = 0; i < n->network_count; i++)
		out_int(o, NULL, n->networks[i]);
	out_close(o, ']');
	out_text(o, "public_key", key_text(key, n->key));
	out_bool(o, "public", n->public);
	out_int(o, "polo_score", n->polo);
	if (n->hostname)
		out_text(o, "hostname", n->hostname);
	if (n->tags)
		out_list(o, "tags", n->tags, ',');
	if (n->task_exec)
		out_bool(o, "task_exec", true);
	if (n->public) {
		out_endpoint(o, "real_addr", &n->at);
		out_endpoints(o, n->endpoints);
	}
	if (n->version)
		out_text(o, "version", n->version);
	out_anchors(r, c, n);
}

static void check_resolve(struct registry *r, struct call *c)
{
	uint32_t requester = field_u32(c->in, "requester_id");

	if (!directory_live(&r->nodes, requester))
		call_fail(c, "resolve denied: requester node %u is not registered", requester);
}

static void do_resolve(struct registry *r, struct call *c)
{
	const struct dir_node *n = call_node(r, c, "node_id");
	const struct dir_node *requester = directory_live(&r->nodes, c->signer);
	char key[KEY_TEXT_MAX];
	struct endpoint at;
	int64_t since;

	if (!n)
		return;
	if (!requester || !registry_may_see(r, requester, n)) {
		call_fail(
		    c, "resolve denied: node %u is private (establish mutual trust first)", n->id);
		return;
	}
	since = n->rotated ? n->rotated : n->created;
	out_int(&c->out, "node_id", n->id);
	at = place_current(r, n);
	out_endpoint(&c->out, "real_addr", &at);
	out_text(&c->out, "public_key", key_text(key, n->key));
	out_endpoints(&c->out, n->endpoints);
	if (n->lan_addrs)
		out_list(&c->out, "lan_addrs", n->lan_addrs, '\n');
	out_int(&c->out, "key_age_days", c->t.unix_s > since ? (c->t.unix_s - since) / DAY_S : 0);
}

static void do_resolve_hostname(struct registry *r, struct call *c)
{
	const char *name = field_text(c->in, "hostname");
	const struct dir_node *n = *name ? directory_by_hostname(&r->nodes, name) : NULL;
	const struct dir_node *requester = call_viewer(r, c);

	if (!*name) {
		call_fail(c, "hostname required");
		return;
	}
	// A private node looks like an unknown one to those who may not see it.
	if (!n || !(n->public || (requester && registry_may_see(r, requester, n)))) {
		call_fail(c, "hostname \"%.*s\" not found", ECHO_MAX, name);
		return;
	}
	out_int(&c->out, "node_id", n->id);
	out_address(&c->out, "address", 0, n->id);
	out_bool(&c->out, "public", n->public);
	out_text(&c->out, "hostname", n->hostname);
}

static void check_punch(struct registry *r, struct call *c)
{
	uint32_t requester = field_u32(c->in, "requester_id");

	(void)r;
	if (requester != field_u32(c->in, "node_a") && requester != field_u32(c->in, "node_b"))
		call_fail(c, "punch denied: requester must be participant");
}

static void do_punch(struct registry *r, struct call *c)
{
	const struct dir_node *a = call_node(r, c, "node_a"), *b = call_node(r, c, "node_b");
	const struct dir_node *requester = directory_live(&r->nodes, c->signer);

	if (!a || !b)
		return;
	if (!requester || !registry_may_see(r, requester, requester == a ? b : a)) {
		call_fail(c, "punch denied: the other node is private");
		return;
	}
	out_int(&c->out, "node_a", a->id);
	out_endpoint(&c->out, "node_a_addr", &a->at);
	out_int(&c->out, "node_b", b->id);
	out_endpoint(&c->out, "node_b_addr", &b->at);
}

static void out_listed(struct registry *r, struct call *c, const struct dir_node *n)
{
	struct json_out *o = &c->out;

	out_bool(o, "public", n->public);
	out_int(o, "polo_score", n->polo);
	if (n->hostname)
		out_text(o, "hostname", n->hostname);
	if (n->task_exec)
		out_bool(o, "task_exec", true);
	if (n->public)
		out_endpoint(o, "real_addr", &n->at);
	if (n->tags)
		out_list(o, "tags", n->tags, ',');
	if (n->external_id)
		out_text(o, "external_id", n->external_id);
	if (n->version)
		out_text(o, "version", n->version);
	out_time(o, "last_seen", c->t.unix_s - (c->t.now_s - r->nodes.seen[n->slot]));
}

static void list_backbone(struct registry *r, struct call *c)
{
	uint32_t slot = field_u32(c->in, "after"), count = 0;

	out_open(&c->out, "nodes", '[');
	for (; slot < r->nodes.slots && count < LIST_MAX && !call_is_full(c); slot++) {
		const struct dir_node *n = directory_slot(&r->nodes, slot);

		if (!n || !n->live)
			continue;
		out_open(&c->out, NULL, '{');
		out_int(&c->out, "node_id", n->id);
		out_address(&c->out, "address", 0, n->id);
		out_listed(r, c, n);
		out_close(&c->out, '}');
		count++;
	}
	out_close(&c->out, ']');
	if (slot < r->nodes.slots)
		out_int(&c->out, "next", slot);
}

static void list_members(struct registry *r, struct call *c, const struct network *net)
{
	uint32_t i = field_u32(c->in, "after"), last = i + LIST_MAX;

	out_open(&c->out, "nodes", '[');
	for (; i < net->count && i < last && !call_is_full(c); i++) {
		const struct member *m = &net->members[i];
		const struct dir_node *n = directory_live(&r->nodes, m->node);

		out_open(&c->out, NULL, '{');
		out_int(&c->out, "node_id", m->node);
		out_address(&c->out, "address", net->id, m->node);
		if (m->role)
			out_text(&c->out, "role", role_name(m->role));
		if (m->tags)
			out_list(&c->out, "member_tags", m->tags, ',');
		if (n)
			out_listed(r, c, n);
		else
			out_bool(&c->out, "offline", true);
		out_close(&c->out, '}');
	}
	out_close(&c->out, ']');
	if (i < net->count)
		out_int(&c->out, "next", i);
}

static void do_list_nodes(struct registry *r, struct call *c)
{
	const struct network *net;

	if (field_u16(c->in, "network_id") == 0) {
		if (call_shows_token(r, c, NULL))
			list_backbone(r, c);
		else
			call_fail(c, "listing backbone nodes is not permitted (use lookup with a "
				     "specific node_id)");
		return;
	}
	net = call_network(r, c);
	if (net)
		list_members(r, c, net);
}

const struct call_row call_lookup_rows[] = {
    {"lookup", do_lookup, 0, NULL, NULL, NULL},
    {"resolve", do_resolve, CALL_SIGNED, "requester_id", "resolve:{requester_id}:{node_id}",
	check_resolve},
    {"resolve_hostname", do_resolve_hostname, CALL_SIGNED | CALL_OPTIONAL, "requester_id",
	"resolve_hostname:{requester_id}", NULL},
    {"punch", do_punch, CALL_SIGNED, "requester_id", "punch:{node_a}:{node_b}", check_punch},
    {"list_nodes", do_list_nodes, CALL_COSTLY, NULL, NULL, NULL},
    {0},
};
