// SPDX-License-Identifier: BSD-3-Clause
#include "base/clock.h"
#include "controlplane/admin_api.h"
#include "controlplane/registry/connection.h"
#include "controlplane/registry/find.h"
#include "controlplane/registry/object.h"

#include <stdio.h>
#include <string.h>

// Requests about the embedded registry (docs/admin.md).

enum {
	SCAN_MAX = 65536,
	NETWORKS_SHOWN = 1000, // of one node: its entry must fit into a page
};

static bool needs_registry(const struct cp *cp, struct admin_error *err)
{
	if (cp->embedded.on)
		return true;
	admin_fail(err, "start the relay with --registry embedded",
	    "this relay has no registry of its own");
	return false;
}

static json_t *counters(const struct registry *r)
{
	json_t *o = json_object();

	for (int i = 0; i < REGISTRY_COUNTER_COUNT; i++)
		json_object_set_new(
		    o, registry_counter_names[i], json_integer((json_int_t)r->count[i]));
	return o;
}

static json_t *types(const struct registry *r)
{
	json_t *o = json_object();
	const char *name;

	for (unsigned i = 0; (name = call_type_name(i)); i++)
		json_object_set_new(o, name,
		    json_pack("{s:I,s:I}", "requests", (json_int_t)r->types[i].requests, "errors",
			(json_int_t)r->types[i].errors));
	return o;
}

static json_t *backup_state(const struct embedded *e)
{
	static const char *const states[] = {"none", "running", "done", "failed"};

	return json_pack("{s:s,s:s,s:s}", "state", states[e->backup.state], "path", e->backup.path,
	    "error", e->backup.error.text);
}

static json_t *client_status(const struct registry_client *c)
{
	json_t *beacons = json_array();
	char at[64];

	for (uint32_t i = 0; i < c->beacon_count; i++)
		json_array_append_new(
		    beacons, json_pack("{s:I,s:s}", "id", (json_int_t)c->beacons[i].id, "addr",
				 c->beacons[i].addr));
	return json_pack("{s:s,s:s,s:I,s:o,s:o,s:s}", "registry", format_address(at, &c->at),
	    "addr", c->addr, "beacon_id", (json_int_t)c->beacon_id, "answered_s",
	    c->answered_ns ? json_real((double)(clock_mono_ns() - c->answered_ns) / NS_PER_S)
			   : json_null(),
	    "beacons", beacons, "error", c->error);
}

json_t *admin_registry_status(
    struct cp *cp, struct admin_client *client, const json_t *request, struct admin_error *err)
{
	const struct embedded *e = &cp->embedded;
	const struct registry *r = &e->registry;
	struct store_stats store;
	char listen[64];

	(void)client;
	(void)request;
	if (e->is_client)
		return client_status(&e->client);
	if (!needs_registry(cp, err))
		return NULL;
	store = store_stats(r->store);
	return json_pack("{s:s,s:s,s:b,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:{s:I,s:I,s:I,s:f,s:f},s:o,"
			 "s:o,s:o}",
	    "listen", format_address(listen, &cp->config.registry_listen), "store",
	    cp->config.registry_store, "admin", *r->config.admin_token != 0, "nodes",
	    (json_int_t)r->nodes.live, "known", (json_int_t)r->nodes.count, "next_node",
	    (json_int_t)r->nodes.next_id, "trust", (json_int_t)r->pairs.count, "trust_one_sided",
	    (json_int_t)r->pairs.one_sided, "networks", (json_int_t)r->networks.count,
	    "connections", (json_int_t)e->server.count, "verifying",
	    (json_int_t)e->server.verifying, "commits", "batches", (json_int_t)store.batches,
	    "changes", (json_int_t)store.changes, "failures", (json_int_t)store.failures, "mean_s",
	    store.batches ? (double)store.commit_ns_sum / 1e9 / (double)store.batches : 0, "max_s",
	    (double)store.commit_ns_max / 1e9, "backup", backup_state(e), "counters", counters(r),
	    "types", types(r));
}

static json_t *tag_list(const char *tags)
{
	json_t *list = json_array();

	while (tags && *tags) {
		size_t len = strcspn(tags, ",");

		json_array_append_new(list, json_stringn(tags, len));
		tags += len + (tags[len] == ',');
	}
	return list;
}

