// SPDX-License-Identifier: BSD-3-Clause
#include "base/clock.h"
#include "controlplane/admin_api.h"
#include "controlplane/room.h"

#include <string.h>

enum { SCAN_MAX = 65536 }; // nodes looked at for one page: the loop must not stall

static double ago(uint64_t now_ns, uint32_t then_s)
{
	double now = (double)now_ns / NS_PER_S;

	// Milliseconds will do.
	return now > then_s ? (double)(int64_t)((now - then_s) * 1000) / 1000 : 0.0;
}

static json_t *remote_entry(const struct session *s, struct node_entry e)
{
	const struct peer *p = &s->memory->peers[node_entry_address(e) % PEER_MAX];

	return json_pack("{s:I,s:n,s:n,s:n,s:n,s:b,s:n,s:b,s:b,s:o,s:b,s:b}", "node",
	    (json_int_t)node_entry_id(e), "endpoint", "local", "last_seen_s", "first_seen_s",
	    "carry", 0, "key", "verified", 0, "remote", 1, "peer", admin_endpoint(&p->at),
	    "resolved", p->nexthop != 0, "kernel", 0);
}

static json_t *node_json(const struct session *s, struct node_entry e, uint64_t now_ns)
{
	const struct node_table *t = &s->nodes.table;
	const struct node_info *info = &t->info[node_entry_index(e)];
	const struct local *local = &s->memory->locals[node_entry_local(e)];
	uint16_t nexthop = node_entry_nexthop(e);
	struct endpoint at;

	if (node_entry_flags(e) & NODE_REMOTE)
		return remote_entry(s, e);
	if (!node_table_endpoint(t, e, &at))
		return NULL;
	return json_pack("{s:I,s:o,s:o,s:f,s:f,s:b,s:o,s:b,s:b,s:n,s:b,s:b}", "node",
	    (json_int_t)node_entry_id(e), "endpoint", admin_endpoint(&at), "local",
	    admin_endpoint(&local->at), "last_seen_s", ago(now_ns, node_alive_at(t, e)),
	    "first_seen_s", ago(now_ns, info->first_seen), "carry",
	    (node_entry_flags(e) & NODE_CARRY) != 0, "key",
	    info->has_key ? admin_hex(info->key, sizeof(info->key)) : json_null(), "verified",
	    info->has_key, "remote", 0, "peer", "resolved",
	    nexthop && __atomic_load_n(&s->memory->nexthops[nexthop], __ATOMIC_RELAXED) != 0,
	    "kernel", s->nodes.kernel && kernel_writer_has(s->nodes.kernel, node_entry_id(e)));
}

// The walk goes in the order of bit-reversed hashes: the place behind a node, wherever it is now.
static uint64_t cursor_behind(const struct node_table *t, uint32_t id)
{
	uint32_t hash = node_hash(t->hash_key, id), order = 0;

	for (int i = 0; i < 32; i++)
		order |= (hash >> i & 1) << (31 - i);
	return (uint64_t)order + 1;
}

// Adds nodes until the page or the scan is full. True at the end of the table; page->cursor is the
// last node that was looked at.
static bool nodes_scan(const struct session *s, struct admin_page *page, bool remote)
{
	const struct node_table *t = &s->nodes.table;
	uint64_t now_ns = clock_mono_ns();
	uint64_t cursor = page->cursor ? cursor_behind(t, (uint32_t)page->cursor) : 0;

	for (unsigned looked = 0; looked < SCAN_MAX && cursor < NODE_CURSOR_END;) {
		struct node_entry e;
		json_t *entry = NULL;

		if (node_table_walk(t, &cursor, &e, 1) == 0)
			continue;
		looked++;
		if (remote || !(node_entry_flags(e) & NODE_REMOTE))
			entry = node_json(s, e, now_ns);
		if (entry && !admin_page_add(page, entry))
			return false;
		page->cursor = node_entry_id(e);
	}
	return cursor >= NODE_CURSOR_END;
}

json_t *admin_nodes(
    struct cp *cp, struct admin_client *client, const json_t *request, struct admin_error *err)
{
	bool remote = json_is_true(json_object_get(request, "remote")), end;
	const struct session *s = &cp->session;
	struct admin_page page;
	json_t *result;

	(void)client;
	if (!admin_page_open(&page, request, UINT32_MAX, err))
		return NULL;
	end = nodes_scan(s, &page, remote);
	result = admin_page_close(&page, "nodes", !end, page.cursor);
	json_object_set_new(result, "total",
	    json_integer(
		remote ? s->nodes.node_count : s->nodes.node_count - s->nodes.remote_count));
	return result;
}

json_t *admin_node(
    struct cp *cp, struct admin_client *client, const json_t *request, struct admin_error *err)
{
	struct node_entry e;
	uint64_t id;

	(void)client;
	if (!admin_number(request, "node", 0, UINT32_MAX, &id, err))
		return NULL;
	if (!node_table_find(&cp->session.nodes.table, (uint32_t)id, &e))
		return admin_fail(err, "`fairway nodes` lists those that are known",
		    "node %llu is not known here", (unsigned long long)id);
	return node_json(&cp->session, e, clock_mono_ns());
}
