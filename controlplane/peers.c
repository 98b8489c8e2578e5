// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/peers.h"

#include "base/clock.h"
#include "base/log.h"
#include "controlplane/announce.h"
#include "shm/rate_limit.h"
#include "wire/beacon.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct peer_config *allowed(const struct peers *p, const struct endpoint *from)
{
	for (unsigned i = 0; i < p->config_count; i++)
		if (endpoint_same_addr(&p->config[i].at, from))
			return &p->config[i];
	return NULL;
}

// A Sync may be 64 KiB: whoever spoofs a peer's address must not keep us busy.
static const struct rate_limit sync_limit = {.rate = PEER_SYNC_RATE,
    .burst = PEER_SYNC_RATE + 1,
    .interval_ns = NS_PER_S / PEER_SYNC_RATE,
    .slack_ns = NS_PER_S};
static const struct rate_limit own_limit = {.rate = PEER_OWN_RATE,
    .burst = PEER_OWN_BURST,
    .interval_ns = NS_PER_S / PEER_OWN_RATE,
    .slack_ns = (PEER_OWN_BURST - 1) * NS_PER_S / PEER_OWN_RATE};

static int id_compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static bool set_has(const struct peer_state *s, uint32_t id)
{
	return s->count && bsearch(&id, s->ids, s->count, sizeof(id), id_compare);
}

bool peers_owner(const struct peers *p, uint32_t id, struct node_route *route)
{
	int best = -1;

	for (int i = 0; i < p->high; i++)
		if (p->state[i].used && set_has(&p->state[i], id) &&
		    (best < 0 || p->state[i].heard_ns > p->state[best].heard_ns))
			best = i;
	if (best < 0)
		return false;
	*route = (struct node_route){.peer = (uint32_t)best, .flags = NODE_REMOTE};
	return true;
}

// Remote nodes leave a quarter of the table to our own.
static bool remote_full(const struct peers *p)
{
	return p->nodes->remote_count >= p->nodes->table.capacity / 4 * 3 ||
	       p->nodes->node_count >= p->nodes->table.capacity;
}

// Peer index of a remote entry, -1 for a local node or a damaged entry.
static int entry_owner(struct node_entry e)
{
	if (!(node_entry_flags(e) & NODE_REMOTE) || node_entry_address(e) >= PEER_MAX)
		return -1;
	return (int)node_entry_address(e);
}

// `take_over`: from another peer too.
static void claim(struct peers *p, int peer, uint32_t id, bool take_over, uint32_t now_s)
{
	struct node_route route = {.peer = (uint32_t)peer, .flags = NODE_REMOTE};
	struct node_entry e;

	if (node_table_find(&p->nodes->table, id, &e)) {
		if (!(node_entry_flags(e) & NODE_REMOTE) || entry_owner(e) == peer || !take_over)
			return;
	} else if (remote_full(p)) {
		p->stats->n[CP_REMOTE_FULL]++;
		return;
	}
	if (node_writer_put(p->nodes, id, &route, now_s) < 0)
		p->stats->n[CP_REMOTE_FULL]++;
}

static void release(struct peers *p, int peer, uint32_t id, uint32_t now_s)
{
	struct node_route route;
	struct node_entry e;

	if (!node_table_find(&p->nodes->table, id, &e) || entry_owner(e) != peer)
		return;
	if (!peers_owner(p, id, &route) || node_writer_put(p->nodes, id, &route, now_s) < 0)
		node_writer_remove(p->nodes, id);
}

// Sorted, without zero and without repetition. NULL without memory.
static uint32_t *sorted_ids(const struct beacon_sync *sync, uint32_t *count)
{
	uint32_t *ids = malloc((sync->count ? sync->count : 1) * sizeof(*ids));
	uint32_t n = 0;

	if (!ids)
		return NULL;
	for (uint16_t i = 0; i < sync->count; i++)
		ids[i] = beacon_sync_id(sync, i);
	qsort(ids, sync->count, sizeof(*ids), id_compare);
	for (uint32_t i = 0; i < sync->count; i++)
		if (ids[i] && (n == 0 || ids[n - 1] != ids[i]))
			ids[n++] = ids[i];
	*count = n;
	return ids;
}

