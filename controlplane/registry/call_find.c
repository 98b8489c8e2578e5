// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/registry/call.h"
#include "controlplane/registry/find.h"

#include <string.h>

// "find": search by capability, which the daemons' registry does not have. docs/registry.md.

enum { PAGE_DEFAULT = 50 };

static bool find_read(struct registry *r, struct call *c, struct find *f)
{
	const json_t *tags = field_json(c->in, "tags");
	uint32_t limit = field_u32(c->in, "limit");
	char why[160];
	size_t i;
	json_t *v;

	*f = (struct find){.viewer = call_viewer(r, c),
	    .now_s = c->t.now_s,
	    .limit = limit && limit <= FIND_PAGE_MAX ? limit : PAGE_DEFAULT};
	json_array_foreach(tags, i, v)
	{
		const char *tag = json_string_value(v) ?: "";

		if (f->tag_count == FIND_TAG_MAX)
			call_fail(c, "too many tags (max %d)", FIND_TAG_MAX);
		else if (!tag_check(tag, why, sizeof(why)))
			call_fail(c, "invalid tags: %s", why);
		if (c->failed)
			return false;
		f->tags[f->tag_count++] = tag;
	}
	if (field_u16(c->in, "network_id")) {
		f->network = call_network(r, c);
		if (!f->network)
			return false;
	}
	if (!f->tag_count && !f->network)
		call_fail(c, "tags or network_id required");
	else if (!cursor_parse(field_text(c->in, "after"), &f->after))
		call_fail(c, "invalid \"after\": pass what came as \"next\"");
	else if (*field_text(c->in, "admin_token"))
		f->everything = call_is_admin(r, c);
	return !c->failed;
}

static void out_hit(struct registry *r, struct call *c, const struct find_hit *hit)
{
	const struct dir_node *n = directory_slot(&r->nodes, hit->slot);
	struct json_out *o = &c->out;

	out_open(o, NULL, '{');
	out_int(o, "node_id", n->id);
	out_address(o, "address", 0, n->id);
	if (n->hostname)
		out_text(o, "hostname", n->hostname);
	out_list(o, "tags", n->tags, ',');
	out_bool(o, "public", n->public);
	out_int(o, "silent_seconds", c->t.now_s - hit->seen);
	out_close(o, '}');
}

static void do_find(struct registry *r, struct call *c)
{
	struct find_hit hits[FIND_PAGE_MAX];
	char next[CURSOR_TEXT_MAX];
	struct find f;
	unsigned count;

	if (!find_read(r, c, &f))
		return;
	count = find_page(r, &f, hits);
	c->cost += f.looked / CALL_COST_NODES;
	out_open(&c->out, "nodes", '[');
	for (unsigned i = 0; i < count; i++)
		out_hit(r, c, &hits[i]);
	out_close(&c->out, ']');
	if (f.more)
		out_text(&c->out, "next", cursor_text(next, f.after));
}

const struct call_row call_find_rows[] = {
    {"find", do_find, CALL_SIGNED | CALL_OPTIONAL | CALL_COSTLY, "requester_id",
	"find:{requester_id}", NULL},
    {0},
};
