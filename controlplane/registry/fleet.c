// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/registry/fleet.h"

#include "base/log.h"
#include "controlplane/registry/field.h"
#include "controlplane/registry/object.h"
#include "controlplane/registry/registry.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int by_key(const void *a, const void *b)
{
	return memcmp(((const struct fleet_agent *)a)->key, ((const struct fleet_agent *)b)->key,
	    IDENTITY_KEY_SIZE);
}

// Tags of an object, checked. False with `why`.
static bool read_tags(const json_t *o, char tags[TAGS_TEXT_MAX], char *why, size_t size)
{
	size_t i;
	json_t *v;

	json_array_foreach(json_object_get(o, "tags"), i, v)
	{
		const char *tag = json_string_value(v);

		if (!tag_check(tag ? tag : "", why, size))
			return false;
		if (i >= TAG_MAX || !tags_append(tags, tag)) {
			snprintf(why, size, "too many tags (max %d)", TAG_MAX);
			return false;
		}
	}
	return true;
}

static bool read_agent(struct fleet_agent *a, const json_t *o, char *why, size_t size)
{
	const char *hostname = object_text(o, "hostname");
	const char *refusal = *hostname ? hostname_refusal(hostname) : NULL;

	if (refusal)
		snprintf(why, size, "hostname \"%.80s\": %s", hostname, refusal);
	else if (!key_parse(object_text(o, "public_key"), a->key))
		snprintf(
		    why, size, "agent \"%.80s\" has no public_key (base64 of 32 bytes)", hostname);
	else if (read_tags(o, a->tags, why, size))
		snprintf(a->hostname, sizeof(a->hostname), "%s", hostname);
	return !*why;
}

static bool read_fleet(struct fleets *f, const json_t *o, char *why, size_t size)
{
	struct fleet *fleet = &f->fleet[f->count];
	const json_t *agents = json_object_get(o, "agents");
	size_t i;
	json_t *v;

	if (!network_name_check(object_text(o, "name"), why, size) ||
	    !read_tags(o, fleet->tags, why, size))
		return false;
	snprintf(fleet->name, sizeof(fleet->name), "%s", object_text(o, "name"));
	fleet->public = object_bool(o, "public");
	if (strlen(object_text(o, "token")) > NETWORK_TOKEN_MAX ||
	    text_set(&fleet->token, object_text(o, "token")))
		snprintf(why, size, "token of fleet %s is too long", fleet->name);
	json_array_foreach(agents, i, v)
	{
		struct fleet_agent *a = &f->agent[f->agent_count];

		if (*why)
			return false;
		a->fleet = f->count;
		if (read_agent(a, v, why, size))
			f->agent_count++;
	}
	f->count++;
	return !*why;
}

static size_t count_agents(const json_t *list)
{
	size_t count = 0, i;
	json_t *v;

	json_array_foreach(list, i, v) count += json_array_size(json_object_get(v, "agents"));
	return count;
}

int fleets_parse(struct fleets *f, const char *text, size_t len, struct parse_error *error)
{
	json_t *o = object_parse(text, len), *list = json_object_get(o, "fleets"), *v;
	size_t agents = count_agents(list), i;
	char why[160] = "";
	int rc = 0;

	*f = (struct fleets){0};
	if (!json_array_size(list) || json_array_size(list) > FLEET_MAX ||
	    agents > FLEET_AGENT_MAX) {
		parse_error_set(error, "no JSON object with 1 to %d \"fleets\" and up to %d agents",
		    FLEET_MAX, FLEET_AGENT_MAX);
		json_decref(o);
		return -EINVAL;
	}
	f->fleet = calloc(json_array_size(list), sizeof(*f->fleet));
	f->agent = calloc(agents + 1, sizeof(*f->agent));
	if (!f->fleet || !f->agent)
		rc = -ENOMEM;
	json_array_foreach(list, i, v)
	{
		if (!rc && !read_fleet(f, v, why, sizeof(why))) {
			parse_error_set(error, "fleet %zu: %s", i + 1, why);
			rc = -EINVAL;
		}
	}
	json_decref(o);
	if (!rc)
		qsort(f->agent, f->agent_count, sizeof(*f->agent), by_key);
	return rc;
}

