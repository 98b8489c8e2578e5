// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/registry/import.h"

#include "base/log.h"
#include "controlplane/registry/document.h"
#include "controlplane/registry/field.h"
#include "controlplane/registry/object.h"
#include "controlplane/registry/pre_roles.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINES_MAX = 1024 };

struct importing {
	struct registry *r;
	struct registry_time t;
	struct import_report *report;
};

static void refuse(struct importing *im, const char *what, const char *name)
{
	im->report->refused++;
	log_warn("entry of the snapshot left out", kv("what", what), kv("name", name));
}

static int64_t field_time(const json_t *o, const char *key)
{
	int64_t unix_s = 0;

	// Go writes year 1 for "never"
	return time_parse(object_text(o, key), &unix_s) && unix_s > 0 ? unix_s : 0;
}

// Texts of a list, joined; what does not fit is left out.
static void join(char *out, size_t size, const json_t *list, char separator)
{
	size_t len = 0, i;
	json_t *v;

	*out = 0;
	json_array_foreach(list, i, v)
	{
		const char *text = json_string_value(v);

		if (!text || strchr(text, separator) || len + strlen(text) + 2 > size)
			continue;
		if (len)
			out[len++] = separator;
		len += (size_t)snprintf(out + len, size - len, "%s", text);
	}
}

static uint32_t id_of(const char *text)
{
	char *end;
	unsigned long id = strtoul(text, &end, 10);

	return *text && !*end && id <= UINT32_MAX ? (uint32_t)id : 0;
}

static void fill_node(struct importing *im, struct dir_node *n, const json_t *o)
{
	struct directory *d = &im->r->nodes;
	char text[LINES_MAX], why[160];
	double polo = 0;
	size_t i;
	json_t *v;

	directory_set_live(d, n, true, im->t.now_s);
	n->public = object_bool(o, "public");
	n->task_exec = object_bool(o, "task_exec");
	n->proven = true; // it had an id that others know
	endpoint_parse(object_text(o, "real_addr"), 0, &n->at);
	object_number(o, "polo_score", &polo);
	n->polo = polo > -2e9 && polo < 2e9 ? (int32_t)polo : 0;
	n->rotations = object_u32(o, "key_rot_count");
	n->created = field_time(o, "key_created");
	n->rotated = field_time(o, "key_rotated");
	n->expires = field_time(o, "key_expires");
	text_set(&n->owner, object_text(o, "owner"));
	text_set(&n->external_id, object_text(o, "external_id"));
	if (*object_text(o, "version"))
		directory_set_version(d, n, object_text(o, "version"));
	if (!hostname_refusal(object_text(o, "hostname")) &&
	    directory_set_hostname(d, n, object_text(o, "hostname")))
		refuse(im, "hostname", object_text(o, "hostname"));
	text[0] = 0;
	json_array_foreach(json_object_get(o, "tags"), i,
	    v) if (json_is_string(v) && tag_check(json_string_value(v), why, sizeof(why)))
	    tags_append(text, json_string_value(v));
	directory_set_tags(d, n, text);
	join(text, sizeof(text), json_object_get(o, "lan_addrs"), '\n');
	text_set(&n->lan_addrs, text);
}

static void take_nodes(struct importing *im, json_t *nodes)
{
	struct directory *d = &im->r->nodes;
	const char *name;
	json_t *o;

	json_object_foreach(nodes, name, o)
	{
		uint8_t key[IDENTITY_KEY_SIZE];
		struct dir_node *n = NULL;

		if (key_parse(object_text(o, "public_key"), key))
			n = directory_add(d, id_of(name), key);
		if (!n) {
			refuse(im, "node", name);
			continue;
		}
		fill_node(im, n, o);
		if (n->id >= d->next_id)
			d->next_id = n->id + 1;
		im->report->nodes++;
	}
}

// Keys of nodes that have gone: their ids stay theirs.
static void take_keys(struct importing *im, json_t *keys)
{
	const char *text;
	json_t *id;

	json_object_foreach(keys, text, id)
	{
		uint8_t key[IDENTITY_KEY_SIZE];
		double number = json_number_value(id);
		struct dir_node *n;

		if (!key_parse(text, key) || !(number >= 1 && number <= UINT32_MAX)) {
			refuse(im, "key", text);
			continue;
		}
		if (directory_find(&im->r->nodes, (uint32_t)number))
			continue;
		n = directory_add(&im->r->nodes, (uint32_t)number, key);
		if (n) {
			n->proven = true;
			if (n->id >= im->r->nodes.next_id)
				im->r->nodes.next_id = n->id + 1;
			im->report->gone++;
		}
	}
}

