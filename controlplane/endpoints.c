// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/endpoints.h"

#include "base/clock.h"
#include "base/log.h"
#include "controlplane/room.h"

#include <errno.h>

enum { WALK_BATCH = 64 }; // buckets or entries between two looks at the slice

void endpoints_init(struct endpoints *e, struct node_writer *nodes, struct cp_stats *stats,
    const struct endpoints_hooks *hooks)
{
	*e = (struct endpoints){.nodes = nodes, .hooks = *hooks, .stats = stats};
	e->config = (struct endpoints_config){.policy = ADMISSION_OPEN,
	    .silence_ns = 90 * NS_PER_S,
	    .ttl_ns = 600 * NS_PER_S,
	    .network_share = 5};
	challenge_init(&e->challenge);
}

// A candidate for learning: what was received, and what the table says of the id.
struct claim {
	uint32_t node;
	struct endpoint from;
	uint8_t local;
	bool ex;
	bool again;	    // was here a minute ago
	const uint8_t *key; // NULL: none shown
	enum admission_proof proof;
	uint64_t now_ns;
	// from the table
	bool present; // local or remote
	struct node_entry entry;
	struct endpoint stored; // when facts.known
	struct admission_facts facts;
};

static uint32_t seconds(uint64_t ns)
{
	return (uint32_t)(ns / NS_PER_S);
}

static void claim_gather(const struct endpoints *e, struct claim *c)
{
	const struct node_table *t = &e->nodes->table;
	struct admission_facts *f = &c->facts;
	uint32_t alive, now_s = seconds(c->now_ns);

	*f = (struct admission_facts){
	    .policy = e->config.policy, .proof = c->proof, .silence_ns = e->config.silence_ns};
	if (f->policy == ADMISSION_ANCHORED && e->hooks.anchor)
		f->anchor = e->hooks.anchor(e->hooks.ctx, c->node, &c->from);
	if (c->key && f->policy != ADMISSION_OPEN && e->hooks.identity)
		f->identity = e->hooks.identity(e->hooks.ctx, c->node, c->key);
	c->present = node_table_find(t, c->node, &c->entry);
	f->full = !c->present && e->nodes->node_count >= t->capacity;
	if (!c->present || !node_table_endpoint(t, c->entry, &c->stored))
		return;
	f->known = true;
	f->same_addr = endpoint_same_addr(&c->stored, &c->from);
	f->same_port = c->stored.port == c->from.port;
	f->key_bound = t->info[node_entry_index(c->entry)].has_key;
	f->key_matches = f->key_bound && c->key &&
			 memcmp(t->info[node_entry_index(c->entry)].key, c->key, 32) == 0;
	alive = node_alive_at(t, c->entry);
	f->silent_ns = now_s > alive ? (uint64_t)(now_s - alive) * NS_PER_S : 0;
}

static void log_refusal(struct endpoints *e, const struct claim *c, enum admission_verdict v)
{
	char from[ENDPOINT_TEXT_MAX], stored[ENDPOINT_TEXT_MAX] = "";

	endpoint_format(&c->from, from, sizeof(from));
	if (c->facts.known)
		endpoint_format(&c->stored, stored, sizeof(stored));
	switch (v) {
	case REFUSE_OCCUPIED:
		e->stats->n[CP_REFUSED_OCCUPIED]++;
		break;
	case REFUSE_UNPROVEN:
		e->stats->n[CP_REFUSED_UNPROVEN]++;
		if (c->proof == PROOF_KEY)
			return; // the first half of every proof
		break;
	case REFUSE_KEY:
		e->stats->n[CP_REFUSED_KEY]++;
		break;
	case REFUSE_ANCHOR:
		e->stats->n[CP_REFUSED_ANCHOR]++;
		break;
	case REFUSE_NETWORK:
		e->stats->n[CP_REFUSED_NETWORK]++;
		log_warn("node not stored: the room left is kept for other networks, raise "
			 "nodes.capacity or admission.network-share",
		    kv("node", c->node), kv("endpoint", (const char *)from),
		    kv("nodes", e->nodes->node_count));
		return;
	default:
		e->stats->n[CP_REFUSED_FULL]++;
		log_warn("node not stored: table full, raise nodes.capacity", kv("node", c->node),
		    kv("endpoint", (const char *)from), kv("nodes", e->nodes->node_count));
		return;
	}
	log_info("endpoint refused", kv("node", c->node), kv("reason", admission_verdict_name(v)),
	    kv("endpoint", (const char *)from), kv("stored", (const char *)stored),
	    kv("silent", c->facts.silent_ns / NS_PER_S));
}