void fleets_free(struct fleets *f)
{
	for (uint32_t i = 0; f->fleet && i < f->count; i++)
		free(f->fleet[i].token);
	free(f->fleet);
	free(f->agent);
	*f = (struct fleets){0};
}

static const struct fleet *fleet_by_token(const struct fleets *f, const char *token)
{
	size_t len = strlen(token);

	for (uint32_t i = 0; len && i < f->count; i++) {
		const char *own = f->fleet[i].token;

		if (own && strlen(own) == len && bytes_equal_secret(own, token, len))
			return &f->fleet[i];
	}
	return NULL;
}

static void dress(struct registry *r, struct dir_node *n, const struct fleet *fleet,
    const struct fleet_agent *agent)
{
	char tags[TAGS_TEXT_MAX];

	if (agent && *agent->hostname && directory_set_hostname(&r->nodes, n, agent->hostname) != 0)
		log_warn("hostname of a fleet is taken", kv("node", n->id),
		    kv("hostname", (const char *)agent->hostname));
	n->public = n->public || fleet->public;
	if (n->tags)
		return;
	memcpy(tags, fleet->tags, sizeof(tags));
	for (const char *t = agent ? agent->tags : ""; *t; t += *t == ',') {
		size_t len = strcspn(t, ",");
		char tag[TAG_LEN_MAX + 1];

		snprintf(tag, sizeof(tag), "%.*s", (int)len, t);
		tags_append(tags, tag);
		t += len;
	}
	directory_set_tags(&r->nodes, n, tags);
}

void fleets_welcome(
    struct registry *r, struct dir_node *n, const char *identity_token, int64_t unix_s)
{
	const struct fleets *f = &r->fleets;
	struct fleet_agent wanted;
	const struct fleet_agent *agent = NULL;
	const struct fleet *fleet;
	struct network *net;

	memcpy(wanted.key, n->key, sizeof(wanted.key));
	if (f->agent_count)
		agent = bsearch(&wanted, f->agent, f->agent_count, sizeof(*f->agent), by_key);
	fleet = agent ? &f->fleet[agent->fleet] : fleet_by_token(f, identity_token);
	net = fleet ? network_by_name(&r->networks, fleet->name) : NULL;
	if (!net)
		return;
	dress(r, n, fleet, agent);
	if (member_find(net, n->id) || !registry_join(r, net, n, ROLE_MEMBER))
		return;
	save_audit(r, &(struct audit){.unix_s = unix_s,
			  .action = "network.joined",
			  .actor = "fleet",
			  .details = fleet->name,
			  .node = n->id,
			  .network = net->id});
}

int fleets_prepare(struct registry *r, int64_t unix_s, struct parse_error *error)
{
	for (uint32_t i = 0; i < r->fleets.count; i++) {
		const struct fleet *fleet = &r->fleets.fleet[i];
		struct network *net = network_by_name(&r->networks, fleet->name);

		if (net)
			continue;
		net = network_add(&r->networks, 0, fleet->name);
		if (!net) {
			parse_error_set(
			    error, "network %s cannot be made: %s", fleet->name, strerror(errno));
			return -errno;
		}
		net->enterprise = true;
		net->rule = fleet->token ? JOIN_TOKEN : JOIN_INVITE;
		net->created = unix_s;
		text_set(&net->token, fleet->token);
		save_network(r, net);
		save_meta(r);
		save_audit(r, &(struct audit){.unix_s = unix_s,
				  .action = "network.created",
				  .actor = "fleet",
				  .details = fleet->name,
				  .network = net->id});
	}
	// who is known already
	for (uint32_t i = 0; i < r->fleets.agent_count; i++) {
		struct dir_node *n = directory_by_key(&r->nodes, r->fleets.agent[i].key);

		if (n && n->live) {
			fleets_welcome(r, n, "", unix_s);
			save_node(r, n);
		}
	}
	return 0;
}