static void take_pairs(struct importing *im, const json_t *pairs)
{
	size_t i;
	json_t *v;

	json_array_foreach(pairs, i, v)
	{
		const char *text = json_string_value(v);
		unsigned a, b;

		// NOLINTNEXTLINE(cert-err34-c): ids that do not exist change nothing
		if (!text || sscanf(text, "%u:%u", &a, &b) != 2 || a == b || !a || !b ||
		    pairs_set(&im->r->pairs, a, b, PAIR_BOTH)) {
			refuse(im, "trust pair", text ? text : "");
			continue;
		}
		store_put(im->r->store, STORE_PAIR, "iii", (int64_t)(a < b ? a : b),
		    (int64_t)(a < b ? b : a), (int64_t)PAIR_BOTH);
		im->report->pairs++;
	}
}

static void take_members(struct importing *im, struct network *net, const json_t *o)
{
	const json_t *roles = json_object_get(o, "member_roles");
	const json_t *tags = json_object_get(o, "member_tags");
	size_t i;
	json_t *v;

	json_array_foreach(json_object_get(o, "members"), i, v)
	{
		double id = json_number_value(v);
		struct dir_node *n = id >= 1 && id <= UINT32_MAX
					 ? directory_find(&im->r->nodes, (uint32_t)id)
					 : NULL;
		char name[16], text[TAGS_TEXT_MAX];
		struct member *m;

		snprintf(name, sizeof(name), "%.0f", id);
		m = n ? registry_join(
			    im->r, net, n, (enum role)role_parse(object_text(roles, name)))
		      : NULL;
		if (!m) {
			refuse(im, "member", name);
			continue;
		}
		join(text, sizeof(text), json_object_get(tags, name), ',');
		text_set(&m->tags, text);
		save_member(im->r, net, m);
		im->report->members++;
	}
}

static void fill_network(struct importing *im, struct network *net, const json_t *o)
{
	const json_t *policy = json_object_get(o, "policy");
	char why[160];
	size_t i;
	json_t *v;

	net->enterprise = object_bool(o, "enterprise");
	net->created = field_time(o, "created");
	net->max_members = object_u32(policy, "max_members");
	text_set(&net->description, object_text(policy, "description"));
	text_set(&net->token, object_text(o, "token"));
	text_set(&net->admin_token, object_text(o, "admin_token"));
	json_array_foreach(json_object_get(policy, "allowed_ports"), i,
	    v) if (net->port_count < NETWORK_PORT_MAX && json_number_value(v) >= 1 &&
		   json_number_value(v) <= UINT16_MAX) net->ports[net->port_count++] =
	    (uint16_t)json_number_value(v);
	if (!rules_read(json_object_get(o, "rules"), &net->rules, why, sizeof(why)) ||
	    !policy_read(json_object_get(o, "expr_policy"), &net->expr_policy, why, sizeof(why)))
		refuse(im, why, net->name);
	save_network(im->r, net);
}

static void take_networks(struct importing *im, json_t *networks)
{
	const char *name;
	json_t *o;

	json_object_foreach(networks, name, o)
	{
		uint32_t id = id_of(name);
		char why[160] = "number";
		struct network *net = NULL;
		uint8_t rule = JOIN_OPEN;

		if (id == 0 && !strcmp(name, "0")) {
			im->r->created = field_time(o, "created");
			continue;
		}
		if (id && id <= NETWORK_MAX &&
		    join_rule_parse(object_text(o, "join_rule"), &rule) &&
		    network_name_check(object_text(o, "name"), why, sizeof(why)))
			net = network_add(&im->r->networks, (uint16_t)id, object_text(o, "name"));
		if (!net) {
			refuse(im, "network", object_text(o, "name"));
			continue;
		}
		net->rule = rule;
		// in the daemons' registry such a network is open to anybody
		if (rule == JOIN_TOKEN && !*object_text(o, "token"))
			net->rule = JOIN_OPEN;
		fill_network(im, net, o);
		take_members(im, net, o);
		im->report->networks++;
	}
}