static void log_learnt(const struct claim *c, bool moved)
{
	char from[ENDPOINT_TEXT_MAX], stored[ENDPOINT_TEXT_MAX];

	if (log_level_now() > LOG_LEVEL_DEBUG && !(moved && !c->facts.same_addr))
		return;
	endpoint_format(&c->from, from, sizeof(from));
	if (!moved) {
		log_debug("node learnt", kv("node", c->node), kv("endpoint", (const char *)from));
		return;
	}
	endpoint_format(&c->stored, stored, sizeof(stored));
	if (c->facts.same_addr)
		log_debug("node moved", kv("node", c->node), kv("endpoint", (const char *)from),
		    kv("before", (const char *)stored));
	else
		log_info("node moved to another address", kv("node", c->node),
		    kv("endpoint", (const char *)from), kv("before", (const char *)stored));
}

static enum standing claim_standing(const struct claim *c)
{
	if (c->proof == PROOF_SIGNED || c->facts.anchor == ANCHOR_HERE)
		return STANDING_PROVEN;
	return c->again ? STANDING_FAMILIAR : STANDING_NEW;
}

// Stores the claim's endpoint. 0 or a negative errno of node_writer_put().
static int claim_store(struct endpoints *e, struct claim *c, bool bind)
{
	struct node_table *t = &e->nodes->table;
	bool was_local = c->facts.known;
	bool moved = was_local && !(c->facts.same_addr && c->facts.same_port);
	uint8_t kept = was_local ? node_entry_flags(c->entry) & NODE_CARRY : 0;
	struct node_route route = {
	    .at = c->from,
	    .nexthop = e->hooks.resolve(e->hooks.ctx, &c->from, c->local),
	    .local = c->local,
	    .flags = kept | (c->ex ? NODE_CARRY : 0),
	};
	int rc = node_writer_put(e->nodes, c->node, &route, seconds(c->now_ns));
	struct node_info *info;

	if (rc < 0)
		return rc;
	if (!node_table_find(t, c->node, &c->entry))
		return -ENOENT;
	info = &t->info[node_entry_index(c->entry)];
	if (!was_local) {
		e->stats->n[CP_NODES_NEW]++;
	} else if (moved) {
		info->changes++;
		e->stats->n[CP_NODES_MOVED]++;
	}
	if (!was_local || !c->facts.same_addr || claim_standing(c) == STANDING_PROVEN)
		node_standing_begin(t, c->entry, claim_standing(c), seconds(c->now_ns));
	if (bind)
		node_writer_bind(e->nodes, c->node, c->key);
	info->changed_at = seconds(c->now_ns);
	if (!was_local)
		e->hooks.present(e->hooks.ctx, c->node, node_entry_index(c->entry), c->now_ns);
	log_learnt(c, moved);
	return 0;
}

// The endpoint stays; what else a Discover says may have changed.
static void claim_refresh(struct endpoints *e, struct claim *c)
{
	bool carry = node_entry_flags(c->entry) & NODE_CARRY;

	if (node_entry_local(c->entry) != c->local || (c->ex && !carry))
		claim_store(e, c, false);
	else
		e->nodes->table.info[node_entry_index(c->entry)].changed_at = seconds(c->now_ns);
}

// Somebody has to go for a new node. False: nobody does.
static bool room_make(struct endpoints *e, const struct claim *c)
{
	struct node_entry victim;

	if (!room_find(&e->nodes->table, &e->room_cursor, claim_standing(c), &victim))
		return false;
	e->hooks.forgotten(
	    e->hooks.ctx, node_entry_id(victim), node_entry_index(victim), c->now_ns);
	e->stats->n[CP_NODES_EVICTED]++;
	return node_writer_remove(e->nodes, node_entry_id(victim)) == 0;
}

// A node that would be one more has to find room beside that.
static enum admission_verdict claim_decide(struct endpoints *e, struct claim *c)
{
	enum admission_verdict v = admission_decide(&c->facts);
	enum room room = ROOM_FREE;

	if (c->present || (v != ADMIT_LEARN && v != ADMIT_LEARN_BIND && v != REFUSE_FULL))
		return v;
	if (claim_standing(c) != STANDING_PROVEN)
		room = room_for(&e->nodes->table, &e->room_cursor, &c->from, claim_standing(c),
		    e->config.network_share);
	if (room == ROOM_KEPT)
		return REFUSE_NETWORK;
	if (room == ROOM_FREE && v != REFUSE_FULL)
		return v;
	if (!room_make(e, c))
		return v == REFUSE_FULL ? v : REFUSE_NETWORK;
	c->facts.full = false;
	return admission_decide(&c->facts);
}

