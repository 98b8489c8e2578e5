// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/registry/network.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const rules[] = {"open", "token", "invite"};
static const char *const roles[] = {"", "member", "admin", "owner"};

const char *join_rule_name(uint8_t rule)
{
	return rules[rule];
}

const char *role_name(uint8_t role)
{
	return roles[role];
}

bool join_rule_parse(const char *name, uint8_t *rule)
{
	for (uint8_t i = 0; i < 3; i++)
		if (!strcmp(rules[i], name)) {
			*rule = i;
			return true;
		}
	return false;
}

uint8_t role_parse(const char *name)
{
	for (int i = ROLE_MEMBER; i <= ROLE_OWNER; i++)
		if (!strcmp(roles[i], name))
			return (uint8_t)i;
	return ROLE_NONE;
}

// FNV-1a: only an administrator names networks.
static uint32_t hash_name(const char *name)
{
	uint32_t h = 2166136261u;

	while (*name)
		h = (h ^ (uint8_t)*name++) * 16777619u;
	return h;
}

int networks_init(struct networks *ns)
{
	*ns = (struct networks){.next_id = 1};
	ns->at = calloc(NETWORK_MAX + 1, sizeof(struct network *));
	return ns->at ? 0 : -ENOMEM;
}

struct network *network_find(const struct networks *ns, uint16_t id)
{
	return ns->at[id];
}

struct network *network_by_name(const struct networks *ns, const char *name)
{
	uint32_t hash = hash_name(name), place = index_start(&ns->by_name, hash), v;

	while ((v = index_next(&ns->by_name, hash, &place)) != 0)
		if (!strcmp(ns->at[v]->name, name))
			return ns->at[v];
	return NULL;
}

struct network *network_after(const struct networks *ns, uint16_t id)
{
	for (uint32_t i = id + 1u; i < ns->next_id; i++)
		if (ns->at[i])
			return ns->at[i];
	return NULL;
}

struct network *network_add(struct networks *ns, uint16_t id, const char *name)
{
	struct network *net;
	uint32_t place = id ? id : ns->next_id;

	errno = ENOSPC;
	if (place > NETWORK_MAX)
		return NULL;
	errno = EEXIST;
	if (ns->at[place] || network_by_name(ns, name))
		return NULL;
	net = calloc(1, sizeof(*net));
	if (!net || index_add(&ns->by_name, hash_name(name), place)) {
		free(net);
		errno = ENOMEM;
		return NULL;
	}
	net->id = (uint16_t)place;
	snprintf(net->name, sizeof(net->name), "%s", name);
	ns->at[place] = net;
	ns->count++;
	if (place >= ns->next_id)
		ns->next_id = place + 1;
	return net;
}

void network_remove(struct networks *ns, struct network *net)
{
	index_remove(&ns->by_name, hash_name(net->name), net->id);
	ns->at[net->id] = NULL;
	ns->count--;
	for (uint32_t i = 0; i < net->count; i++)
		free(net->members[i].tags);
	free(net->members);
	free(net->token);
	free(net->admin_token);
	free(net->description);
	free(net->rules);
	free(net->expr_policy);
	free(net->pre_roles);
	free(net);
}

void networks_free(struct networks *ns)
{
	for (uint32_t i = 1; ns->at && i < ns->next_id; i++)
		if (ns->at[i])
			network_remove(ns, ns->at[i]);
	free(ns->at);
	index_free(&ns->by_name);
}

int network_rename(struct networks *ns, struct network *net, const char *name)
{
	const struct network *other = network_by_name(ns, name);

	if (other)
		return other == net ? 0 : -EEXIST;
	if (index_add(&ns->by_name, hash_name(name), net->id))
		return -ENOMEM;
	index_remove(&ns->by_name, hash_name(net->name), net->id);
	snprintf(net->name, sizeof(net->name), "%s", name);
	return 0;
}

static uint32_t member_place(const struct network *net, uint32_t node)
{
	uint32_t low = 0, high = net->count;

	while (low < high) {
		uint32_t mid = (low + high) / 2;

		if (net->members[mid].node < node)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct member *member_find(const struct network *net, uint32_t node)
{
	uint32_t i = member_place(net, node);

	return i < net->count && net->members[i].node == node ? &net->members[i] : NULL;
}

struct member *member_add(struct network *net, uint32_t node, enum role role)
{
	uint32_t i = member_place(net, node), cap;
	struct member *more = member_find(net, node);

	if (more)
		return more;
	if (net->count == net->cap) {
		cap = net->cap ? net->cap * 2 : 8;
		more = realloc(net->members, cap * sizeof(*more));
		if (!more)
			return NULL;
		net->members = more;
		net->cap = cap;
	}
	memmove(net->members + i + 1, net->members + i, (net->count - i) * sizeof(*more));
	net->members[i] = (struct member){.node = node, .role = role};
	net->count++;
	return &net->members[i];
}

void member_remove(struct network *net, uint32_t node)
{
	struct member *m = member_find(net, node);

	if (!m)
		return;
	free(m->tags);
	net->count--;
	memmove(m, m + 1, (size_t)(net->members + net->count - m) * sizeof(*m));
}

struct member *network_owner(const struct network *net)
{
	for (uint32_t i = 0; i < net->count; i++)
		if (net->members[i].role == ROLE_OWNER)
			return &net->members[i];
	return NULL;
}
