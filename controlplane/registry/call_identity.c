// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/registry/call.h"
#include "controlplane/registry/object.h"
#include "wire/address.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

// Registration, signs of life, keys (wire-registry.md 2.A).

enum {
	OWNER_LEN_MAX = 254,
	ADDR_LIST_MAX = 8, // lan_addrs and endpoints kept of a node
	NETWORK_TEXT_MAX = 16,
	DAY_S = 86400,
	EXPIRY_YEARS_MAX = 10,
};

static bool is_printable(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s <= ' ' || *s == 0x7f)
			return false;
	return true;
}

// One line each: addresses, or "network address" for objects of both.
struct addr_list {
	char text[ADDR_LIST_MAX * (CALL_ADDR_MAX + NETWORK_TEXT_MAX + 2)], *end;
	unsigned count;
};

static void add_addr(struct addr_list *l, const char *net, const char *addr)
{
	if (l->count == ADDR_LIST_MAX || !addr || !*addr || strlen(addr) > CALL_ADDR_MAX ||
	    !is_printable(addr))
		return;
	if (l->count++)
		*l->end++ = '\n';
	if (net)
		l->end = stpcpy(stpcpy(l->end, net), " ");
	l->end = stpcpy(l->end, addr);
}

static void set_lan_addrs(struct dir_node *n, const struct request *in)
{
	struct addr_list l = {.end = l.text};
	uint32_t count;
	const char *plain = field_list(in, "lan_addrs", &count);
	size_t i;
	json_t *v;

	for (; count; count--, plain += strlen(plain) + 1)
		add_addr(&l, NULL, plain);
	if (!plain)
		json_array_foreach(field_json(in, "lan_addrs"), i, v)
		    add_addr(&l, NULL, json_string_value(v));
	*l.end = 0;
	text_set(&n->lan_addrs, l.text);
}

static void set_endpoints(struct dir_node *n, const struct request *in)
{
	struct addr_list l = {.end = l.text};
	size_t i;
	json_t *v;

	json_array_foreach(field_json(in, "endpoints"), i, v)
	{
		const char *net = object_text(v, "network");

		if (*net && strlen(net) <= NETWORK_TEXT_MAX && is_printable(net))
			add_addr(&l, net, object_text(v, "addr"));
	}
	*l.end = 0;
	text_set(&n->endpoints, l.text);
}

static void check_register(struct registry *r, struct call *c)
{
	int rc = field_base64(c->in, "public_key", c->key, sizeof(c->key));
	const struct dir_node *n = rc ? NULL : directory_by_key(&r->nodes, c->key);

	if (rc == -ENOENT)
		call_fail(c, "registration requires public_key");
	else if (rc == -EINVAL)
		call_fail(c, "invalid public key: no standard base64");
	else if (rc)
		call_fail(c, "invalid public key: must be 32 bytes");
	else if (n && n->ratcheted && !*field_text(c->in, "signature"))
		call_fail(c, "signature required: this key has signed its registration before");
}

static struct dir_node *new_node(struct registry *r, struct call *c)
{
	struct directory *d = &r->nodes;
	struct dir_node *n;

	while (d->next_id && (d->next_id == NODE_BROADCAST || directory_find(d, d->next_id)))
		d->next_id++;
	if (!d->next_id) {
		call_fail(c, "node ID space exhausted");
		return NULL;
	}
	if (!registry_admits(r, &c->from, c->t)) {
		call_fail(c, "too many new nodes from this address (max %u a day or without proof)",
		    r->config.source_nodes);
		return NULL;
	}
	n = directory_add(d, d->next_id, c->key);
	if (!n) {
		sources_give(&r->newcomers, &c->from);
		call_fail(c, "registry full");
		return NULL;
	}
	memcpy(n->anchor, c->from.addr, sizeof(n->anchor));
	d->next_id++;
	n->created = c->t.unix_s;
	r->count[REGISTRY_CREATED]++;
	return n;
}

// Where the node is. An address that is not the connection's, and another one of a live node (also
// of one that has chosen to have none), needs proof: at once if the registration is signed, else
// with the next signed request on this connection.
static void place_node(struct call *c, struct dir_node *n, const struct place *p)
{
	bool nowhere = !n->at.port && !n->proven;
	bool unclaimed = !n->live || nowhere || endpoint_same_addr(&n->at, &p->at);
	bool plain = unclaimed && endpoint_same_addr(&p->at, &c->from);

	if (!c->proven && c->conn && (!plain || p->claim.port || n->claim)) {
		c->conn->node = n->id;
		c->conn->place = *p;
	}
	if (c->proven)
		place_take(n, p);
	else if (plain)
		n->at = p->at;
	else if (!n->live)
		n->at.port = 0;
	if (!c->proven && !plain)
		return;
	set_lan_addrs(n, c->in);
	set_endpoints(n, c->in);
}