// Decides and stores. True when the claim's endpoint is the stored one afterwards.
static bool claim_settle(struct endpoints *e, struct claim *c)
{
	enum admission_verdict v = claim_decide(e, c);
	int rc;

	switch (v) {
	case ADMIT_REFRESH:
		claim_refresh(e, c);
		return true;
	case ADMIT_LEARN:
	case ADMIT_LEARN_BIND:
		rc = claim_store(e, c, v == ADMIT_LEARN_BIND);
		if (rc == 0)
			return true;
		v = REFUSE_FULL;
		break;
	default:
		break;
	}
	log_refusal(e, c, v);
	return false;
}

static void send_challenge(struct endpoints *e, uint32_t node, const struct punt *p)
{
	uint8_t buf[BEACON_OBSERVED_V6_SIZE + BEACON_CHALLENGE_SIZE];
	size_t n = challenge_reply(&e->challenge, node, &p->from, p->now_ns, p->len, buf);

	if (n && emit(&e->hooks.emit, &p->from, p->local, buf, n) == 0)
		e->stats->n[CP_CHALLENGES]++;
}

static void send_reply(struct endpoints *e, const struct endpoint *to, uint8_t local)
{
	struct beacon_discover_reply reply = {.observed = *to};
	uint8_t buf[BEACON_OBSERVED_V6_SIZE];
	int n = beacon_discover_reply_build(buf, sizeof(buf), &reply);

	if (n > 0)
		emit(&e->hooks.emit, to, local, buf, (size_t)n);
}

static int start_verification(
    struct endpoints *e, const struct punt *p, const struct beacon_discover *d)
{
	struct verify_job job = {.node = d->node,
	    .ex = d->ex,
	    .local = p->local,
	    .unanswered = p->unanswered,
	    .from = p->from};

	memcpy(job.key, d->key, sizeof(job.key));
	memcpy(job.nonce, d->nonce, sizeof(job.nonce));
	memcpy(job.signature, d->signature, sizeof(job.signature));
	return e->hooks.verify(e->hooks.ctx, &job);
}

void endpoints_discover(struct endpoints *e, const struct punt *p)
{
	struct beacon_discover d;
	struct claim c;
	bool challenge;

	if (beacon_discover_parse(p->data, p->len, &d) != 0 || d.node == 0)
		return;
	c = (struct claim){.node = d.node,
	    .from = p->from,
	    .local = p->local,
	    .ex = d.ex,
	    .again = p->punt_class == PUNT_DISCOVER_AGAIN,
	    .key = d.key,
	    .proof = d.signature ? PROOF_STALE
		     : d.key	 ? PROOF_KEY
				 : PROOF_NONE,
	    .now_ns = p->now_ns};
	if (d.signature && challenge_holds(&e->challenge, d.node, &p->from, p->now_ns, d.nonce)) {
		if (start_verification(e, p, &d) == 0)
			return;
		e->stats->n[CP_SIGNATURES_SHED]++;
		if (p->unanswered)
			send_reply(e, &p->from, p->local);
		return;
	}
	claim_gather(e, &c);
	challenge = admission_challenges(&c.facts);
	claim_settle(e, &c);
	if (p->unanswered)
		send_reply(e, &p->from, p->local);
	if (challenge)
		send_challenge(e, d.node, p);
}

void endpoints_verified(
    struct endpoints *e, const struct verify_job *job, bool valid, uint64_t now_ns)
{
	struct claim c = {.node = job->node,
	    .from = job->from,
	    .local = job->local,
	    .ex = job->ex,
	    .key = job->key,
	    .proof = PROOF_SIGNED,
	    .now_ns = now_ns};
	char from[ENDPOINT_TEXT_MAX];

	e->stats->n[valid ? CP_SIGNATURES_GOOD : CP_SIGNATURES_BAD]++;
	if (!valid) {
		endpoint_format(&job->from, from, sizeof(from));
		log_info(
		    "signature wrong", kv("node", job->node), kv("endpoint", (const char *)from));
	} else {
		claim_gather(e, &c);
		claim_settle(e, &c);
	}
	if (job->unanswered)
		send_reply(e, &job->from, job->local);
}

bool endpoints_admit(struct endpoints *e, uint32_t id, const struct punt *p)
{
	struct claim c = {.node = id, .from = p->from, .local = p->local, .now_ns = p->now_ns};

	claim_gather(e, &c);
	return claim_settle(e, &c);
}

