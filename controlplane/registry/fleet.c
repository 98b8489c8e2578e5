// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/registry/fleet.h"

#include "base/log.h"
#include "controlplane/registry/registry.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char suffix[] = ".fleet";

const char *fleet_owner(const char *owner)
{
	const char *at = strchr(owner, '@');
	size_t len = strlen(owner);

	if (at && len >= sizeof(suffix) && !strcmp(owner + len - (sizeof(suffix) - 1), suffix))
		return at;
	return owner;
}

static bool has_token(const struct fleet *fleet, const char *token)
{
	return fleet->token && *token && text_equal_secret(fleet->token, token);
}

static const struct fleet *fleet_by_ticket(const struct fleets *f, const struct fleet_ticket *t)
{
	const char *at = fleet_owner(t->owner);
	char token[NETWORK_TOKEN_MAX + 2]; // cut off, it is still longer than any fleet's
	size_t name_len = 0;

	snprintf(token, sizeof(token), "%.*s", (int)(at - t->owner), t->owner);
	if (at != t->owner)
		name_len = strlen(at + 1) - (sizeof(suffix) - 1);
	for (uint32_t i = 0; i < f->count; i++) {
		const struct fleet *fleet = &f->fleet[i];

		if (has_token(fleet, t->identity_token))
			return fleet;
		if (name_len && strlen(fleet->name) == name_len &&
		    !memcmp(fleet->name, at + 1, name_len) && has_token(fleet, token))
			return fleet;
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

static void audit(struct registry *r, const char *action, const struct network *net, uint32_t node,
    int64_t unix_s)
{
	save_audit(r, &(struct audit){.unix_s = unix_s,
			  .action = action,
			  .actor = "fleet",
			  .details = net->name,
			  .node = node,
			  .network = net->id});
}

void fleets_welcome(
    struct registry *r, struct dir_node *n, const struct fleet_ticket *ticket, int64_t unix_s)
{
	const struct fleets *f = &r->fleets;
	const struct fleet_agent *agent = fleets_agent(f, n->key);
	const struct fleet *fleet = agent ? &f->fleet[agent->fleet] : fleet_by_ticket(f, ticket);
	struct network *net = fleet ? network_by_name(&r->networks, fleet->name) : NULL;

	if (!net)
		return;
	dress(r, n, fleet, agent);
	if (!member_find(net, n->id) && registry_join(r, net, n, ROLE_MEMBER))
		audit(r, "network.joined", net, n->id, unix_s);
}

static struct network *make_network(struct registry *r, const struct fleet *fleet, int64_t unix_s)
{
	struct network *net = network_add(&r->networks, 0, fleet->name);

	if (!net)
		return NULL;
	net->enterprise = true;
	net->rule = fleet->token ? JOIN_TOKEN : JOIN_INVITE;
	net->created = unix_s;
	save_meta(r);
	audit(r, "network.created", net, 0, unix_s);
	return net;
}

// False with errno.
static bool prepare_network(struct registry *r, const struct fleet *fleet, int64_t unix_s)
{
	struct network *net = network_by_name(&r->networks, fleet->name);

	if (!net)
		net = make_network(r, fleet, unix_s);
	if (!net)
		return false;
	if (net->rule == JOIN_TOKEN && fleet->token && text_set(&net->token, fleet->token) != 0) {
		errno = ENOMEM;
		return false;
	}
	save_network(r, net);
	return true;
}

int fleets_replace(
    struct registry *r, struct fleets *next, int64_t unix_s, struct parse_error *error)
{
	static const struct fleet_ticket none = {"", ""};

	for (uint32_t i = 0; i < next->count; i++)
		if (!prepare_network(r, &next->fleet[i], unix_s)) {
			parse_error_set(error, "network %s cannot be made: %s", next->fleet[i].name,
			    strerror(errno));
			return -errno;
		}
	fleets_free(&r->fleets);
	r->fleets = *next;
	*next = (struct fleets){0};
	// who is known already
	for (uint32_t i = 0; i < r->fleets.agent_count; i++) {
		struct dir_node *n = directory_by_key(&r->nodes, r->fleets.agent[i].key);

		if (n && n->live) {
			fleets_welcome(r, n, &none, unix_s);
			save_node(r, n);
		}
	}
	return 0;
}