static json_t *node_entry(const struct registry *r, const struct dir_node *n)
{
	uint32_t now_s = server_time().now_s, seen = r->nodes.seen[n->slot];
	json_t *networks = json_array();

	for (unsigned i = 0; i < n->network_count && i < NETWORKS_SHOWN; i++)
		json_array_append_new(networks, json_integer(n->networks[i]));
	return json_pack("{s:I,s:s?,s:o,s:s?,s:b,s:b,s:b,s:o,s:o,s:s?,s:o}", "node",
	    (json_int_t)n->id, "hostname", n->hostname, "endpoint",
	    n->at.port ? admin_endpoint(&n->at) : json_null(), "owner", n->owner, "live", n->live,
	    "public", n->public, "proven", n->proven, "tags", tag_list(n->tags), "networks",
	    networks, "version", n->version, "last_seen_s",
	    seen ? json_integer(now_s > seen ? now_s - seen : 0) : json_null());
}

json_t *admin_registry_nodes(
    struct cp *cp, struct admin_client *client, const json_t *request, struct admin_error *err)
{
	const struct registry *r = &cp->embedded.registry;
	struct admin_page page;
	uint32_t slot, last;
	json_t *result;

	(void)client;
	if (!needs_registry(cp, err) || !admin_page_open(&page, request, UINT32_MAX, err))
		return NULL;
	slot = page.cursor < r->nodes.slots ? (uint32_t)page.cursor : r->nodes.slots;
	last = r->nodes.slots - slot > SCAN_MAX ? slot + SCAN_MAX : r->nodes.slots;
	for (; slot < last; slot++) {
		const struct dir_node *n = directory_slot(&r->nodes, slot);

		if (n && !admin_page_add(&page, node_entry(r, n)))
			break;
	}
	result = admin_page_close(&page, "nodes", slot < r->nodes.slots, slot);
	json_object_set_new(result, "total", json_integer(r->nodes.count));
	return result;
}

json_t *admin_registry_networks(
    struct cp *cp, struct admin_client *client, const json_t *request, struct admin_error *err)
{
	const struct registry *r = &cp->embedded.registry;
	const struct network *net;
	struct admin_page page;

	(void)client;
	if (!needs_registry(cp, err) || !admin_page_open(&page, request, NETWORK_MAX, err))
		return NULL;
	for (net = network_after(&r->networks, (uint16_t)page.cursor); net;
	     net = network_after(&r->networks, net->id)) {
		if (!admin_page_add(
			&page, json_pack("{s:i,s:s,s:s,s:b,s:I,s:I,s:b,s:b}", "network", net->id,
				   "name", net->name, "join_rule", join_rule_name(net->rule),
				   "enterprise", net->enterprise, "members", (json_int_t)net->count,
				   "max_members", (json_int_t)net->max_members, "managed",
				   net->rules != NULL, "policy", net->expr_policy != NULL)))
			break;
		page.cursor = net->id;
	}
	return admin_page_close(&page, "networks", net != NULL, page.cursor);
}

json_t *admin_registry_trust(
    struct cp *cp, struct admin_client *client, const json_t *request, struct admin_error *err)
{
	const struct pairs *p = &cp->embedded.registry.pairs;
	struct admin_page page;
	uint64_t i, node;

	(void)client;
	if (!needs_registry(cp, err) || !admin_number(request, "node", 0, UINT32_MAX, &node, err) ||
	    !admin_page_open(&page, request, UINT32_MAX, err))
		return NULL;
	for (i = page.cursor; i < p->used && i - page.cursor < SCAN_MAX; i++) {
		const struct pair *pair = &p->at[i];

		if (!pair->sides || (node && pair->low != node && pair->high != node))
			continue;
		if (!admin_page_add(&page,
			json_pack("{s:I,s:I,s:b,s:b,s:b}", "node", (json_int_t)pair->low, "peer",
			    (json_int_t)pair->high, "trusted", pair->sides == PAIR_BOTH, "by_node",
			    (pair->sides & PAIR_LOW) != 0, "by_peer",
			    (pair->sides & PAIR_HIGH) != 0)))
			break;
	}
	return admin_page_close(&page, "trust", i < p->used, i);
}

struct audit_page {
	struct admin_page page;
	bool full;
};

