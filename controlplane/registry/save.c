// SPDX-License-Identifier: BSD-3-Clause
#include "base/clock.h"
#include "base/log.h"
#include "controlplane/registry/registry.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Records to rows of the store and back.

static const char *endpoint_text(const struct endpoint *at, char *text, size_t size)
{
	if (at->port == 0 || endpoint_format(at, text, size) < 0)
		return NULL;
	return text;
}

void save_node(struct registry *r, const struct dir_node *n)
{
	char at[ENDPOINT_TEXT_MAX];

	store_put(r->store, STORE_NODE,
	    "ibiiiiitttttttt"
	    "iiiiit",
	    (int64_t)n->id, n->key, sizeof(n->key), (int64_t)n->live, (int64_t)n->public,
	    (int64_t)n->task_exec, (int64_t)n->proven, (int64_t)n->ratcheted,
	    endpoint_text(&n->at, at, sizeof(at)), n->hostname, n->owner, n->external_id, n->tags,
	    n->lan_addrs, n->endpoints, n->version, (int64_t)n->polo, (int64_t)n->rotations,
	    n->created, n->rotated, n->expires, n->claim);
}

void save_network(struct registry *r, const struct network *net)
{
	char ports[NETWORK_PORT_MAX * 6 + 1] = "";
	size_t len = 0;

	for (unsigned i = 0; i < net->port_count; i++)
		len += (size_t)snprintf(
		    ports + len, sizeof(ports) - len, i ? ",%u" : "%u", net->ports[i]);
	store_put(r->store, STORE_NETWORK,
	    "itiittittt"
	    "titi",
	    (int64_t)net->id, net->name, (int64_t)net->rule, (int64_t)net->enterprise, net->token,
	    net->admin_token, (int64_t)net->max_members, ports, net->description, net->rules,
	    net->expr_policy, net->created, net->pre_roles, net->synced);
}

void save_member(struct registry *r, const struct network *net, const struct member *m)
{
	store_put(r->store, STORE_MEMBER, "iiit", (int64_t)net->id, (int64_t)m->node,
	    (int64_t)m->role, m->tags);
}

void save_meta(struct registry *r)
{
	store_put(r->store, STORE_META, "ti", "next_node", (int64_t)r->nodes.next_id);
	store_put(r->store, STORE_META, "ti", "next_network", (int64_t)r->networks.next_id);
	store_put(r->store, STORE_META, "ti", "created", r->created);
}

void save_audit(struct registry *r, const struct audit *a)
{
	store_put(r->store, STORE_AUDIT, "itiitt", a->unix_s, a->action, (int64_t)a->node,
	    (int64_t)a->network, a->actor, a->details);
}

struct loading {
	struct registry *r;
	struct registry_time t;
	bool full;
};

static bool load_meta(struct registry *r, const struct store_row *row)
{
	const char *name = row_text(row, 0);
	int64_t value = row_int(row, 1);

	if (!strcmp(name, "next_node") && value > 0 && value <= UINT32_MAX)
		r->nodes.next_id = (uint32_t)value;
	else if (!strcmp(name, "next_network") && value > 0 && value <= NETWORK_MAX + 1)
		r->networks.next_id = (uint32_t)value;
	else if (!strcmp(name, "created"))
		r->created = value;
	return true;
}

static bool load_node(struct loading *l, const struct store_row *row)
{
	struct directory *d = &l->r->nodes;
	uint8_t key[IDENTITY_KEY_SIZE];
	int64_t id = row_int(row, 0);
	struct dir_node *n;

	if (id < 1 || id > UINT32_MAX)
		return false;
	if (id >= d->next_id)
		d->next_id = (uint32_t)id + 1;
	if (!row_blob(row, 1, key, sizeof(key)))
		return false;
	n = directory_add(d, (uint32_t)id, key);
	if (!n) {
		l->full = l->full || errno == ENOSPC;
		return false;
	}
	n->public = row_int(row, 3);
	n->task_exec = row_int(row, 4);
	n->proven = row_int(row, 5);
	n->ratcheted = row_int(row, 6);
	endpoint_parse(row_text(row, 7), 0, &n->at);
	n->polo = (int32_t)row_int(row, 15);
	n->rotations = (uint32_t)row_int(row, 16);
	n->created = row_int(row, 17);
	n->rotated = row_int(row, 18);
	n->expires = row_int(row, 19);
	if (row_int(row, 2))
		directory_set_live(d, n, true, l->t.now_s);
	return !directory_set_hostname(d, n, row_text(row, 8)) &&
	       !text_set(&n->owner, row_text(row, 9)) &&
	       !text_set(&n->external_id, row_text(row, 10)) &&
	       !directory_set_tags(d, n, row_text(row, 11)) &&
	       !text_set(&n->lan_addrs, row_text(row, 12)) &&
	       !text_set(&n->endpoints, row_text(row, 13)) &&
	       !text_set(&n->claim, row_text(row, 20)) &&
	       (!*row_text(row, 14) || !directory_set_version(d, n, row_text(row, 14)));
}