static void name_node(struct registry *r, struct call *c, struct dir_node *n, bool sure)
{
	const char *hostname = field_text(c->in, "hostname");
	const char *refusal = *hostname ? hostname_refusal(hostname) : NULL;
	char text[NAME_LEN_MAX + 80] = "";

	if (refusal)
		snprintf(text, sizeof(text), "%s", refusal);
	else if (*hostname && !sure)
		snprintf(text, sizeof(text),
		    "hostname \"%s\" not set: a signed registration or set_hostname is required",
		    hostname);
	else if (*hostname && directory_set_hostname(&r->nodes, n, hostname))
		snprintf(text, sizeof(text), "hostname \"%s\" already in use", hostname);
	if (*text)
		out_text(&c->out, "hostname_error", text);
	if (n->hostname)
		out_text(&c->out, "hostname", n->hostname);
}

static void answer_register(struct call *c, const struct dir_node *n, const struct endpoint *at)
{
	char text[ENDPOINT_TEXT_MAX] = "";

	if (at->port)
		endpoint_format(at, text, sizeof(text));
	out_int(&c->out, "node_id", n->id);
	out_int(&c->out, "network_id", 0);
	out_address(&c->out, "address", 0, n->id);
	out_text(&c->out, "public_key", field_text(c->in, "public_key"));
	out_text(&c->out, "observed_addr", text);
	out_int(&c->out, "protocol_version", 1);
	if (n->external_id)
		out_text(&c->out, "external_id", n->external_id);
}

static void do_register(struct registry *r, struct call *c)
{
	const struct fleet_ticket ticket = {
	    field_text(c->in, "identity_token"), field_text(c->in, "owner")};
	const char *owner = fleet_owner(ticket.owner), *version = field_text(c->in, "version");
	struct place place = place_read(&c->from, field_text(c->in, "listen_addr"));
	struct dir_node *n = directory_by_key(&r->nodes, c->key);
	bool known = n != NULL, live;

	if (!n)
		n = new_node(r, c);
	if (!n)
		return;
	live = n->live;
	place_node(c, n, &place);
	if (!live) {
		n->public = n->task_exec = false;
		directory_set_live(&r->nodes, n, true, c->t.now_s);
	}
	if (c->proven) {
		if (!n->proven)
			registry_prove(r, n);
		n->ratcheted = true;
		memcpy(n->anchor, c->from.addr, sizeof(n->anchor));
	}
	if (!live)
		n->version = NULL; // it may be another program now
	// of a live node not for anybody who knows its key to say
	if (*version && (!live || c->proven || endpoint_same_addr(&n->at, &c->from)))
		directory_set_version(&r->nodes, n, version);
	if (!n->owner && strlen(owner) <= OWNER_LEN_MAX)
		text_set(&n->owner, owner);
	answer_register(c, n, &place.at);
	if (!live)
		fleets_welcome(r, n, &ticket, c->t.unix_s);
	name_node(r, c, n,
	    !live || c->proven ||
		(n->hostname && !strcmp(n->hostname, field_text(c->in, "hostname"))));
	save_node(r, n);
	r->count[REGISTRY_REGISTERED]++;
	call_note(c, known ? "node.re_registered" : "node.registered", n->id, 0,
	    live    ? "live"
	    : known ? "returned"
		    : "new");
}

static void do_heartbeat(struct registry *r, struct call *c)
{
	struct dir_node *n = call_node(r, c, "node_id");
	const char *listen = field_text(c->in, "listen_addr");
	struct place place;
	char text[32];
	time_t expires;
	struct tm tm;

	if (!n)
		return;
	if (n->expires && n->expires <= c->t.unix_s) {
		expires = (time_t)n->expires;
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&expires, &tm));
		call_fail(c, "node %u: key expired at %s", n->id, text);
		return;
	}
	place = place_read(&c->from, listen);
	if (*listen && strlen(listen) <= CALL_ADDR_MAX && place_take(n, &place))
		save_node(r, n);
	out_int(&c->out, "time", c->t.unix_s);
	if (n->expires && n->expires - c->t.unix_s < DAY_S)
		out_bool(&c->out, "key_expiry_warning", true);
}

// A node that has gone already is fine.
static void check_deregister(struct registry *r, struct call *c)
{
	c->failed = !directory_live(&r->nodes, field_u32(c->in, "node_id"));
}