static void take_pre_roles(struct importing *im, json_t *networks)
{
	const char *name;
	json_t *list, *o;
	size_t i;

	json_object_foreach(networks, name, list)
	{
		uint32_t id = id_of(name);
		struct network *net =
		    id <= NETWORK_MAX ? network_find(&im->r->networks, (uint16_t)id) : NULL;

		json_array_foreach(list, i, o)
		{
			const char *who = object_text(o, "external_id");
			uint8_t role = role_parse(object_text(o, "role"));

			if (!net || pre_roles_add(&net->pre_roles, who, role))
				refuse(im, "role of", who);
		}
		if (net)
			save_network(im->r, net);
	}
}

static void take_inbox(struct importing *im, json_t *boxes, enum inbox_kind kind)
{
	const char *name;
	json_t *list, *o;
	size_t i;

	json_object_foreach(boxes, name, list)
	{
		struct dir_node *n = directory_find(&im->r->nodes, id_of(name)), *from;

		json_array_foreach(list, i, o)
		{
			struct inbox_entry e = {.kind = (uint8_t)kind,
			    .unix_s = field_time(o, "timestamp"),
			    .accept = object_bool(o, "accept"),
			    .network = object_u16(o, "network_id"),
			    .from =
				object_u32(o, kind == INBOX_INVITE ? "inviter_id" : "from_node_id"),
			    .text = kind == INBOX_REQUEST ? (char *)object_text(o, "justification")
							  : NULL};

			if (!n || (e.text && strlen(e.text) > JUSTIFICATION_MAX) ||
			    registry_deliver(im->r, n, e)) {
				refuse(im, "inbox entry", name);
				continue;
			}
			im->report->inbox++;
			// who asked has declared its side: it will not say so again
			from = kind == INBOX_REQUEST ? directory_find(&im->r->nodes, e.from) : NULL;
			if (from && from != n)
				registry_declare(im->r, from, n);
		}
	}
}

static void save_all_nodes(struct registry *r)
{
	for (uint32_t i = 0; i < r->nodes.slots; i++)
		if (directory_slot(&r->nodes, i))
			save_node(r, directory_slot(&r->nodes, i));
}

int import_snapshot(struct registry *r, const char *text, size_t len, struct registry_time t,
    struct import_report *report, struct parse_error *error)
{
	struct importing im = {.r = r, .t = t, .report = report};
	json_t *o = object_parse(text, len);
	uint32_t next;

	*report = (struct import_report){0};
	if (!o || object_u32(o, "version") > 1 || !json_is_object(json_object_get(o, "nodes"))) {
		parse_error_set(error,
		    o ? "is no snapshot of a Go registry of version 1" : "is no JSON object");
		json_decref(o);
		return -EINVAL;
	}
	if (r->nodes.count || r->networks.count) {
		parse_error_set(error, "the registry is not empty: import into a new store");
		json_decref(o);
		return -EINVAL;
	}
	take_nodes(&im, json_object_get(o, "nodes"));
	take_keys(&im, json_object_get(o, "pub_key_idx"));
	save_all_nodes(r);
	take_pairs(&im, json_object_get(o, "trust_pairs"));
	take_networks(&im, json_object_get(o, "networks"));
	take_pre_roles(&im, json_object_get(o, "rbac_pre_assign"));
	take_inbox(&im, json_object_get(o, "handshake_inbox"), INBOX_REQUEST);
	take_inbox(&im, json_object_get(o, "handshake_responses"), INBOX_RESPONSE);
	take_inbox(&im, json_object_get(o, "invite_inbox"), INBOX_INVITE);
	next = object_u32(o, "next_node");
	if (next > r->nodes.next_id)
		r->nodes.next_id = next;
	next = object_u32(o, "next_net");
	if (next > r->networks.next_id && next <= NETWORK_MAX + 1)
		r->networks.next_id = next;
	if (!r->created)
		r->created = t.unix_s;
	save_meta(r);
	save_audit(r, &(struct audit){.unix_s = t.unix_s,
			  .action = "registry.imported",
			  .actor = "admin",
			  .details = ""});
	json_decref(o);
	return 0;
}
