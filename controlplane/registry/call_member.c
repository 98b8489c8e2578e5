// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/registry/call.h"

#include <errno.h>

// Invitations and roles of networks.

enum { DAY_S = 86400 };

static bool needs_enterprise(struct call *c, const struct network *net)
{
	if (net->enterprise)
		return true;
	call_fail(c, "enterprise feature: requires enterprise network");
	return false;
}

// The target of a request on members; NULL with the error.
static struct member *target_member(struct call *c, const struct network *net, const char *field)
{
	uint32_t id = field_u32(c->in, field);
	struct member *m = member_find(net, id);

	if (!m)
		call_fail(c, "node %u is not a member of network %u", id, net->id);
	return m;
}

static void check_invite(struct registry *r, struct call *c)
{
	const struct network *net = call_network(r, c);
	uint32_t inviter = field_u32(c->in, "inviter_id");

	if (!net || !needs_enterprise(c, net))
		return;
	if (inviter && inviter == field_u32(c->in, "target_node_id"))
		call_fail(c, "cannot invite yourself");
	else if (net->rule != JOIN_INVITE)
		call_fail(c, "network %u is not invite-only (rule: %s)", net->id,
		    join_rule_name(net->rule));
}

// By role, unless an administrator of registry or network asks.
static bool may_invite(struct registry *r, struct call *c, const struct network *net)
{
	uint32_t inviter = field_u32(c->in, "inviter_id");
	const struct member *m = member_find(net, inviter);

	if (c->admin || (net->admin_token && call_shows_token(r, c, net)))
		return true;
	if (!m)
		call_fail(c, "inviter %u is not a member of network %u", inviter, net->id);
	else if (m->role < ROLE_ADMIN)
		call_fail(c, "rbac: inviter %u has role \"%s\", requires owner or admin", inviter,
		    role_name(m->role));
	return !c->failed;
}

static void do_invite(struct registry *r, struct call *c)
{
	const struct network *net = call_network(r, c);
	uint32_t inviter = field_u32(c->in, "inviter_id");
	uint32_t target = field_u32(c->in, "target_node_id");
	struct dir_node *n = directory_live(&r->nodes, target);
	int rc;

	if (!net || !may_invite(r, c, net))
		return;
	if (!n)
		call_fail(c, "target node %u: node not found", target);
	else if (member_find(net, target))
		call_fail(c, "node %u is already a member of network %u", target, net->id);
	if (c->failed || !n)
		return;
	out_int(&c->out, "network_id", net->id);
	out_int(&c->out, "target_node_id", target);
	if (inbox_find(n->inbox, INBOX_INVITE, 0, net->id)) {
		out_text(&c->out, "status", "already_invited");
		return;
	}
	rc = registry_deliver(r, n,
	    (struct inbox_entry){
		.kind = INBOX_INVITE, .from = inviter, .network = net->id, .unix_s = c->t.unix_s});
	if (rc)
		call_fail(c, rc == -ENOSPC ? "invite inbox full for node %u" : "node %u: no memory",
		    target);
	else
		call_audit(c, "invite.created", target, net->id, "by node %u", inviter);
}

static bool has_expired(const struct call *c, const struct inbox_entry *e)
{
	return c->t.unix_s - e->unix_s > INBOX_DAYS * DAY_S;
}

static void do_poll_invites(struct registry *r, struct call *c)
{
	struct dir_node *n = call_node(r, c, "node_id");

	if (!n)
		return;
	out_open(&c->out, "invites", '[');
	for (uint32_t i = 0; n->inbox && i < n->inbox->count;) {
		struct inbox_entry *e = &n->inbox->at[i];

		if (e->kind == INBOX_INVITE && has_expired(c, e)) {
			registry_take(r, n, e);
			continue;
		}
		i++;
		if (e->kind != INBOX_INVITE)
			continue;
		out_open(&c->out, NULL, '{');
		out_int(&c->out, "network_id", e->network);
		out_int(&c->out, "inviter_id", e->from);
		out_int(&c->out, "timestamp", e->unix_s);
		out_close(&c->out, '}');
	}
	out_close(&c->out, ']');
}

static void accept_invite(struct registry *r, struct call *c, struct dir_node *n)
{
	struct network *net = call_network(r, c);

	if (!net)
		return;
	if (member_find(net, n->id))
		call_fail(c, "node %u is already a member of network %u", n->id, net->id);
	else if (net->max_members && net->count >= net->max_members)
		call_fail(c, "network membership limit reached");
	else if (!registry_join(r, net, n, ROLE_MEMBER))
		call_fail(c, "out of memory");
}

static void do_respond_invite(struct registry *r, struct call *c)
{
	struct dir_node *n = call_node(r, c, "node_id");
	uint16_t network = field_u16(c->in, "network_id");
	bool accept = field_bool(c->in, "accept"), late;
	struct inbox_entry *e;

	if (!n)
		return;
	e = inbox_find(n->inbox, INBOX_INVITE, 0, network);
	if (!e) {
		if (call_network(r, c))
			call_fail(c, "no pending invite for node %u to network %u", n->id, network);
		return;
	}
	late = has_expired(c, e);
	registry_take(r, n, e);
	if (late)
		call_fail(c, "invite for node %u to network %u has expired", n->id, network);
	else if (accept)
		accept_invite(r, c, n);
	if (c->failed)
		return;
	call_audit(c, accept ? "invite.accepted" : "invite.rejected", n->id, network, "%s", "");
	out_bool(&c->out, "accepted", accept);
	out_int(&c->out, "network_id", network);
}