bool endpoints_restore(struct endpoints *e, const struct kept_node *kept)
{
	struct claim c = {.node = kept->node,
	    .from = kept->at,
	    .local = kept->local,
	    .ex = kept->carry,
	    .again = kept->familiar,
	    .key = kept->key,
	    .proof = kept->key ? PROOF_SIGNED : PROOF_NONE,
	    .now_ns = kept->alive_s * NS_PER_S};
	struct admission_facts then;
	enum admission_verdict v;

	claim_gather(e, &c);
	if (c.present || !kept->node || !kept->at.port || endpoint_is_link_local(&kept->at))
		return false;
	then = c.facts;
	then.known = then.same_addr = then.same_port = true;
	then.key_bound = then.key_matches = kept->key != NULL;
	v = admission_decide(&then);
	if (v != ADMIT_REFRESH && v != ADMIT_LEARN && v != ADMIT_LEARN_BIND)
		return false;
	if (claim_store(e, &c, kept->key != NULL))
		return false;
	e->nodes->table.info[node_entry_index(c.entry)].first_seen = kept->first_s;
	return true;
}

// The entry goes, or leads to the peer relay that claims the node.
static void give_up(struct endpoints *e, uint32_t id, uint32_t now_s)
{
	struct node_route route = {0};

	if (e->hooks.remote_owner(e->hooks.ctx, id, &route) &&
	    node_writer_put(e->nodes, id, &route, now_s) >= 0)
		return;
	node_writer_remove(e->nodes, id);
}

static uint64_t ttl_ns(const struct endpoints *e, struct node_entry entry)
{
	const struct node_table *t = &e->nodes->table;
	const uint64_t brief_ns = STANDING_NEW_TTL_S * NS_PER_S;

	if (node_table_crowded(t) && brief_ns < e->config.ttl_ns &&
	    node_standing(t, node_entry_index(entry)) == STANDING_NEW)
		return brief_ns;
	return e->config.ttl_ns;
}

static void visit(struct endpoints *e, struct node_entry entry, uint64_t now_ns)
{
	const struct node_table *t = &e->nodes->table;
	uint32_t id = node_entry_id(entry), index = node_entry_index(entry);
	uint32_t alive = node_alive_at(t, entry), now_s = seconds(now_ns);
	struct endpoint at;
	uint16_t nexthop;

	if (node_entry_flags(entry) & NODE_REMOTE) {
		if (!e->hooks.remote_held(e->hooks.ctx, entry))
			give_up(e, id, now_s);
		return;
	}
	if (now_s > alive && (uint64_t)(now_s - alive) * NS_PER_S >= ttl_ns(e, entry)) {
		e->hooks.forgotten(e->hooks.ctx, id, index, now_ns);
		e->stats->n[CP_NODES_EXPIRED]++;
		log_debug("node forgotten", kv("node", id));
		give_up(e, id, now_s);
		return;
	}
	e->hooks.present(e->hooks.ctx, id, index, now_ns);
	if (!node_table_endpoint(t, entry, &at))
		return;
	nexthop = e->hooks.resolve(e->hooks.ctx, &at, node_entry_local(entry));
	if (nexthop != node_entry_nexthop(entry))
		node_writer_set_nexthop(e->nodes, id, nexthop);
}

// Buckets of the table to look at in this tick.
static uint32_t slice_size(const struct endpoints *e)
{
	uint32_t n = e->nodes->node_count / (ENDPOINTS_WALK_S * 10) + WALK_BATCH;

	if (e->hurry || node_table_crowded(&e->nodes->table) || n > ENDPOINTS_SLICE)
		return ENDPOINTS_SLICE;
	return n;
}

bool endpoints_tick(struct endpoints *e, uint64_t now_ns)
{
	uint32_t slice = slice_size(e);
	struct node_entry entries[WALK_BATCH];

	for (uint32_t looked = 0; looked < slice; looked += WALK_BATCH) {
		unsigned n = node_table_walk(&e->nodes->table, &e->cursor, entries, WALK_BATCH);

		for (unsigned i = 0; i < n; i++)
			visit(e, entries[i], now_ns);
		if (e->cursor < NODE_CURSOR_END)
			continue;
		e->cursor = 0;
		e->walks++;
		e->hurry -= e->hurry > 0;
		return true;
	}
	return false;
}

void endpoints_reroute(struct endpoints *e)
{
	e->hurry = e->cursor ? 2 : 1;
}