// Makes `ids` the set of a peer and the table follow. Takes over `ids`.
static void set_replace(struct peers *p, int peer, uint32_t *ids, uint32_t count, uint32_t now_s)
{
	struct peer_state *s = &p->state[peer];
	uint32_t *old = s->ids, old_count = s->count, i = 0, k = 0;

	s->ids = ids;
	s->count = count;
	while (i < old_count || k < count) {
		if (k == count || (i < old_count && old[i] < ids[k])) {
			release(p, peer, old[i++], now_s);
		} else if (i == old_count || ids[k] < old[i]) {
			claim(p, peer, ids[k++], true, now_s);
		} else {
			claim(p, peer, ids[k++], false, now_s);
			i++;
		}
	}
	free(old);
}

static unsigned sources_of(const struct peers *p, const struct endpoint *from)
{
	unsigned n = 0;

	for (int i = 0; i < p->high; i++)
		n += p->state[i].used && endpoint_same_addr(&p->memory->peers[i].at, from);
	return n;
}

static void state_use(struct peers *p, int i)
{
	p->state[i].used = true;
	if (i >= p->high)
		p->high = i + 1;
}

static int peer_put(struct peers *p, const struct endpoint *at, uint8_t local, uint32_t id)
{
	struct peer peer = {.at = *at, .id = id, .local = local};
	int i = peer_find(p->memory->peer_index, p->memory->peers, at);

	// A configured peer that was heard: what it said stays.
	if (i >= 0 && p->state[i].heard && !id) {
		peer.id = p->state[i].beacon_id;
		peer.local = p->memory->peers[i].local;
	}
	if (at->port)
		peer.nexthop = p->resolve(p->ctx, at, local);
	i = peer_writer_put(p->writer, &peer);
	if (i >= 0)
		state_use(p, i);
	return i;
}

// The peer's index, made when its source is new.
static int source_of(struct peers *p, const struct punt *punt, uint32_t beacon_id)
{
	int i = peer_find(p->memory->peer_index, p->memory->peers, &punt->from);
	char text[ENDPOINT_TEXT_MAX];

	if (i < 0 && sources_of(p, &punt->from) >= PEER_SOURCES_MAX + 2)
		return -ENOSPC;
	i = peer_put(p, &punt->from, punt->local, beacon_id);
	if (i >= 0 && !p->state[i].heard) {
		endpoint_format(&punt->from, text, sizeof(text));
		log_info(
		    "peer relay heard", kv("peer", (const char *)text), kv("beacon", beacon_id));
	}
	return i;
}

// A known port has some Syncs for itself, as anybody can use up those of its address from others:
// one that is configured as many as an address, one that was heard what its large shard takes.
static bool may_sync(struct peers *p, struct peer_config *c, const struct punt *punt)
{
	int i = peer_find(p->memory->peer_index, p->memory->peers, &punt->from);

	if (i >= 0 && p->state[i].configured)
		return bucket_take(&p->state[i].full_ns, &sync_limit, punt->now_ns);
	return (i >= 0 && bucket_take(&p->state[i].full_ns, &own_limit, punt->now_ns)) ||
	       bucket_take(&c->full_ns, &sync_limit, punt->now_ns);
}

void peers_sync(struct peers *p, const struct punt *punt)
{
	struct beacon_sync sync;
	char text[ENDPOINT_TEXT_MAX];
	uint32_t *ids, count;
	struct peer_config *c = allowed(p, &punt->from);
	int i = -EINVAL;

	endpoint_format(&punt->from, text, sizeof(text));
	if (c && !may_sync(p, c, punt))
		i = -EBUSY;
	else if (c && beacon_sync_parse(punt->data, punt->len, &sync) == 0)
		i = source_of(p, punt, sync.beacon_id);
	if (i < 0) {
		p->stats->n[CP_SYNC_REFUSED]++;
		log_warn("gossip refused", kv("source", (const char *)text), kv_errno(i));
		return;
	}
	ids = sorted_ids(&sync, &count);
	if (!ids)
		return;
	p->state[i].heard_ns = punt->now_ns;
	p->state[i].heard = true;
	p->state[i].draining = false;
	p->state[i].beacon_id = sync.beacon_id;
	set_replace(p, i, ids, count, (uint32_t)(punt->now_ns / NS_PER_S));
	p->stats->n[CP_SYNC_RECEIVED]++;
	log_debug("gossip taken", kv("peer", (const char *)text), kv("nodes", count));
}

// Takes a peer's nodes away; its slot follows when no entry can refer to it any more.
static void drain(struct peers *p, int i, uint64_t now_ns)
{
	struct peer_state *s = &p->state[i];

	set_replace(p, i, NULL, 0, (uint32_t)(now_ns / NS_PER_S));
	s->heard_ns = 0;
	s->heard = false;
	s->draining = true;
	s->drained_walk = p->walks + 2; // the one under way may be past its nodes
}

