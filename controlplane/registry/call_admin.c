// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/registry/call.h"
#include "controlplane/registry/pre_roles.h"

#include <stdio.h>
#include <string.h>

// Requests of administrators, and the list of beacons.

// AUDIT_SCAN: entries looked at for those of one network.
enum { AUDIT_DEFAULT = 100, AUDIT_MAX = 1000, AUDIT_SCAN = 20000 };

struct audit_answer {
	struct call *call;
	uint16_t network;
	uint32_t left;	// that the answer still takes
	uint32_t count; // seen in this turn
	int64_t last;	// id of the last one seen
};

static void out_audit(void *ctx, const struct audit_entry *e)
{
	struct audit_answer *a = ctx;
	struct json_out *o = &a->call->out;

	a->count++;
	a->last = e->id;
	if (!a->left || (a->network && e->network != a->network))
		return;
	a->left--;
	out_open(o, NULL, '{');
	out_time(o, "timestamp", e->unix_s);
	out_text(o, "action", e->action);
	if (e->network)
		out_int(o, "network_id", e->network);
	if (e->node)
		out_int(o, "node_id", e->node);
	if (*e->actor)
		out_text(o, "actor", e->actor);
	if (*e->details)
		out_text(o, "details", e->details);
	out_close(o, '}');
}

static void do_get_audit(struct registry *r, struct call *c)
{
	struct audit_answer a = {.call = c, .network = field_u16(c->in, "network_id")};
	uint32_t limit = field_u32(c->in, "limit"), turn, scanned = 0;

	a.left = limit && limit <= AUDIT_MAX ? limit : AUDIT_DEFAULT;
	turn = a.network ? AUDIT_MAX : a.left;
	out_open(&c->out, "entries", '[');
	do {
		a.count = 0;
		if (r->store && store_audit(r->store, a.last, turn, out_audit, &a)) {
			call_fail(c, "cannot read the audit log");
			return;
		}
		scanned += a.count;
	} while (a.network && a.left && a.count == turn && scanned < AUDIT_SCAN);
	out_close(&c->out, ']');
}

static void do_set_external(struct registry *r, struct call *c)
{
	struct dir_node *n = call_node(r, c, "node_id");
	const char *id = field_text(c->in, "external_id");

	if (!n)
		return;
	if (strlen(id) > EXTERNAL_ID_MAX) {
		call_fail(c, "external_id too long (max %d)", EXTERNAL_ID_MAX);
		return;
	}
	text_set(&n->external_id, id);
	save_node(r, n);
	call_audit(c, "identity.external_id_set", n->id, 0, "%.100s", id);
	out_int(&c->out, "node_id", n->id);
	out_text(&c->out, "external_id", id);
}

static void do_get_identity(struct registry *r, struct call *c)
{
	const struct dir_node *n = call_node(r, c, "node_id");

	if (!n)
		return;
	out_int(&c->out, "node_id", n->id);
	out_text(&c->out, "external_id", n->external_id ? n->external_id : "");
	out_text(&c->out, "owner", n->owner ? n->owner : "");
}

static struct beacon *beacon_place(struct registry *r, uint32_t id, uint32_t now_s)
{
	struct beacon *place = NULL;

	for (int i = 0; i < BEACON_MAX; i++) {
		struct beacon *b = &r->beacons[i];

		if (b->id == id)
			return b;
		if (!place && (!b->id || now_s - b->seen_s > BEACON_TTL_S))
			place = b;
	}
	return place;
}

static unsigned beacons_from(const struct registry *r, const struct endpoint *from, uint32_t now_s)
{
	unsigned count = 0;

	for (int i = 0; i < BEACON_MAX; i++)
		count += r->beacons[i].id && now_s - r->beacons[i].seen_s <= BEACON_TTL_S &&
			 endpoint_same_addr(&r->beacons[i].from, from);
	return count;
}

static void do_beacon_register(struct registry *r, struct call *c)
{
	uint32_t id = field_u32(c->in, "beacon_id");
	const char *addr = field_text(c->in, "addr");
	struct beacon *b;

	if (!id)
		call_fail(c, "beacon_id required");
	else if (!*addr)
		call_fail(c, "addr required");
	else if (strlen(addr) >= sizeof(b->addr))
		call_fail(c, "addr too long (max %zu)", sizeof(b->addr) - 1);
	if (c->failed)
		return;
	b = beacon_place(r, id, c->t.now_s);
	if (!b) {
		call_fail(c, "too many beacons (max %d)", BEACON_MAX);
		return;
	}
	if (b->id != id && beacons_from(r, &c->from, c->t.now_s) >= BEACON_SOURCE_MAX) {
		call_fail(c, "too many beacons of this address (max %d)", BEACON_SOURCE_MAX);
		return;
	}
	// A live beacon's address is not for others to change.
	if (b->id == id && c->t.now_s - b->seen_s <= BEACON_TTL_S &&
	    !endpoint_same_addr(&b->from, &c->from)) {
		call_fail(c, "beacon_id %u already in use by another address", id);
		return;
	}
	if (b->id != id || strcmp(b->addr, addr) != 0)
		call_audit(c, "beacon.registered", 0, 0, "%u at %s", id, addr);
	*b = (struct beacon){.id = id, .seen_s = c->t.now_s, .from = c->from};
	snprintf(b->addr, sizeof(b->addr), "%s", addr);
	out_int(&c->out, "beacon_id", id);
}

static void do_beacon_list(struct registry *r, struct call *c)
{
	out_open(&c->out, "beacons", '[');
	for (int i = 0; i < BEACON_MAX; i++) {
		const struct beacon *b = &r->beacons[i];

		if (!b->id || c->t.now_s - b->seen_s > BEACON_TTL_S)
			continue;
		out_open(&c->out, NULL, '{');
		out_int(&c->out, "id", b->id);
		out_text(&c->out, "addr", b->addr);
		out_close(&c->out, '}');
	}
	out_close(&c->out, ']');
}

const struct call_row call_admin_rows[] = {
    {"get_audit_log", do_get_audit, CALL_ADMIN | CALL_COSTLY, NULL, NULL, NULL},
    {"set_external_id", do_set_external, CALL_ADMIN | CALL_WRITES, NULL, NULL, NULL},
    {"get_identity", do_get_identity, CALL_ADMIN, NULL, NULL, NULL},
    {"beacon_register", do_beacon_register, 0, NULL, NULL, NULL},
    {"beacon_list", do_beacon_list, 0, NULL, NULL, NULL},
    {0},
};
