// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/stage/stage.h"
#include "wire/beacon.h"
#include "wire/inet.h"

// How much of the source agrees with where the sender is registered.
enum match { MATCH_NONE, MATCH_IP, MATCH_ENDPOINT };

// What is the same for all datagrams of a burst, and what is counted of them.
struct relay_pass {
	struct sender_pass senders;
	uint32_t span;
	uint64_t relayed, relayed_bytes;
};

static inline bool sender_is_at6(
    const struct dgram *d, struct stage_env *env, const struct node_entry *e)
{
	const uint8_t *at = node_table_v6(env->nodes, *e);

	env->relay.met_v6 = true;
	return !(node_entry_flags(*e) & NODE_REMOTE) && at && endpoint_same_v6(&d->src, at);
}

static inline enum match sender_match(
    const struct dgram *d, struct stage_env *env, const struct node_entry *e)
{
	bool same;

	if (node_entry_id(*e) == 0)
		return MATCH_NONE;
	if (__builtin_expect(node_entry_flags(*e) & (NODE_V6 | NODE_REMOTE), 0))
		same = sender_is_at6(d, env, e);
	else
		same = endpoint_same_v4(&d->src, node_entry_address(*e));
	if (!same)
		return MATCH_NONE;
	return node_entry_port(*e) == d->src.port ? MATCH_ENDPOINT : MATCH_IP;
}

static __attribute__((noinline)) enum drop relay_from_elsewhere(
    struct dgram *d, const struct stage_env *env, const struct node_entry *e)
{
	bool known = node_entry_id(*e) && !(node_entry_flags(*e) & NODE_REMOTE);

	if (peer_find(env->peer_index, env->peers, &d->src) >= 0) {
		d->flags |= DGRAM_F_FROM_PEER;
		return DROP_NONE;
	}
	if (env->set.sender_check == SENDER_CHECK_OFF)
		return DROP_NONE;
	return known ? DROP_SENDER_ADDRESS : DROP_SENDER_UNKNOWN;
}

// Where signs of life are written lies far from all else: the line comes while the burst is sent.
static inline void sender_is_alive(struct stage_env *env, const struct node_entry *e)
{
	struct relay_batch *r = &env->relay;

	__builtin_prefetch(node_table_seen_at(env->nodes, *e), 1);
	r->alive[r->alive_count++] = *e;
}

void relay_signs(const struct burst *b, struct stage_env *env)
{
	struct relay_batch *r = &env->relay;

	for (unsigned i = 0; i < r->alive_count; i++)
		node_table_seen(env->nodes, r->alive[i], (uint32_t)(b->now_ns / NS_PER_S));
	r->alive_count = 0;
}

// `i`: of the datagram in the batch.
static inline enum drop relay_sender(
    struct dgram *d, struct stage_env *env, unsigned i, const struct relay_pass *pass)
{
	const struct node_entry *e = &env->relay.nodes.entries[2 * i];
	enum match match = sender_match(d, env, e);

	if (match == MATCH_NONE ||
	    (match == MATCH_IP && env->set.sender_check == SENDER_CHECK_ENDPOINT))
		return relay_from_elsewhere(d, env, e);
	// After the check: a spoofer cannot spend the node's tokens or keep it alive.
	if (!police_sender(&env->police, &pass->senders, node_entry_index(*e)))
		return DROP_POLICE_SENDER;
	if (match == MATCH_ENDPOINT && node_entry_unseen(env->relay.nodes.at[2 * i], pass->span))
		sender_is_alive(env, e);
	return DROP_NONE;
}

static enum drop relay_to_peer(struct dgram *d, struct stage_env *env, const struct node_entry *e)
{
	const struct peer *p = &env->peers[node_entry_address(*e) % PEER_MAX];