static void do_deregister(struct registry *r, struct call *c)
{
	struct dir_node *n = call_node(r, c, "node_id");

	if (!n)
		return;
	call_audit(c, "node.deregistered", n->id, 0, "%s", "");
	registry_let_go(r, n);
}

static void check_rotate(struct registry *r, struct call *c)
{
	uint8_t key[IDENTITY_KEY_SIZE];
	int rc = field_base64(c->in, "new_public_key", key, sizeof(key));

	(void)r;
	if (!*field_text(c->in, "signature"))
		call_fail(c, "rotate_key requires a valid signature");
	else if (rc == -ENOENT)
		call_fail(c, "rotate_key requires new_public_key");
	else if (rc)
		call_fail(c, "invalid new_public_key: no base64 of 32 bytes");
}

static void do_rotate(struct registry *r, struct call *c)
{
	struct dir_node *n = call_node(r, c, "node_id");
	uint8_t key[IDENTITY_KEY_SIZE];

	if (!n)
		return;
	field_base64(c->in, "new_public_key", key, sizeof(key));
	if (directory_set_key(&r->nodes, n, key)) {
		call_fail(c, "invalid new_public_key: already in use");
		return;
	}
	n->rotated = c->t.unix_s;
	n->rotations++;
	n->ratcheted = false;
	save_node(r, n);
	call_audit(c, "key.rotated", n->id, 0, "rotation %u", n->rotations);
	out_int(&c->out, "node_id", n->id);
	out_address(&c->out, "address", 0, n->id);
	out_text(&c->out, "public_key", field_text(c->in, "new_public_key"));
}

static bool in_enterprise_network(const struct registry *r, const struct dir_node *n)
{
	for (unsigned i = 0; i < n->network_count; i++)
		if (network_find(&r->networks, n->networks[i])->enterprise)
			return true;
	return false;
}

static void do_set_key_expiry(struct registry *r, struct call *c)
{
	struct dir_node *n = call_node(r, c, "node_id");
	const char *text = field_text(c->in, "expires_at");
	int64_t at = 0;

	if (!n)
		return;
	if (*text && strcmp(text, "never") != 0) {
		if (!time_parse(text, &at))
			call_fail(c, "invalid expires_at: no RFC 3339 time");
		else if (at <= c->t.unix_s)
			call_fail(c, "expires_at must be in the future");
		else if (at - c->t.unix_s > EXPIRY_YEARS_MAX * 366LL * DAY_S)
			call_fail(c, "invalid expires_at: cannot exceed 10 years");
	}
	if (!in_enterprise_network(r, n))
		call_fail(
		    c, "enterprise feature: key expiry requires enterprise network membership");
	if (c->failed)
		return;
	n->expires = at;
	save_node(r, n);
	call_audit(c, at ? "key.expiry_set" : "key.expiry_cleared", n->id, 0, "%s", "");
	out_int(&c->out, "node_id", n->id);
	if (at)
		out_time(&c->out, "expires_at", at);
}

static void do_get_key_info(struct registry *r, struct call *c)
{
	const struct dir_node *n = call_node(r, c, "node_id");
	int64_t since;

	if (!n)
		return;
	since = n->rotated ? n->rotated : n->created;
	out_int(&c->out, "node_id", n->id);
	out_time(&c->out, "created_at", n->created);
	out_int(&c->out, "rotate_count", n->rotations);
	if (n->rotated)
		out_time(&c->out, "rotated_at", n->rotated);
	if (n->expires)
		out_time(&c->out, "expires_at", n->expires);
	out_int(&c->out, "key_age_days", c->t.unix_s > since ? (c->t.unix_s - since) / DAY_S : 0);
}

const struct call_row call_identity_rows[] = {
    {"heartbeat", do_heartbeat, CALL_SIGNED, "node_id", "heartbeat:{node_id}{?listen_addr}", NULL},
    {"register", do_register, CALL_SIGNED | CALL_OPTIONAL | CALL_KEY_INSIDE | CALL_WRITES, NULL,
	"register:{$listen_addr}:{$public_key}", check_register},
    {"deregister", do_deregister, CALL_SIGNED | CALL_OR_ADMIN | CALL_WRITES, "node_id",
	"deregister:{node_id}", check_deregister},
    {"rotate_key", do_rotate, CALL_SIGNED | CALL_WRITES, "node_id", "rotate:{node_id}",
	check_rotate},
    {"set_key_expiry", do_set_key_expiry, CALL_SIGNED | CALL_OR_ADMIN | CALL_WRITES, "node_id",
	"set_key_expiry:{node_id}", NULL},
    {"get_key_info", do_get_key_info, 0, NULL, NULL, NULL},
    {0},
};
