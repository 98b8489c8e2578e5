// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/registry/call.h"

#include "base/decimal.h"
#include "base/text.h"
#include "controlplane/registry/audit.h"
#include "controlplane/registry/frame.h"
#include "controlplane/registry/object.h"
#include "wire/bytes.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct call_row *const tables[] = {call_identity_rows, call_profile_rows,
    call_lookup_rows, call_trust_rows, call_network_rows, call_member_rows, call_policy_rows,
    call_admin_rows, call_find_rows, call_provision_rows, call_directory_rows};

static void row_find(struct call *c)
{
	const char *type = field_text(c->in, "type");

	c->type = 0;
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		for (c->row = tables[i]; c->row->type; c->row++, c->type++)
			if (c->row->type[0] == *type && !strcmp(c->row->type, type))
				return;
	c->row = NULL;
}

const char *call_type_name(unsigned number)
{
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		for (const struct call_row *row = tables[i]; row->type; row++)
			if (number-- == 0)
				return row->type;
	return NULL;
}

// Clients of the field see these texts only (wire-registry.md 2.0.2).
static bool is_shown(const char *error)
{
	static const char *const shown[] = {"rate limited", "enterprise feature", "expired",
	    "already", "not a member", "cannot", "too many", "too long", "not found", "invalid",
	    "required"};

	for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++)
		if (strstr(error, shown[i]))
			return true;
	return false;
}

void call_fail(struct call *c, const char *format, ...)
{
	va_list args;

	if (c->failed)
		return;
	va_start(args, format);
	vsnprintf(c->error, sizeof(c->error), format, args);
	va_end(args);
	c->failed = true;
}

static void frame_begin(struct call *c)
{
	static const uint8_t header[FRAME_HEADER];

	out_reset(&c->out, FRAME_REPLY_MAX);
	out_bytes(&c->out, header, sizeof(header));
	out_open(&c->out, NULL, '{');
}

static void frame_finish(struct call *c)
{
	out_close(&c->out, '}');
	if (!c->out.failed)
		store_be32((uint8_t *)c->out.text, (uint32_t)(c->out.len - FRAME_HEADER));
}

static void answer_begin(struct call *c)
{
	char type[80];

	frame_begin(c);
	memcpy(stpcpy(type, c->row->type), "_ok", sizeof("_ok"));
	out_text(&c->out, "type", type);
}

static void answer_error(struct registry *r, struct call *c)
{
	text_mend(c->error);
	frame_begin(c);
	out_text(&c->out, "type", "error");
	out_text(&c->out, "error", is_shown(c->error) ? c->error : "request failed");
	r->count[REGISTRY_ERRORS]++;
}

static enum call_step finish(struct registry *r, struct call *c)
{
	if (c->failed && *c->error)
		answer_error(r, c);
	frame_finish(c);
	if (c->out.failed) {
		c->failed = true;
		snprintf(c->error, sizeof(c->error), "answer too long: ask for less");
		answer_error(r, c);
		frame_finish(c);
	}
	if (c->row && c->row->flags & CALL_WRITES)
		c->ticket = store_ticket(r->store);
	if (c->row && c->row->flags & CALL_COSTLY)
		c->cost += CALL_COST;
	c->cost += (uint32_t)(c->out.len / CALL_COST_BYTES);
	r->count[REGISTRY_REQUESTS]++;
	if (c->row) {
		r->types[c->type].requests++;
		r->types[c->type].errors += c->failed && *c->error;
	}
	return CALL_DONE;
}

// Whoever signs is where its connection comes from.
static void note_proof(struct registry *r, struct call *c)
{
	struct dir_node *n = directory_live(&r->nodes, c->signer);
	bool dirty = false;

	if (!n)
		return;
	directory_touch(&r->nodes, n, c->t.now_s);
	if (!n->proven) {
		registry_prove(r, n);
		dirty = true;
	}
	memcpy(n->anchor, c->from.addr, sizeof(n->anchor));
	if (c->conn)
		c->conn->signer = n->id;
	if (c->conn && c->conn->node == n->id) {
		place_take(n, &c->conn->place);
		c->conn->node = 0;
		dirty = true;
	}
	if (dirty)
		save_node(r, n);
}

static enum call_step proceed(struct registry *r, struct call *c)
{
	if (c->proven)
		note_proof(r, c);
	if (c->row->flags & CALL_WRITES && store_is_full(r->store))
		call_fail(c, "too many changes wait for the disk");
	if (!c->failed) {
		answer_begin(c);
		c->row->handle(r, c);
	}
	return finish(r, c);
}

