// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/registry/call.h"

#include <errno.h>
#include <string.h>

// Trust and relayed handshakes. A pair trusts when both sides have declared it with their
// signature: report_trust, a handshake request, or an answer that accepts.

static void fail_declare(struct call *c, int rc)
{
	if (rc == -ENOSPC)
		call_fail(c, "too many trust declarations without an answer (max %d)", CONSENT_MAX);
	else if (rc)
		call_fail(c, "out of memory");
}

static void declare(struct registry *r, struct call *c, struct dir_node *a, struct dir_node *b)
{
	bool before = registry_trusts(r, a->id, b->id);

	fail_declare(c, registry_declare(r, a, b));
	if (!before && registry_trusts(r, a->id, b->id))
		call_audit(c, "trust.created", a->id, 0, "with node %u", b->id);
}

static void do_report_trust(struct registry *r, struct call *c)
{
	struct dir_node *n = call_node(r, c, "node_id"), *peer = call_node(r, c, "peer_id");

	if (!n || !peer)
		return;
	if (n == peer) {
		call_fail(c, "cannot trust yourself");
		return;
	}
	declare(r, c, n, peer);
}

static void do_revoke_trust(struct registry *r, struct call *c)
{
	uint32_t a = field_u32(c->in, "node_id"), b = field_u32(c->in, "peer_id");
	uint8_t sides = a == b ? 0 : pairs_get(&r->pairs, a, b);

	if (sides != PAIR_BOTH && !(sides & pair_side(a, b))) {
		call_fail(c, "no trust pair between %u and %u", a, b);
		return;
	}
	registry_revoke(r, a, b);
	call_audit(c, "trust.revoked", a, 0, "with node %u", b);
}

static void do_check_trust(struct registry *r, struct call *c)
{
	uint32_t a = field_u32(c->in, "node_id"), b = field_u32(c->in, "peer_id");
	const struct dir_node *x = directory_live(&r->nodes, a), *y = directory_live(&r->nodes, b);

	out_bool(&c->out, "trusted",
	    registry_trusts(r, a, b) || (x && y && x != y && directory_share_network(x, y)));
}

static void fail_deliver(struct call *c, int rc, const struct dir_node *to)
{
	call_fail(
	    c, rc == -ENOSPC ? "handshake inbox full for node %u" : "node %u: no memory", to->id);
}

static void check_request(struct registry *r, struct call *c)
{
	size_t len = strlen(field_text(c->in, "justification"));

	(void)r;
	if (len > JUSTIFICATION_MAX)
		call_fail(c, "justification too large: %zu bytes (max %d)", len, JUSTIFICATION_MAX);
	else if (!*field_text(c->in, "signature"))
		call_fail(c, "handshake request requires signature");
}

// The request that gives way to one from a network in a full inbox: the last one of the network
// that most of them are from. NULL: the newcomer's own would then have as many.
static struct inbox_entry *most_crowded(
    const struct registry *r, const struct inbox *box, const struct endpoint *newcomer)
{
	struct endpoint own_net = endpoint_network(newcomer), net[INBOX_MAX];
	uint32_t requests[INBOX_MAX];
	unsigned count = 0, own = 0, most = 0, last = 0;

	for (uint32_t i = 0; i < box->count && count < INBOX_MAX; i++) {
		const struct dir_node *n = directory_find(&r->nodes, box->at[i].from);
		struct endpoint from = {0};

		if (box->at[i].kind != INBOX_REQUEST)
			continue;
		if (n)
			from = endpoint_from_v6(n->anchor, 0);
		net[count] = endpoint_network(&from);
		own += endpoint_same_addr(&net[count], &own_net);
		requests[count++] = i;
	}
	for (unsigned i = 0; i < count; i++) {
		unsigned same = 0;

		for (unsigned k = 0; k < count; k++)
			same += endpoint_same_addr(&net[i], &net[k]);
		if (same >= most) {
			most = same;
			last = i;
		}
	}
	return most > own + 1 ? &box->at[requests[last]] : NULL;
}

// The text of a request, if its network may write more of them: they wait for as long as those to
// whom they are sent do not ask.
static const char *text_admitted(struct registry *r, const struct call *c)
{
	const char *text = field_text(c->in, "justification");
	struct endpoint net = endpoint_network(&c->from);
	struct source *e = *text ? sources_of(&r->writers, &net) : NULL;

	if (!e)
		return "";
	bucket_drain(&e->bucket, c->t.now_s, TEXT_RATE);
	if (e->bucket.used >= TEXT_BURST)
		return "";
	e->bucket.used += (int32_t)strlen(text);
	return text;
}

static void do_request_handshake(struct registry *r, struct call *c)
{
	struct dir_node *from = call_node(r, c, "from_node_id");
	struct dir_node *to = call_node(r, c, "to_node_id");
	struct inbox_entry *old = NULL;
	int rc;

	if (!from || !to)
		return;
	if (from == to) {
		call_fail(c, "cannot handshake with yourself");
		return;
	}
	if (inbox_find(to->inbox, INBOX_REQUEST, from->id, 0)) {
		call_fail(c, "handshake request already pending from node %u", from->id);
		return;
	}
	rc = registry_declare(r, from, to);
	if (rc) {
		fail_declare(c, rc);
		return;
	}
	if (inbox_count(to->inbox, INBOX_REQUEST) >= INBOX_MAX)
		old = most_crowded(r, to->inbox, &c->from);
	if (old)
		registry_take(r, to, old);
	rc = registry_deliver(r, to,
	    (struct inbox_entry){.kind = INBOX_REQUEST,
		.from = from->id,
		.unix_s = c->t.unix_s,
		.text = (char *)text_admitted(r, c)});
	if (rc) {
		fail_deliver(c, rc, to);
		return;
	}
	call_audit(c, "handshake.relayed", from->id, 0, "to node %u", to->id);
	out_text(&c->out, "status", "delivered");
}