static void do_kick(struct registry *r, struct call *c)
{
	struct network *net;
	const struct member *m;
	uint32_t target;

	if (field_u16(c->in, "network_id") == 0) {
		call_fail(c, "cannot kick from the backbone network");
		return;
	}
	net = call_network(r, c);
	if (!net || !needs_enterprise(c, net) || !call_has_role(r, c, net, ROLE_ADMIN))
		return;
	m = target_member(c, net, "target_node_id");
	if (!m)
		return;
	if (m->role == ROLE_OWNER) {
		call_fail(c, "cannot kick the network owner");
		return;
	}
	target = m->node;
	registry_leave(r, net, target);
	call_audit(c, "member.kicked", target, net->id, "%s", "");
	out_int(&c->out, "network_id", net->id);
	out_int(&c->out, "target_node_id", target);
}

static void change_role(struct registry *r, struct call *c, enum role to, const char *verb)
{
	struct network *net = call_network(r, c);
	struct member *m;

	if (!net || !needs_enterprise(c, net) || !call_has_role(r, c, net, ROLE_OWNER))
		return;
	m = target_member(c, net, "target_node_id");
	if (!m)
		return;
	if (m->role == ROLE_OWNER) {
		call_fail(c, "cannot %s the owner", verb);
		return;
	}
	if (m->role == to) {
		call_fail(c, "node %u is already %s %s", m->node, to == ROLE_ADMIN ? "an" : "a",
		    role_name(to));
		return;
	}
	m->role = to;
	save_member(r, net, m);
	call_audit(
	    c, to == ROLE_ADMIN ? "member.promoted" : "member.demoted", m->node, net->id, "%s", "");
	out_int(&c->out, "network_id", net->id);
	out_int(&c->out, "target_node_id", m->node);
	out_text(&c->out, "role", role_name(to));
}

static void do_promote(struct registry *r, struct call *c)
{
	change_role(r, c, ROLE_ADMIN, "promote");
}

static void do_demote(struct registry *r, struct call *c)
{
	change_role(r, c, ROLE_MEMBER, "demote");
}

static void do_transfer(struct registry *r, struct call *c)
{
	struct network *net = call_network(r, c);
	struct member *owner, *heir;

	if (!net || !needs_enterprise(c, net) || !call_has_role(r, c, net, ROLE_OWNER))
		return;
	if (!field_u32(c->in, "new_owner_id")) {
		call_fail(c, "new_owner_id is required");
		return;
	}
	heir = target_member(c, net, "new_owner_id");
	owner = network_owner(net);
	if (!heir)
		return;
	if (heir == owner)
		call_fail(c, "node %u is already the owner", heir->node);
	else if (!owner)
		call_fail(c, "network %u has no owner", net->id);
	if (c->failed || !owner)
		return;
	owner->role = ROLE_ADMIN;
	heir->role = ROLE_OWNER;
	save_member(r, net, owner);
	save_member(r, net, heir);
	call_audit(
	    c, "network.ownership_transferred", heir->node, net->id, "from node %u", owner->node);
	out_int(&c->out, "network_id", net->id);
	out_int(&c->out, "old_owner", owner->node);
	out_int(&c->out, "new_owner", heir->node);
}

static void do_get_role(struct registry *r, struct call *c)
{
	const struct network *net = call_network(r, c);
	const struct member *m = net ? target_member(c, net, "target_node_id") : NULL;

	if (!m)
		return;
	out_int(&c->out, "network_id", net->id);
	out_int(&c->out, "target_node_id", m->node);
	out_text(&c->out, "role", role_name(m->role));
}

#define BY_ROLE (CALL_SIGNED | CALL_OPTIONAL | CALL_WRITES)

const struct call_row call_member_rows[] = {
    {"invite_to_network", do_invite, CALL_SIGNED | CALL_OR_ADMIN | CALL_WRITES, "inviter_id",
	"invite:{inviter_id}:{network_id}:{target_node_id}", check_invite},
    {"poll_invites", do_poll_invites, CALL_SIGNED, "node_id", "poll_invites:{node_id}", NULL},
    {"respond_invite", do_respond_invite, CALL_SIGNED | CALL_WRITES, "node_id",
	"respond_invite:{node_id}:{network_id}", NULL},
    {"kick_member", do_kick, BY_ROLE, "node_id",
	"kick_member:{node_id}:{network_id}:{target_node_id}", NULL},
    {"promote_member", do_promote, BY_ROLE, "node_id",
	"promote_member:{node_id}:{network_id}:{target_node_id}", NULL},
    {"demote_member", do_demote, BY_ROLE, "node_id",
	"demote_member:{node_id}:{network_id}:{target_node_id}", NULL},
    {"transfer_ownership", do_transfer, BY_ROLE, "node_id",
	"transfer_ownership:{node_id}:{network_id}:{new_owner_id}", NULL},
    {"get_member_role", do_get_role, 0, NULL, NULL, NULL},
    {0},
};