static void add_audit(void *ctx, const struct audit_entry *e)
{
	struct audit_page *p = ctx;

	if (p->full)
		return;
	p->full = !admin_page_add(&p->page,
	    json_pack("{s:I,s:I,s:s,s:s,s:I,s:I,s:s}", "id", (json_int_t)e->id, "unix_s",
		(json_int_t)e->unix_s, "action", e->action, "actor", e->actor, "node",
		(json_int_t)e->node, "network", (json_int_t)e->network, "details", e->details));
	if (!p->full)
		p->page.cursor = (uint64_t)e->id;
}

json_t *admin_registry_audit(
    struct cp *cp, struct admin_client *client, const json_t *request, struct admin_error *err)
{
	struct audit_page p = {0};

	(void)client;
	if (!needs_registry(cp, err) || !admin_page_open(&p.page, request, INT64_MAX, err))
		return NULL;
	if (store_audit(cp->embedded.registry.store, (int64_t)p.page.cursor, (unsigned)p.page.limit,
		add_audit, &p)) {
		json_decref(p.page.list);
		return admin_fail(err, "is the file there, and readable by who serves?",
		    "cannot read the audit log in %s", cp->config.registry_store);
	}
	return admin_page_close(
	    &p.page, "audit", json_array_size(p.page.list) > 0 && p.page.cursor > 1, p.page.cursor);
}

json_t *admin_registry_backup(
    struct cp *cp, struct admin_client *client, const json_t *request, struct admin_error *err)
{
	int rc;

	(void)client;
	(void)request;
	if (!needs_registry(cp, err))
		return NULL;
	rc = embedded_backup(&cp->embedded);
	if (rc)
		return admin_fail(
		    err, "wait until that one is done", "a backup cannot start: %s", strerror(-rc));
	return backup_state(&cp->embedded);
}

static bool find_arguments(
    const struct registry *r, const json_t *request, struct find *f, struct admin_error *err)
{
	const json_t *tags = json_object_get(request, "tags");
	uint64_t limit, network;
	char why[160];
	size_t i;
	json_t *v;

	if (!admin_number(request, "limit", FIND_PAGE_MAX, UINT32_MAX, &limit, err) ||
	    !admin_number(request, "network", 0, NETWORK_MAX, &network, err))
		return false;
	*f = (struct find){.everything = true,
	    .now_s = server_time().now_s,
	    .limit = limit && limit < FIND_PAGE_MAX ? (unsigned)limit : FIND_PAGE_MAX};
	json_array_foreach(tags, i, v)
	{
		const char *tag = json_string_value(v);

		if (f->tag_count == FIND_TAG_MAX || !tag || !tag_check(tag, why, sizeof(why))) {
			admin_fail(err, "up to 4 tags of lower-case letters, digits and hyphens",
			    "\"%.40s\" cannot be searched for", tag ? tag : "");
			return false;
		}
		f->tags[f->tag_count++] = tag;
	}
	f->network = network_find(&r->networks, (uint16_t)network);
	if (network && !f->network)
		admin_fail(err, "fairway networks lists them", "there is no network %llu",
		    (unsigned long long)network);
	else if (!cursor_parse(object_text(request, "after"), &f->after))
		admin_fail(
		    err, "pass the text that came as \"next\"", "\"after\" is no place in a list");
	return !*err->error;
}

json_t *admin_find(
    struct cp *cp, struct admin_client *client, const json_t *request, struct admin_error *err)
{
	const struct registry *r = &cp->embedded.registry;
	struct find_hit hits[FIND_PAGE_MAX];
	struct admin_page page;
	char next[CURSOR_TEXT_MAX];
	struct find f;
	json_t *result;
	unsigned count, i = 0;

	(void)client;
	if (!needs_registry(cp, err) || !find_arguments(r, request, &f, err))
		return NULL;
	page = (struct admin_page){.list = json_array(), .limit = f.limit};
	count = find_page(r, &f, hits);
	while (i < count &&
	       admin_page_add(&page, node_entry(r, directory_slot(&r->nodes, hits[i].slot))))
		i++;
	if (i < count) { // the message is full: the next page starts behind what is in it
		f.more = true;
		f.after = hits[i - 1];
	}
	result = admin_page_close(&page, "nodes", false, 0);
	if (f.more)
		json_object_set_new(result, "next", json_string(cursor_text(next, f.after)));
	return result;
}