	if (d->flags & DGRAM_F_FROM_PEER)
		return DROP_SPLIT_HORIZON;
	if (!__atomic_load_n(&p->valid, __ATOMIC_ACQUIRE))
		return DROP_DEST_UNKNOWN;
	d->to = p->at;
	d->route = dgram_route(p->nexthop, p->local, !endpoint_is_v4(&p->at));
	tally_count(&env->tally, COUNTER_FORWARDED, 1);
	return DROP_NONE;
}

// Writes the deliver message over the relay message's header: the frame stays where it is. What the
// payload loses goes to the headers' sum, in memory order: the type's difference, and for 0x06 the
// destination. As that stood at an odd offset, what it added are the halves of the number in host
// order.
static void relay_rewrite(struct dgram *d, bool carry)
{
	if (carry) {
		beacon_relay_to_deliver_dest(d->data);
		d->header_sum =
		    csum_plus(d->header_sum, csum_negate(BEACON_RELAY_DELIVER_DEST - BEACON_RELAY));
		return;
	}
	d->data = beacon_relay_to_deliver(d->data);
	d->len -= BEACON_RELAY_SIZE - BEACON_RELAY_DELIVER_SIZE;
	d->header_sum = csum_plus(d->header_sum, d->dest) - (BEACON_RELAY_DELIVER - BEACON_RELAY);
}

static inline enum drop relay_dest(
    struct dgram *d, struct stage_env *env, const struct node_entry *e, struct relay_pass *pass)
{
	uint8_t flags = node_entry_flags(*e);

	if (node_entry_id(*e) == 0)
		return DROP_DEST_UNKNOWN;
	if (__builtin_expect(flags & (NODE_V6 | NODE_REMOTE), 0)) {
		const uint8_t *at = node_table_v6(env->nodes, *e);

		if (flags & NODE_REMOTE)
			return relay_to_peer(d, env, e);
		if (!at)
			return DROP_DEST_UNKNOWN;
		env->relay.met_v6 = true;
		endpoint_set_v6(&d->to, at, node_entry_port(*e));
	} else {
		endpoint_set_v4(&d->to, node_entry_address(*e), node_entry_port(*e));
	}
	d->route = node_entry_route(*e);
	pass->relayed++;
	pass->relayed_bytes += d->len - BEACON_RELAY_SIZE;
	relay_rewrite(d, flags & NODE_CARRY);
	d->flags |= DGRAM_F_DELIVER;
	return DROP_NONE;
}

void stage_relay(struct burst *b, struct stage_env *env)
{
	struct relay_batch *r = &env->relay;
	const struct node_entry *nodes = r->nodes.entries;
	struct relay_pass pass = {
	    .senders = police_senders(&env->police, b->now_ns),
	    .span = (uint32_t)(b->now_ns / (SEEN_SPAN_S * NS_PER_S)),
	};
	const unsigned n = r->count;

	if (n == 0)
		return;
	node_lookup_run(env->nodes, r->ids, 2 * n, &r->nodes);
	for (unsigned i = 0; i < n && police_watches(&env->police, &pass.senders); i++)
		police_sender_prefetch(&env->police, node_entry_index(nodes[2 * i]));
	// They lie in an array of their own: it is looked into ahead if the last burst did.
	for (unsigned i = 0; i < 2 * n && r->met_v6; i++)
		if (node_entry_flags(nodes[i]) & NODE_V6)
			__builtin_prefetch(node_table_v6(env->nodes, nodes[i]));
	r->met_v6 = false;
	for (unsigned i = 0; i < n; i++) {
		struct dgram *d = r->d[i];
		enum drop why = relay_sender(d, env, i, &pass);

		if (!why)
			why = relay_dest(d, env, &nodes[2 * i + 1], &pass);
		if (why)
			dgram_drop(d, why);
		else
			d->verdict = VERDICT_SEND;
	}
	tally_count(&env->tally, COUNTER_RELAYED, pass.relayed);
	tally_count(&env->tally, COUNTER_RELAYED_BYTES, pass.relayed_bytes);
}
