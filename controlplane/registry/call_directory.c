// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/registry/call.h"
#include "controlplane/registry/object.h"
#include "controlplane/registry/pre_roles.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

// A company's directory against the members of a network, by external id (pilotctl directory-sync).

struct listed {
	const char *id;
	const json_t *entry;   // of the directory, or NULL
	struct dir_node *node; // member, or NULL
};

struct sync {
	struct registry *r;
	struct call *call;
	struct network *net;
	struct listed *members, *entries; // by id, ascending
	size_t member_count, entry_count;
	unsigned updated, disabled, mapped, unmapped;
};

static int by_id(const void *a, const void *b)
{
	return strcasecmp(((const struct listed *)a)->id, ((const struct listed *)b)->id);
}

static const struct listed *find(const struct listed *list, size_t count, const char *id)
{
	const struct listed wanted = {.id = id};

	return count ? bsearch(&wanted, list, count, sizeof(*list), by_id) : NULL;
}

static bool collect(struct sync *s, const json_t *entries)
{
	size_t i;
	json_t *v;

	s->members = calloc(s->net->count + 1, sizeof(*s->members));
	s->entries = calloc(json_array_size(entries) + 1, sizeof(*s->entries));
	if (!s->members || !s->entries)
		return false;
	for (i = 0; i < s->net->count; i++) {
		struct dir_node *n = directory_live(&s->r->nodes, s->net->members[i].node);

		if (n && n->external_id)
			s->members[s->member_count++] =
			    (struct listed){.id = n->external_id, .node = n};
	}
	json_array_foreach(entries, i, v)
	{
		const char *id = object_text(v, "external_id");

		if (*id)
			s->entries[s->entry_count++] = (struct listed){.id = id, .entry = v};
	}
	qsort(s->members, s->member_count, sizeof(*s->members), by_id);
	qsort(s->entries, s->entry_count, sizeof(*s->entries), by_id);
	return true;
}

static void say(struct sync *s, const char *what, const char *id, uint32_t node)
{
	char text[EXTERNAL_ID_MAX + 80];

	snprintf(text, sizeof(text), "%s %.*s (node %u)", what, EXTERNAL_ID_MAX, id, node);
	out_text(&s->call->out, NULL, text);
}

// The owner leaves by transfer_ownership only.
static void remove_member(struct sync *s, const struct listed *m, const char *why)
{
	const struct member *member = member_find(s->net, m->node->id);

	if (!member)
		return;
	if (member->role == ROLE_OWNER) {
		say(s, "kept the owner", m->id, m->node->id);
		return;
	}
	registry_leave(s->r, s->net, m->node->id);
	s->disabled++;
	say(s, why, m->id, m->node->id);
}

static void set_role(struct sync *s, const struct listed *m, uint8_t role)
{
	struct member *member = member_find(s->net, m->node->id);
	struct member *owner = network_owner(s->net);
	char text[EXTERNAL_ID_MAX + 80];

	if (!member || member->role == role)
		return;
	if (member == owner) {
		say(s, "kept the owner", m->id, m->node->id);
		return;
	}
	if (role == ROLE_OWNER && owner) {
		owner->role = ROLE_ADMIN;
		save_member(s->r, s->net, owner);
	}
	snprintf(text, sizeof(text), "role %.*s: %s → %s (node %u)", EXTERNAL_ID_MAX, m->id,
	    role_name(member->role), role_name(role), member->node);
	member->role = role;
	save_member(s->r, s->net, member);
	s->updated++;
	out_text(&s->call->out, NULL, text);
}

static void name_node(struct sync *s, struct dir_node *n, const char *name)
{
	if (!*name || n->hostname || hostname_refusal(name) ||
	    directory_set_hostname(&s->r->nodes, n, name) != 0)
		return;
	save_node(s->r, n);
}

static void apply_entry(struct sync *s, const struct listed *e)
{
	const struct listed *m = find(s->members, s->member_count, e->id);
	uint8_t role = role_parse(object_text(e->entry, "role"));

	// roles of other names are a member's
	if (role == ROLE_NONE && *object_text(e->entry, "role"))
		role = ROLE_MEMBER;
	if (!m) {
		s->unmapped++;
		if (role)
			pre_roles_add(&s->net->pre_roles, e->id, role);
		return;
	}
	s->mapped++;
	if (object_bool(e->entry, "disabled")) {
		remove_member(s, m, "disabled");
		return;
	}
	if (role)
		set_role(s, m, role);
	name_node(s, m->node, object_text(e->entry, "display_name"));
}

static void apply_all(struct sync *s, bool remove_unlisted)
{
	out_open(&s->call->out, "actions", '[');
	for (size_t i = 0; i < s->entry_count; i++)
		apply_entry(s, &s->entries[i]);
	for (size_t i = 0; remove_unlisted && i < s->member_count; i++)
		if (!find(s->entries, s->entry_count, s->members[i].id))
			remove_member(s, &s->members[i], "removed unlisted");
	out_close(&s->call->out, ']');
}

// The network of a request on a directory; NULL with the error.
static struct network *directory_network(struct registry *r, struct call *c)
{
	if (field_u16(c->in, "network_id"))
		return call_network(r, c);
	call_fail(c, "network_id is required");
	return NULL;
}

static void do_sync(struct registry *r, struct call *c)
{
	const json_t *entries = field_json(c->in, "entries");
	struct sync s = {.r = r, .call = c, .net = directory_network(r, c)};

	if (!s.net)
		return;
	if (!json_array_size(entries))
		call_fail(c, "entries array is required");
	else if (!s.net->enterprise)
		call_fail(c, "enterprise feature: directory sync requires enterprise network");
	else if (!collect(&s, entries))
		call_fail(c, "out of memory");
	if (!c->failed) {
		apply_all(&s, field_bool(c->in, "remove_unlisted"));
		out_int(&c->out, "updated", s.updated);
		out_int(&c->out, "disabled", s.disabled);
		out_int(&c->out, "mapped", s.mapped);
		out_int(&c->out, "unmapped", s.unmapped);
		s.net->synced = c->t.unix_s;
		save_network(r, s.net);
		call_audit(c, "directory.synced", 0, s.net->id,
		    "mapped=%u updated=%u disabled=%u unmapped=%u", s.mapped, s.updated, s.disabled,
		    s.unmapped);
	}
	free(s.members);
	free(s.entries);
}

static void do_status(struct registry *r, struct call *c)
{
	const struct network *net = directory_network(r, c);
	unsigned live = 0, mapped = 0;

	if (!net)
		return;
	for (uint32_t i = 0; i < net->count; i++) {
		const struct dir_node *n = directory_live(&r->nodes, net->members[i].node);

		live += n != NULL;
		mapped += n && n->external_id;
	}
	out_int(&c->out, "network_id", net->id);
	out_int(&c->out, "total", net->count);
	out_int(&c->out, "mapped", mapped);
	out_int(&c->out, "unmapped", live - mapped);
	out_bool(&c->out, "enterprise", net->enterprise);
	if (net->pre_roles)
		out_int(&c->out, "pre_assignments", pre_roles_count(net->pre_roles));
	if (net->synced)
		out_time(&c->out, "last_sync", net->synced);
}

const struct call_row call_directory_rows[] = {
    {"directory_sync", do_sync, CALL_ADMIN | CALL_COSTLY | CALL_WRITES, NULL, NULL, NULL},
    {"directory_status", do_status, CALL_ADMIN | CALL_COSTLY, NULL, NULL, NULL},
    {0},
};
