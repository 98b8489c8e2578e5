// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/stage/police.h"

#include "dataplane/stage/stage.h"
#include "wire/beacon.h"

#include <string.h>

void brief_limit_set(struct brief_limit *l, uint64_t rate, uint64_t burst)
{
	struct rate_limit ns;

	rate_limit_set(&ns, rate, burst < BRIEF_BURST_MAX ? burst : BRIEF_BURST_MAX);
	*l = (struct brief_limit){.rate = rate, .burst = burst};
	while ((ns.slack_ns + ns.interval_ns) >> l->shift > UINT32_MAX / 256)
		l->shift++;
	l->slack = (uint32_t)(ns.slack_ns >> l->shift);
	l->interval = (uint32_t)(ns.interval_ns >> l->shift);
	if (rate && !l->interval)
		l->interval = 1;
	l->stale = l->slack + l->interval + 1;
}

void police_init(
    struct police *p, const struct police_room *room, const uint64_t secret[POLICE_SECRET_WORDS])
{
	memset(p, 0, sizeof(*p));
	memcpy(p->secret, secret, sizeof(p->secret));
	p->room = *room;
}

static void senders_limit(struct police *p, uint64_t rate, uint64_t burst)
{
	bool grouped = burst >= SENDER_GROUP_BURST && rate >= SENDER_GROUP_SHARE;

	brief_limit_set(&p->sender, rate, burst);
	brief_limit_set(
	    &p->group, grouped ? rate / SENDER_GROUP_SHARE : 0, burst / SENDER_GROUP_SHARE);
}

void police_begin(struct police *p, const struct relay_settings *set)
{
	if (!rate_limit_is(&p->source, set->source_rate, set->source_burst))
		rate_limit_set(&p->source, set->source_rate, set->source_burst);
	if (p->sender.rate != set->sender_rate || p->sender.burst != set->sender_burst)
		senders_limit(p, set->sender_rate, set->sender_burst);
	// A tenth of a second's worth may come at once: the control plane's ring holds more.
	for (int i = 0; i < PUNT_CLASS_COUNT; i++)
		if (p->punt[i].rate != set->punt_rate[i])
			rate_limit_set(&p->punt[i], set->punt_rate[i], set->punt_rate[i] / 10);
}

static uint64_t fold_multiply(uint64_t a, uint64_t b)
{
	unsigned __int128 m = (unsigned __int128)a * b;

	return (uint64_t)m ^ (uint64_t)(m >> 64);
}

static uint64_t source_hash(const struct police *p, const struct endpoint *src)
{
	uint64_t high, low = 0;

	memcpy(&high, src->addr, sizeof(high));
	if (endpoint_is_v4(src))
		low = endpoint_v4(src) | 1ULL << 32;
	return fold_multiply(
	    fold_multiply(high ^ p->secret[0], low ^ p->secret[1]) ^ p->secret[2], p->secret[1]);
}

uint64_t police_stranger_hash(const struct police *p, const struct endpoint *src, uint32_t node)
{
	return fold_multiply(source_hash(p, src) ^ node, p->secret[2] | 1);
}

static inline bool source_take(struct police *p, uint64_t hash, uint64_t now_ns)
{
	struct bucket_set *set = &p->room.sources[hash % SOURCE_SETS];

	return bucket_take(bucket_find(set, (uint32_t)(hash >> 32) | 1), &p->source, now_ns);
}

bool police_source(struct police *p, const struct endpoint *src, uint64_t now_ns)
{
	return p->source.interval_ns == 0 || source_take(p, source_hash(p, src), now_ns);
}

bool police_known(struct police *p, const struct endpoint *at, uint32_t who, uint64_t now_ns)
{
	return p->source.interval_ns == 0 ||
	       source_take(p, police_stranger_hash(p, at, who), now_ns);
}

bool police_sender_alone(struct police *p, const struct sender_pass *at, uint32_t node_index)
{
	if (p->sender.interval == 0 || node_index >= p->room.sender_count)
		return true;
	return brief_take(
	    &p->room.senders[node_index], &p->sender, brief_time(&p->sender, at->now_ns));
}

static bool is_known(const struct dgram *d, const struct stage_env *env, struct node_entry e)
{
	if (d->type == BEACON_SYNC)
		return peer_find(env->peer_index, env->peers, &d->src) >= 0;
	return node_table_is_at(env->nodes, e, &d->src);
}

// Sources that are over their rate. Anybody can use one up who sends in its name, so those whom we
// know at that very port have the rate for themselves. A flood costs as many look-ups as one of
// relay datagrams does, or fewer.
static __attribute__((noinline)) void police_over(struct dgram *const *list, const uint32_t *ids,
    unsigned n, struct stage_env *env, uint64_t now_ns)
{
	struct node_lookup nodes;

	node_lookup_run(env->nodes, ids, n, &nodes);
	for (unsigned i = 0; i < n; i++) {
		struct dgram *d = list[i];
		uint32_t who = d->type == BEACON_SYNC ? d->src.port : d->sender;

		if (!is_known(d, env, node_lookup_entry(&nodes, i)) ||
		    !police_known(&env->police, &d->src, who, now_ns))
			dgram_drop(d, DROP_POLICE_SOURCE);
	}
}

void stage_police(struct burst *b, struct stage_env *env)
{
	struct dgram *over[BURST_MAX];
	uint32_t ids[BURST_MAX];
	unsigned n = 0;

	for (unsigned i = 0; i < b->count; i++) {
		struct dgram *d = &b->d[i];

		if (d->verdict != VERDICT_NONE || d->type == BEACON_RELAY)
			continue;
		if (police_source(&env->police, &d->src, b->now_ns))
			continue;
		ids[n] = d->sender; // 0 of gossip and STUN
		over[n++] = d;
	}
	if (n)
		police_over(over, ids, n, env, b->now_ns);
}
