// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/registry/call.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

// What a node says of itself: hostname, tags, visibility, score.

enum { POLO_MAX = 1000000 };

static void check_hostname(struct registry *r, struct call *c)
{
	const char *name = field_text(c->in, "hostname");
	const char *refusal = *name ? hostname_refusal(name) : NULL;

	(void)r;
	if (refusal)
		call_fail(c, "invalid hostname: %s", refusal);
}

static void do_set_hostname(struct registry *r, struct call *c)
{
	struct dir_node *n = call_node(r, c, "node_id");
	const char *name = field_text(c->in, "hostname");
	int rc;

	if (!n)
		return;
	rc = directory_set_hostname(&r->nodes, n, name);
	if (rc == -EEXIST)
		call_fail(c, "hostname \"%s\" already in use by node %u", name,
		    directory_by_hostname(&r->nodes, name)->id);
	else if (rc)
		call_fail(c, "out of memory");
	if (rc)
		return;
	save_node(r, n);
	call_audit(c, "hostname.changed", n->id, 0, "%s", name);
	out_int(&c->out, "node_id", n->id);
	out_text(&c->out, "hostname", name);
}

// The tags of a request as one text; false with the error. `strip`: a leading # is not meant.
static bool read_tags(struct call *c, char tags[TAGS_TEXT_MAX], bool strip, const char *too_many)
{
	const json_t *list = field_json(c->in, "tags");
	unsigned count = 0;
	size_t i;
	json_t *v;

	tags[0] = 0;
	if (json_array_size(list) > 1000) {
		call_fail(c, "%s", too_many);
		return false;
	}
	json_array_foreach(list, i, v)
	{
		const char *tag = json_string_value(v);
		char why[160];

		if (!tag)
			continue;
		if (strip && *tag == '#')
			tag++;
		if (!tag_check(tag, why, sizeof(why))) {
			call_fail(c, "%s", why);
			return false;
		}
		if (tags_contain(tags, tag))
			continue;
		if (++count > TAG_MAX || !tags_append(tags, tag)) {
			call_fail(c, "%s", too_many);
			return false;
		}
	}
	return true;
}

static void check_tags(struct registry *r, struct call *c)
{
	char tags[TAGS_TEXT_MAX];

	(void)r;
	read_tags(c, tags, true, "too many tags (max 10)");
}

static void do_set_tags(struct registry *r, struct call *c)
{
	struct dir_node *n = call_node(r, c, "node_id");
	char tags[TAGS_TEXT_MAX];

	if (!n || !read_tags(c, tags, true, "too many tags (max 10)"))
		return;
	if (directory_set_tags(&r->nodes, n, tags)) {
		call_fail(c, "out of memory");
		return;
	}
	save_node(r, n);
	call_audit(c, "tags.changed", n->id, 0, "%.150s", tags);
	out_int(&c->out, "node_id", n->id);
	out_list(&c->out, "tags", tags, ',');
}

static void do_set_visibility(struct registry *r, struct call *c)
{
	struct dir_node *n = call_node(r, c, "node_id");

	if (!n)
		return;
	n->public = field_bool(c->in, "public");
	save_node(r, n);
	call_audit(c, "visibility.changed", n->id, 0, n->public ? "public" : "private");
	out_int(&c->out, "node_id", n->id);
	out_text(&c->out, "visibility", n->public ? "public" : "private");
}

static void do_set_task_exec(struct registry *r, struct call *c)
{
	struct dir_node *n = call_node(r, c, "node_id");

	if (!n)
		return;
	n->task_exec = field_bool(c->in, "enabled");
	save_node(r, n);
	call_audit(c, "task_exec.changed", n->id, 0, n->task_exec ? "enabled" : "disabled");
	out_int(&c->out, "node_id", n->id);
	out_bool(&c->out, "task_exec", n->task_exec);
}

static struct dir_node *polo_node(struct registry *r, struct call *c)
{
	uint32_t id = field_u32(c->in, "node_id");
	struct dir_node *n = directory_live(&r->nodes, id);

	if (!n)
		call_fail(c, "node %u not found", id);
	return n;
}

static void answer_polo(struct call *c, const struct dir_node *n)
{
	out_int(&c->out, "node_id", n->id);
	out_address(&c->out, "address", 0, n->id);
	out_int(&c->out, "polo_score", n->polo);
}

// A number within the bounds; false with the error.
static bool polo_number(struct call *c, const char *field, double *v)
{
	if (!field_number(c->in, field, v)) {
		call_fail(c, "%s requires %s field", c->row->type, field);
		return false;
	}
	if (!(fabs(*v) <= POLO_MAX)) {
		call_fail(c, "%s out of range (max %d)", field, POLO_MAX);
		return false;
	}
	return true;
}

