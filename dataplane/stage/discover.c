// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/stage/stage.h"
#include "dataplane/table/lookup.h"
#include "wire/beacon.h"

static bool is_discover(const struct dgram *d)
{
	return d->type == BEACON_DISCOVER || d->type == BEACON_DISCOVER_EX;
}

// A signature is always for the control plane, a key until it has stored this one. While it stores
// one, what differs is taken for news: a punt too many.
static bool key_is_news(const struct dgram *d, const struct stage_env *env, struct node_entry e)
{
	uint32_t index = node_entry_index(e);

	if (d->len < BEACON_DISCOVER_KEY_SIZE)
		return false;
	if (d->len >= BEACON_DISCOVER_SIGNED_SIZE || !(node_entry_flags(e) & NODE_KEYED) ||
	    index > env->nodes->index_max)
		return true;
	return memcmp(env->nodes->info[index].key, d->data + BEACON_DISCOVER_SIZE,
		   BEACON_KEY_SIZE) != 0;
}

// What the control plane has to learn it answers itself, afterwards, however long that takes:
// whoever has the answer is reachable, and may send.
static void discover_ask(struct dgram *d, enum punt_class class)
{
	d->flags |= DGRAM_F_PUNT | DGRAM_F_ASK;
	d->punt_class = class;
}

// Of a source that is not the node's stored one. In a throng those who come again get a class of
// their own, and with it a rate that strangers cannot use up.
static enum punt_class stranger_class(
    const struct dgram *d, struct stage_env *env, enum punt_class class, uint64_t now_ns)
{
	if (!node_table_crowded(env->nodes) && !police_punt_short(&env->police, class, now_ns))
		return class;
	if (!familiar_meet(
		&env->familiar, police_stranger_hash(&env->police, &d->src, d->sender), now_ns))
		return class;
	return PUNT_DISCOVER_AGAIN;
}

static void discover_one(
    struct dgram *d, struct stage_env *env, struct node_entry e, uint64_t now_ns)
{
	uint8_t flags = node_entry_flags(e);
	struct endpoint at;

	if (d->sender == 0)
		return; // a daemon asking for its address before it has an id
	if (node_entry_id(e) == 0 || !node_table_endpoint(env->nodes, e, &at)) {
		discover_ask(d, stranger_class(d, env, PUNT_DISCOVER_NEW, now_ns));
		return;
	}
	if (!endpoint_same_addr(&at, &d->src)) {
		discover_ask(d, stranger_class(d, env, PUNT_DISCOVER_MOVED, now_ns));
		return;
	}
	if (at.port != d->src.port || node_entry_local(e) != d->local ||
	    !(flags & NODE_CARRY) != (d->type == BEACON_DISCOVER)) {
		discover_ask(d, PUNT_DISCOVER_CHANGED);
		return;
	}
	d->nexthop = node_entry_nexthop(e);
	node_table_seen(env->nodes, e, (uint32_t)(now_ns / NS_PER_S));
	tally_count(&env->tally, COUNTER_REFRESHED, 1);
	if (key_is_news(d, env, e)) {
		d->flags |= DGRAM_F_PUNT;
		d->punt_class = PUNT_DISCOVER_NEW;
	}
}

void stage_discover(struct burst *b, struct stage_env *env)
{
	struct node_lookup nodes;
	struct dgram *list[BURST_MAX];
	uint32_t ids[BURST_MAX];
	unsigned n = 0;

	for (unsigned i = 0; i < b->count; i++) {
		struct dgram *d = &b->d[i];

		if (d->verdict != VERDICT_NONE || !is_discover(d))
			continue;
		ids[n] = d->sender;
		list[n++] = d;
	}
	if (n == 0)
		return;
	node_lookup_run(env->nodes, ids, n, &nodes);
	for (unsigned i = 0; i < n; i++) {
		list[i]->verdict = VERDICT_SEND;
		list[i]->to = list[i]->src;
		list[i]->route = dgram_route(0, list[i]->local, !endpoint_is_v4(&list[i]->to));
		discover_one(list[i], env, node_lookup_entry(&nodes, i), b->now_ns);
	}
}

void stage_answer(struct burst *b, struct stage_env *env)
{
	uint64_t answered = 0;

	for (unsigned i = 0; i < b->count; i++) {
		struct dgram *d = &b->d[i];
		struct beacon_discover_reply reply = {.observed = d->src};

		if (d->verdict != VERDICT_SEND || !is_discover(d))
			continue;
		d->len =
		    (uint32_t)beacon_discover_reply_build(d->data, BEACON_OBSERVED_V6_SIZE, &reply);
		d->flags |= DGRAM_F_FULL_CSUM;
		answered++;
	}
	tally_count(&env->tally, COUNTER_DISCOVER_ANSWERED, answered);
}