static bool load_pair(struct registry *r, const struct store_row *row)
{
	uint32_t low = (uint32_t)row_int(row, 0), high = (uint32_t)row_int(row, 1);
	uint8_t sides = (uint8_t)row_int(row, 2);
	struct dir_node *n;

	if (low == 0 || low >= high || sides == 0 || sides > PAIR_BOTH ||
	    pairs_set(&r->pairs, low, high, sides))
		return false;
	n = sides == PAIR_BOTH ? NULL : directory_find(&r->nodes, sides == PAIR_LOW ? low : high);
	if (n)
		n->consents++;
	return true;
}

static void load_ports(struct network *net, const char *text)
{
	while (*text && net->port_count < NETWORK_PORT_MAX) {
		char *end;

		net->ports[net->port_count++] = (uint16_t)strtoul(text, &end, 10);
		text = *end ? end + 1 : end;
	}
}

static bool load_network(struct registry *r, const struct store_row *row)
{
	int64_t id = row_int(row, 0), rule = row_int(row, 2);
	struct network *net;

	if (id < 1 || id > NETWORK_MAX || rule < JOIN_OPEN || rule > JOIN_INVITE ||
	    strlen(row_text(row, 1)) > NAME_LEN_MAX)
		return false;
	net = network_add(&r->networks, (uint16_t)id, row_text(row, 1));
	if (!net)
		return false;
	net->rule = (uint8_t)rule;
	net->enterprise = row_int(row, 3);
	net->max_members = (uint32_t)row_int(row, 6);
	net->created = row_int(row, 11);
	net->synced = row_int(row, 13);
	load_ports(net, row_text(row, 7));
	return !text_set(&net->token, row_text(row, 4)) &&
	       !text_set(&net->admin_token, row_text(row, 5)) &&
	       !text_set(&net->description, row_text(row, 8)) &&
	       !text_set(&net->rules, row_text(row, 9)) &&
	       !text_set(&net->expr_policy, row_text(row, 10)) &&
	       !text_set(&net->pre_roles, row_text(row, 12));
}

static bool load_member(struct registry *r, const struct store_row *row)
{
	int64_t id = row_int(row, 0), role = row_int(row, 2);
	struct network *net = id > 0 && id <= NETWORK_MAX ? network_find(&r->networks, id) : NULL;
	struct dir_node *n = directory_find(&r->nodes, (uint32_t)row_int(row, 1));
	struct member *m;

	if (!net || !n || role < ROLE_NONE || role > ROLE_OWNER)
		return false;
	m = member_add(net, n->id, (enum role)role);
	return m && !directory_join(n, net->id) && !text_set(&m->tags, row_text(row, 3));
}

static bool load_inbox(struct registry *r, const struct store_row *row)
{
	struct dir_node *n = directory_find(&r->nodes, (uint32_t)row_int(row, 1));
	struct inbox_entry e = {.seq = (uint64_t)row_int(row, 0),
	    .kind = (uint8_t)row_int(row, 2),
	    .from = (uint32_t)row_int(row, 3),
	    .network = (uint16_t)row_int(row, 4),
	    .accept = row_int(row, 5),
	    .unix_s = row_int(row, 6)};

	if (!n || e.kind > INBOX_INVITE || text_set(&e.text, row_text(row, 7)))
		return false;
	if (e.seq > r->inbox_seq)
		r->inbox_seq = e.seq;
	r->inbox_bytes += e.text ? strlen(e.text) : 0;
	return inbox_add(&n->inbox, e) == 0;
}

static bool load_row(void *ctx, enum store_op op, const struct store_row *row)
{
	struct loading *l = ctx;

	switch (op) {
	case STORE_META:
		return load_meta(l->r, row);
	case STORE_NODE:
		return load_node(l, row);
	case STORE_PAIR:
		return load_pair(l->r, row);
	case STORE_NETWORK:
		return load_network(l->r, row);
	case STORE_MEMBER:
		return load_member(l->r, row);
	default:
		return load_inbox(l->r, row);
	}
}

int registry_attach(
    struct registry *r, const char *path, struct registry_time t, struct parse_error *error)
{
	struct loading l = {.r = r, .t = t};
	uint64_t start = clock_mono_ns();
	int rc;

	r->store = store_open(path, error);
	if (!r->store)
		return -errno;
	rc = store_load(r->store, load_row, &l, error);
	if (!rc && l.full) {
		parse_error_set(error, "%s holds more than %u nodes: raise nodes.capacity", path,
		    r->config.capacity);
		rc = -EINVAL;
	}
	if (rc)
		return rc;
	if (!r->created) {
		r->created = t.unix_s;
		save_meta(r);
	}
	log_info("registry loaded", kv("path", path), kv("nodes", r->nodes.count),
	    kv("live", r->nodes.live), kv("trust", r->pairs.count),
	    kv("networks", r->networks.count),
	    kv("milliseconds", (clock_mono_ns() - start) / NS_PER_MS));
	return 0;
}