static void out_request(struct registry *r, struct json_out *o, const struct inbox_entry *e)
{
	const struct dir_node *from = directory_find(&r->nodes, e->from);
	char key[KEY_TEXT_MAX];

	out_open(o, NULL, '{');
	out_int(o, "from_node_id", e->from);
	if (from)
		out_text(o, "public_key", key_text(key, from->key));
	out_text(o, "justification", e->text ? e->text : "");
	out_int(o, "timestamp", e->unix_s);
	out_close(o, '}');
}

static void out_response(struct json_out *o, const struct inbox_entry *e)
{
	out_open(o, NULL, '{');
	out_int(o, "from_node_id", e->from);
	out_bool(o, "accept", e->accept);
	out_int(o, "timestamp", e->unix_s);
	out_close(o, '}');
}

// Entries go when the answer has been written.
static void do_poll_handshakes(struct registry *r, struct call *c)
{
	const struct dir_node *n = call_node(r, c, "node_id");
	const struct inbox *box = n ? n->inbox : NULL;

	if (!n)
		return;
	out_open(&c->out, "requests", '[');
	for (uint32_t i = 0; box && i < box->count; i++)
		if (box->at[i].kind == INBOX_REQUEST)
			out_request(r, &c->out, &box->at[i]);
	out_close(&c->out, ']');
	out_open(&c->out, "responses", '[');
	for (uint32_t i = 0; box && i < box->count; i++)
		if (box->at[i].kind == INBOX_RESPONSE)
			out_response(&c->out, &box->at[i]);
	out_close(&c->out, ']');
	for (uint32_t i = 0; box && i < box->count; i++)
		if (box->at[i].kind != INBOX_INVITE) {
			c->polled = n->id;
			c->polled_seq = box->at[i].seq;
		}
}

static void check_respond(struct registry *r, struct call *c)
{
	(void)r;
	// The daemons' registry masks this one.
	if (!*field_text(c->in, "signature"))
		call_fail(c, "handshake response requires signature");
}

static bool has_asked(const struct registry *r, uint32_t node, uint32_t peer)
{
	return pairs_get(&r->pairs, node, peer) & pair_side(node, peer);
}

// The answer that makes room for another in a full inbox: one that its owner has not asked for, or
// the oldest, if the new one was asked for. NULL: the new one is not wanted as much.
static struct inbox_entry *least_wanted(
    const struct registry *r, const struct dir_node *n, bool asked)
{
	for (uint32_t i = 0; i < n->inbox->count; i++) {
		struct inbox_entry *e = &n->inbox->at[i];

		if (e->kind == INBOX_RESPONSE && !has_asked(r, n->id, e->from))
			return e;
	}
	return asked ? inbox_find(n->inbox, INBOX_RESPONSE, 0, 0) : NULL;
}

static void do_respond_handshake(struct registry *r, struct call *c)
{
	struct dir_node *n = call_node(r, c, "node_id"), *peer = call_node(r, c, "peer_id");
	bool accept = field_bool(c->in, "accept"), asked;
	struct inbox_entry *old;
	int rc;

	if (!n || !peer)
		return;
	asked = n != peer && has_asked(r, peer->id, n->id);
	if (n == peer) {
		call_fail(c, "cannot handshake with yourself");
		return;
	}
	if (accept)
		declare(r, c, n, peer);
	else if (!registry_trusts(r, n->id, peer->id))
		registry_revoke(r, n->id, peer->id);
	if (c->failed)
		return;
	old = inbox_find(peer->inbox, INBOX_RESPONSE, n->id, 0);
	if (!old && inbox_count(peer->inbox, INBOX_RESPONSE) >= INBOX_MAX)
		old = least_wanted(r, peer, asked);
	if (old)
		registry_take(r, peer, old);
	rc = registry_deliver(r, peer,
	    (struct inbox_entry){
		.kind = INBOX_RESPONSE, .from = n->id, .accept = accept, .unix_s = c->t.unix_s});
	if (rc) {
		fail_deliver(c, rc, peer);
		return;
	}
	call_audit(c, "handshake.responded", n->id, 0, "to node %u: %s", peer->id,
	    accept ? "accepted" : "rejected");
	out_bool(&c->out, "accept", accept);
	out_int(&c->out, "peer_id", peer->id);
}

const struct call_row call_trust_rows[] = {
    {"poll_handshakes", do_poll_handshakes, CALL_SIGNED, "node_id", "poll_handshakes:{node_id}",
	NULL},
    {"report_trust", do_report_trust, CALL_SIGNED | CALL_WRITES, "node_id",
	"report_trust:{node_id}:{peer_id}", NULL},
    {"revoke_trust", do_revoke_trust, CALL_SIGNED | CALL_WRITES, "node_id",
	"revoke_trust:{node_id}:{peer_id}", NULL},
    {"check_trust", do_check_trust, 0, NULL, NULL, NULL},
    {"request_handshake", do_request_handshake, CALL_SIGNED | CALL_WRITES | CALL_COSTLY,
	"from_node_id", "handshake:{from_node_id}:{to_node_id}", check_request},
    {"respond_handshake", do_respond_handshake, CALL_SIGNED | CALL_WRITES, "node_id",
	"respond:{node_id}:{peer_id}", check_respond},
    {0},
};