static void expire(struct peers *p, int i, uint64_t now_ns)
{
	struct peer_state *s = &p->state[i];
	char text[ENDPOINT_TEXT_MAX];

	endpoint_format(&p->memory->peers[i].at, text, sizeof(text));
	if (s->heard)
		log_warn("peer relay silent, its nodes are forgotten",
		    kv("peer", (const char *)text), kv("nodes", s->count));
	drain(p, i, now_ns);
}

static void slot_free(struct peers *p, int i)
{
	struct endpoint at = p->memory->peers[i].at;

	peer_writer_remove(p->writer, &at);
	free(p->state[i].ids);
	p->state[i] = (struct peer_state){0};
}

void peers_tick(struct peers *p, uint64_t now_ns)
{
	for (int i = 0; i < p->high; i++) {
		struct peer_state *s = &p->state[i];

		if (!s->used)
			continue;
		if (s->heard_ns && now_ns - s->heard_ns >= PEER_EXPIRY_S * NS_PER_S)
			expire(p, i, now_ns);
		if (s->draining && !s->configured && p->walks >= s->drained_walk)
			slot_free(p, i);
	}
}

bool peers_holds(const struct peers *p, struct node_entry entry)
{
	int i = entry_owner(entry);
	const struct peer_state *s = &p->state[i < 0 ? 0 : i];

	if (i < 0 || !s->used)
		return false;
	// Not heard since we attached: what an earlier control plane stored holds until expiry.
	return s->heard ? set_has(s, node_entry_id(entry)) : s->heard_ns != 0;
}

void peers_walked(struct peers *p)
{
	p->walks++;
}

void peers_reroute(struct peers *p)
{
	for (int i = 0; i < p->high; i++) {
		const struct peer *at = &p->memory->peers[i];

		if (p->state[i].used && at->at.port)
			peer_put(p, &at->at, at->local, at->id);
	}
}

void peers_open(struct peers *p, uint64_t now_ns)
{
	p->high = 0;
	for (int i = 0; i < PEER_MAX; i++) {
		const struct peer *at = &p->memory->peers[i];

		p->state[i] = (struct peer_state){0};
		if (!at->valid || peer_find(p->memory->peer_index, p->memory->peers, &at->at) != i)
			continue;
		state_use(p, i);
		p->state[i].beacon_id = at->id;
		if (at->at.port)
			p->state[i].heard_ns = now_ns;
	}
}

static void configure_one(struct peers *p, struct endpoint at)
{
	int local = announce_local(p->memory->locals, 0, &at);
	int i = peer_put(p, &at, local < 0 ? 0 : (uint8_t)local, 0);
	char text[ENDPOINT_TEXT_MAX];

	if (i >= 0) {
		p->state[i].configured = true;
		p->state[i].draining = false;
		return;
	}
	endpoint_format(&at, text, sizeof(text));
	log_error(
	    "peer relay not taken into the table", kv("peer", (const char *)text), kv_errno(i));
}

int peers_configure(
    struct peers *p, const struct peer_config *config, unsigned count, uint64_t now_ns)
{
	struct peer_config *copy = malloc((count ? count : 1) * sizeof(*copy));

	if (!copy)
		return -ENOMEM;
	memcpy(copy, config, count * sizeof(*copy));
	free(p->config);
	p->config = copy;
	p->config_count = count;
	for (int i = 0; i < PEER_MAX; i++)
		p->state[i].configured = false;
	for (unsigned i = 0; i < count; i++) {
		struct endpoint any = copy[i].at;

		any.port = 0;
		configure_one(p, any);
		if (copy[i].at.port)
			configure_one(p, copy[i].at);
	}
	for (int i = 0; i < PEER_MAX; i++) {
		const struct peer_state *s = &p->state[i];
		const struct endpoint *at = &p->memory->peers[i].at;

		if (s->used && !s->configured && !s->draining && (!at->port || !allowed(p, at)))
			drain(p, i, now_ns);
	}
	return 0;
}

void peers_close(struct peers *p)
{
	for (int i = 0; i < PEER_MAX; i++)
		free(p->state[i].ids);
	free(p->config);
	memset(p->state, 0, sizeof(p->state));
	p->config = NULL;
	p->config_count = 0;
}