// `by`: the node that wants it, 0 for the administrator.
static void polo_set(struct call *c, struct dir_node *n, double value, uint32_t by)
{
	if (value > POLO_MAX)
		value = POLO_MAX;
	if (value < -POLO_MAX)
		value = -POLO_MAX;
	if (n->polo != (int32_t)value) {
		n->polo = (int32_t)value;
		save_node(c->registry, n);
		if (by)
			call_audit(c, "polo_score.changed", n->id, 0, "%d by node %u", n->polo, by);
		else
			call_audit(c, "polo_score.changed", n->id, 0, "%d", n->polo);
	}
	answer_polo(c, n);
}

static void do_get_polo(struct registry *r, struct call *c)
{
	const struct dir_node *n = polo_node(r, c);

	if (n)
		answer_polo(c, n);
}

// Daemons do not sign it: it has to come on the connection of a node that has proven its key.
static void do_update_polo(struct registry *r, struct call *c)
{
	const struct dir_node *by = call_viewer(r, c);
	struct dir_node *n = polo_node(r, c);
	double delta;

	if (n && !by)
		call_fail(c, "signature required: no node has signed a request on this connection");
	else if (n && polo_number(c, "delta", &delta))
		polo_set(c, n, n->polo + (int32_t)delta, by->id);
}

static void do_set_polo(struct registry *r, struct call *c)
{
	struct dir_node *n = polo_node(r, c);
	double value;

	if (n && polo_number(c, "polo_score", &value))
		polo_set(c, n, value, 0);
}

static void do_get_member_tags(struct registry *r, struct call *c)
{
	const struct network *net = call_network(r, c);
	uint32_t target = field_u32(c->in, "target_node_id");
	const struct member *m = net ? member_find(net, target) : NULL;
	char id[16];

	if (!net)
		return;
	out_int(&c->out, "network_id", net->id);
	if (target) {
		out_int(&c->out, "target_node_id", target);
		out_list(&c->out, "tags", m ? m->tags : NULL, ',');
		return;
	}
	out_open(&c->out, "members", '{');
	for (uint32_t i = 0; i < net->count && !c->out.failed; i++) {
		snprintf(id, sizeof(id), "%u", net->members[i].node);
		out_list(&c->out, id, net->members[i].tags, ',');
	}
	out_close(&c->out, '}');
}

static void do_set_member_tags(struct registry *r, struct call *c)
{
	struct network *net = call_network(r, c);
	uint32_t target = field_u32(c->in, "target_node_id");
	struct member *m;
	char tags[TAGS_TEXT_MAX];

	if (!net || !call_has_role(r, c, net, ROLE_ADMIN) ||
	    !read_tags(c, tags, false, "too many member tags (max 10)"))
		return;
	m = member_find(net, target);
	if (!m) {
		call_fail(c, "node %u is not a member of network %u", target, net->id);
		return;
	}
	if (text_set(&m->tags, tags)) {
		call_fail(c, "out of memory");
		return;
	}
	save_member(r, net, m);
	call_audit(c, "member_tags.changed", target, net->id, "%.150s", tags);
	out_int(&c->out, "network_id", net->id);
	out_int(&c->out, "target_node_id", target);
	out_list(&c->out, "tags", tags, ',');
}

const struct call_row call_profile_rows[] = {
    {"set_hostname", do_set_hostname, CALL_SIGNED | CALL_OR_ADMIN | CALL_WRITES, "node_id",
	"set_hostname:{node_id}", check_hostname},
    {"set_tags", do_set_tags, CALL_SIGNED | CALL_OR_ADMIN | CALL_WRITES, "node_id",
	"set_tags:{node_id}", check_tags},
    {"set_visibility", do_set_visibility, CALL_SIGNED | CALL_OR_ADMIN | CALL_WRITES, "node_id",
	"set_visibility:{node_id}", NULL},
    {"set_task_exec", do_set_task_exec, CALL_SIGNED | CALL_OR_ADMIN | CALL_WRITES, "node_id",
	"set_task_exec:{node_id}", NULL},
    {"get_polo_score", do_get_polo, 0, NULL, NULL, NULL},
    {"update_polo_score", do_update_polo, CALL_WRITES, NULL, NULL, NULL},
    {"set_polo_score", do_set_polo, CALL_ADMIN | CALL_WRITES, NULL, NULL, NULL},
    {"get_member_tags", do_get_member_tags, 0, NULL, NULL, NULL},
    {"set_member_tags", do_set_member_tags, CALL_SIGNED | CALL_OPTIONAL | CALL_WRITES, "node_id",
	"set_member_tags:{node_id}:{network_id}:{target_node_id}", NULL},
    {0},
};