// Neither signature nor token: the signature's error counts.
static enum call_step refuse(struct registry *r, struct call *c, const char *why)
{
	if (c->row->flags & CALL_OR_ADMIN && call_shows_token(r, c, NULL)) {
		c->admin = true;
		return proceed(r, c);
	}
	call_fail(c, "%s", why);
	return finish(r, c);
}

static void challenge_add(struct call *c, const char *text, size_t len)
{
	if (len > sizeof(c->text) - c->text_len)
		len = sizeof(c->text) - c->text_len;
	memcpy(c->text + c->text_len, text, len);
	c->text_len += len;
}

static void challenge_field(struct call *c, const char *name, size_t len)
{
	bool is_text = *name == '$', if_any = *name == '?';
	const struct request_field *f =
	    request_find(c->in, name + (is_text || if_any), len - (is_text || if_any));
	char number[DECIMAL_MAX];

	if (!is_text && !if_any) {
		challenge_add(c, number,
		    decimal_write(number,
			f && f->kind == VALUE_NUMBER ? number_up_to(f->number, UINT32_MAX) : 0));
	} else if (f && f->kind == VALUE_TEXT && *f->text) {
		challenge_add(c, ":", if_any);
		challenge_add(c, f->text, strlen(f->text));
	}
}

// Writes the challenge's text. False when it would be longer than anybody's.
static bool challenge_build(struct call *c)
{
	c->text_len = 0;
	for (const char *p = c->row->challenge; *p;) {
		size_t plain = strcspn(p, "{"), len;

		challenge_add(c, p, plain);
		p += plain;
		if (!*p)
			break;
		len = strcspn(++p, "}");
		challenge_field(c, p, len);
		p += len + 1;
	}
	return c->text_len < sizeof(c->text);
}

// The signer's key: from the directory, or the request. False with the error.
static bool find_key(struct registry *r, struct call *c)
{
	const struct dir_node *n;

	if (c->row->flags & CALL_KEY_INSIDE)
		return field_base64(c->in, "public_key", c->key, sizeof(c->key)) == 0;
	c->signer = field_u32(c->in, c->row->signer);
	n = directory_live(&r->nodes, c->signer);
	if (!n) {
		call_fail(c, "node %u: node not found", c->signer);
		return false;
	}
	memcpy(c->key, n->key, sizeof(c->key));
	return true;
}

static enum call_step begin_signed(struct registry *r, struct call *c)
{
	const char *sig = field_text(c->in, "signature");
	bool known = false;
	int rc;

	if (!*sig && c->row->flags & CALL_OPTIONAL)
		return proceed(r, c);
	if (!find_key(r, c))
		return finish(r, c);
	if (!*sig)
		return refuse(r, c, "signature required for authenticated node");
	if (challenge_build(c) && strlen(sig) == SIG_TEXT_LEN) {
		c->tag = sig_cache_tag(&r->sigs, c->key, c->text, c->text_len, sig);
		known = sig_cache_has(&r->sigs, c->tag);
		rc = known ? 0 : field_base64(c->in, "signature", c->sig, sizeof(c->sig));
	} else {
		rc = field_base64(c->in, "signature", c->sig, sizeof(c->sig)) ?: -EMSGSIZE;
	}
	if (rc == -EINVAL)
		return refuse(r, c, "invalid signature encoding: no standard base64");
	if (rc)
		return refuse(r, c, "signature verification failed");
	if (!known)
		return CALL_VERIFY;
	r->count[REGISTRY_REMEMBERED]++;
	c->proven = true;
	return proceed(r, c);
}

enum call_step call_begin(struct registry *r, struct call *c)
{
	c->registry = r;
	row_find(c);
	if (!c->row) {
		r->count[REGISTRY_UNKNOWN]++;
		call_fail(c, "unknown message type");
		return finish(r, c);
	}
	if (c->row->check) {
		answer_begin(c);
		c->row->check(r, c);
		if (c->failed)
			return finish(r, c);
	}
	if (c->row->flags & CALL_SIGNED)
		return begin_signed(r, c);
	if (c->row->flags & CALL_ADMIN && !call_is_admin(r, c))
		return finish(r, c);
	return proceed(r, c);
}

bool call_peek(struct registry *r, struct call *c)
{
	const char *sig = field_text(c->in, "signature");

	c->registry = r;
	row_find(c);
	if (!c->row || !(c->row->flags & CALL_SIGNED) || strlen(sig) != SIG_TEXT_LEN ||
	    !find_key(r, c) || !challenge_build(c))
		return false;
	c->tag = sig_cache_tag(&r->sigs, c->key, c->text, c->text_len, sig);
	return !sig_cache_has(&r->sigs, c->tag) &&
	       field_base64(c->in, "signature", c->sig, sizeof(c->sig)) == 0;
}

