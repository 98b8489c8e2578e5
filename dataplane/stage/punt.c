// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/stage/stage.h"
#include "dataplane/table/lookup.h"

static enum drop punt_copy(const struct dgram *d, struct stage_env *env, uint64_t now_ns)
{
	struct punt_record *r;

	if (!police_punt(&env->police, d->punt_class, now_ns))
		return DROP_POLICE_PUNT;
	r = ring_reserve(&env->punt, (uint32_t)sizeof(*r) + d->len);
	if (!r)
		return DROP_PUNT_FULL;
	*r = (struct punt_record){
	    .rx_ns = now_ns,
	    .from = d->src,
	    .punt_class = d->punt_class,
	    .local = d->local,
	    .link = d->link,
	    .unanswered = (d->flags & DGRAM_F_ASK) != 0,
	    .len = d->len,
	};
	memcpy(r + 1, d->data, d->len);
	env->punted = true;
	tally_count(&env->tally, COUNTER_PUNTED, 1);
	env->tally.punt_class[d->punt_class]++;
	return DROP_NONE;
}

// Gossip is taken from a known endpoint of a peer relay, or from any port of its address: the
// control plane keeps an entry with port 0 for each allowed address.
static bool from_peer(const struct dgram *d, const struct stage_env *env)
{
	struct endpoint any = d->src;

	any.port = 0;
	return peer_find(env->peer_index, env->peers, &d->src) >= 0 ||
	       peer_find(env->peer_index, env->peers, &any) >= 0;
}

// While punch requests come faster than they may, what is left is for requesters that are where the
// table has them: daemons registered before, and senders in a flood are invented.
static bool punch_is_left_out(const struct dgram *d, const struct stage_env *env, uint64_t now_ns)
{
	struct node_lookup found;

	if (!police_punt_short(&env->police, PUNT_PUNCH, now_ns))
		return false;
	node_lookup_run(env->nodes, &d->sender, 1, &found);
	return !node_table_is_at(env->nodes, node_lookup_entry(&found, 0), &d->src);
}

static enum drop punt_only(struct dgram *d, struct stage_env *env, uint64_t now_ns)
{
	switch (d->type) {
	case BEACON_PUNCH_REQUEST:
		if (punch_is_left_out(d, env, now_ns))
			return DROP_POLICE_PUNT;
		d->punt_class = PUNT_PUNCH;
		break;
	case BEACON_SYNC:
		if (!from_peer(d, env))
			return DROP_PEER_UNKNOWN;
		d->punt_class = PUNT_SYNC;
		break;
	default:
		d->punt_class = PUNT_STUN;
	}
	d->verdict = VERDICT_PUNT;
	return punt_copy(d, env, now_ns);
}

static __attribute__((noinline)) void punt_discover(
    struct dgram *d, struct stage_env *env, uint64_t now_ns)
{
	enum drop why = punt_copy(d, env, now_ns);

	if (!(d->flags & DGRAM_F_ASK))
		env->tally.drops[why] += why != DROP_NONE; // answered all the same
	else if (why)
		dgram_drop(d, why);
	else
		d->verdict = VERDICT_PUNT;
}

void stage_punt(struct burst *b, struct stage_env *env)
{
	for (unsigned i = 0; i < b->count; i++) {
		struct dgram *d = &b->d[i];

		if (d->verdict == VERDICT_NONE) {
			enum drop why = punt_only(d, env, b->now_ns);

			if (why)
				dgram_drop(d, why);
		} else if (d->verdict == VERDICT_SEND && d->flags & DGRAM_F_PUNT) {
			punt_discover(d, env, b->now_ns);
		}
	}
	if (env->punted)
		ring_commit(&env->punt);
}