void call_verified(struct registry *r, struct call *c, bool valid)
{
	const struct dir_node *n = directory_live(&r->nodes, c->signer);

	// The key may have changed while the signature was verified.
	if (valid && c->signer && (!n || memcmp(n->key, c->key, sizeof(c->key)) != 0))
		valid = false;
	if (!valid) {
		r->count[REGISTRY_FORGED]++;
		refuse(r, c, "signature verification failed");
		return;
	}
	r->count[REGISTRY_VERIFIED]++;
	sig_cache_add(&r->sigs, c->tag);
	c->proven = true;
	proceed(r, c);
}

void call_delivered(struct registry *r, uint32_t node, uint64_t seq)
{
	struct dir_node *n = directory_find(&r->nodes, node);

	for (uint32_t i = 0; n && n->inbox && i < n->inbox->count;) {
		struct inbox_entry *e = &n->inbox->at[i];

		if (e->kind != INBOX_INVITE && e->seq <= seq)
			registry_take(r, n, e);
		else
			i++;
	}
}

void call_free(struct call *c)
{
	request_free(c->in);
	out_free(&c->out);
}

struct dir_node *call_node(struct registry *r, struct call *c, const char *field)
{
	uint32_t id = field_u32(c->in, field);
	struct dir_node *n = directory_live(&r->nodes, id);

	if (!n)
		call_fail(c, "node %u: node not found", id);
	return n;
}

const struct dir_node *call_viewer(const struct registry *r, const struct call *c)
{
	uint32_t id = c->proven ? c->signer : c->conn ? c->conn->signer : 0;

	return directory_live(&r->nodes, id);
}

bool call_is_full(const struct call *c)
{
	return c->out.len > CALL_LIST_MAX;
}

struct network *call_network(struct registry *r, struct call *c)
{
	uint16_t id = field_u16(c->in, "network_id");
	struct network *net = network_find(&r->networks, id);

	if (!id)
		call_fail(c, "%s cannot be used on the backbone network", c->row->type);
	else if (!net)
		call_fail(c, "network %u: network not found", id);
	return net;
}

bool call_shows_token(const struct registry *r, const struct call *c, const struct network *net)
{
	const char *token = field_text(c->in, "admin_token");

	return *token &&
	       (text_equal_secret(r->config.admin_token, token) ||
		   (net && net->admin_token && text_equal_secret(net->admin_token, token)));
}

bool call_is_admin(struct registry *r, struct call *c)
{
	if (!*r->config.admin_token) {
		call_fail(c, "network creation is disabled");
		return false;
	}
	if (!call_shows_token(r, c, NULL)) {
		call_fail(c, "invalid admin token");
		return false;
	}
	c->admin = true;
	return true;
}

bool call_has_role(struct registry *r, struct call *c, const struct network *net, enum role least)
{
	uint32_t actor = field_u32(c->in, "node_id");
	const struct member *m;

	if (call_shows_token(r, c, net)) {
		c->admin = true;
		return true;
	}
	if (actor == 0) {
		call_fail(c, "rbac: node_id required for role-based authorization");
		return false;
	}
	if (!c->proven) {
		call_fail(c, "rbac: signature or admin token required");
		return false;
	}
	m = member_find(net, c->signer);
	if (!m || m->role < least) {
		call_fail(c, "rbac: node %u has role \"%s\", requires %s", actor,
		    role_name(m ? m->role : ROLE_NONE), role_name(least));
		return false;
	}
	return true;
}

void call_note(
    struct call *c, const char *action, uint32_t node, uint16_t network, const char *details)
{
	char actor[ENDPOINT_TEXT_MAX + 32];
	struct audit a;

	if (c->admin)
		snprintf(actor, sizeof(actor), "admin");
	else if (c->proven && c->signer)
		snprintf(actor, sizeof(actor), "node %u", c->signer);
	else if (endpoint_format(&c->from, actor, sizeof(actor)) < 0)
		actor[0] = 0;
	a = (struct audit){.unix_s = c->t.unix_s,
	    .action = action,
	    .actor = actor,
	    .details = details,
	    .node = node,
	    .network = network};
	if (c->admin)
		save_audit(c->registry, &a);
	else
		audit_from(c->registry, &a, &c->from, c->t.now_s);
}

void call_audit(
    struct call *c, const char *action, uint32_t node, uint16_t network, const char *format, ...)
{
	char details[200];
	va_list args;

	va_start(args, format);
	vsnprintf(details, sizeof(details), format, args);
	va_end(args);
	text_mend(details);
	call_note(c, action, node, network, details);
}
