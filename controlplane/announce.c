// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/announce.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static bool local_valid(const struct local *l)
{
	return __atomic_load_n(&l->valid, __ATOMIC_ACQUIRE);
}

int announce_local(const struct local *locals, uint16_t port, const struct endpoint *to)
{
	int wildcard = -1;

	for (int i = 0; i < LOCAL_MAX; i++) {
		const struct local *l = &locals[i];

		if (!local_valid(l) || (port ? l->at.port != port : l->extra != 0))
			continue;
		if (endpoint_is_unspecified(&l->at)) {
			// [::] carries both families.
			if (wildcard < 0 && (!endpoint_is_v4(&l->at) || endpoint_is_v4(to)))
				wildcard = i;
		} else if (wildcard < 0 && endpoint_is_v4(&l->at) == endpoint_is_v4(to)) {
			return i;
		}
	}
	return wildcard;
}

// One shard for each distinct extra port, behind that of the port we serve.
static void find_shards(struct announce *a)
{
	if (a->shard_count == 0)
		a->shard_count = 1;
	for (int i = 0; i < LOCAL_MAX; i++) {
		const struct local *l = &a->locals[i];
		unsigned s = 1;

		if (!local_valid(l) || !l->extra)
			continue;
		while (s < a->shard_count && a->shards[s].port != l->at.port)
			s++;
		if (s == a->shard_count && s < SHARD_MAX)
			a->shards[a->shard_count++].port = l->at.port;
	}
}

int announce_open(struct announce *a, const struct local *locals, const struct node_table *nodes)
{
	*a = (struct announce){
	    .locals = locals, .nodes = nodes, .index_count = nodes->index_max + 1};
	a->positions = mmap(NULL, a->index_count * sizeof(uint32_t), PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	a->message = malloc(UDP_PAYLOAD_MAX);
	if (a->positions == MAP_FAILED || !a->message) {
		if (a->positions == MAP_FAILED)
			a->positions = NULL;
		announce_close(a);
		return -ENOMEM;
	}
	find_shards(a);
	return 0;
}

void announce_close(struct announce *a)
{
	if (a->positions)
		munmap(a->positions, a->index_count * sizeof(uint32_t));
	for (unsigned s = 0; s < SHARD_MAX; s++) {
		free(a->shards[s].ids);
		free(a->indexes[s]);
	}
	free(a->targets);
	free(a->message);
	*a = (struct announce){0};
}

int announce_set_targets(struct announce *a, const struct endpoint *at, unsigned count)
{
	struct announce_target *fresh = calloc(count ? count : 1, sizeof(*fresh));

	if (!fresh)
		return -ENOMEM;
	for (unsigned i = 0; i < count; i++) {
		fresh[i].at = at[i];
		for (unsigned k = 0; k < a->target_count; k++)
			if (endpoint_equal(&a->targets[k].at, &at[i]))
				fresh[i] = a->targets[k];
	}
	free(a->targets);
	a->targets = fresh;
	a->target_count = count;
	return 0;
}

static bool shard_reserve(struct announce *a, unsigned s)
{
	struct announce_shard *shard = &a->shards[s];
	uint32_t size = shard->size ? 2 * shard->size : 256;
	uint32_t *ids, *indexes;

	if (shard->count < shard->size)
		return true;
	if (size > BEACON_SYNC_MAX)
		size = BEACON_SYNC_MAX;
	ids = realloc(shard->ids, size * sizeof(*ids));
	if (ids)
		shard->ids = ids;
	indexes = realloc(a->indexes[s], size * sizeof(*indexes));
	if (indexes)
		a->indexes[s] = indexes;
	if (!ids || !indexes)
		return false;
	shard->size = size;
	return true;
}

static void shard_changed(struct announce_shard *s, uint64_t now_ns)
{
	if (!s->dirty_ns)
		s->dirty_ns = now_ns;
}

static void place(struct announce *a, unsigned s, uint32_t at, uint32_t id, uint32_t index)
{
	a->shards[s].ids[at] = id;
	a->indexes[s][at] = index;
	a->positions[index] = s * BEACON_SYNC_MAX + at + 1;
}

// All shards are full.
static bool take_place(struct announce *a, uint32_t id, uint32_t index, uint64_t now_ns)
{
	const uint32_t places = a->shard_count * BEACON_SYNC_MAX;
	enum standing standing = node_standing(a->nodes, index);
	struct announce_seek *seek = &a->seeks[standing];

	for (unsigned i = 0; i < ANNOUNCE_LOOKS && seek->looked < places; i++) {
		unsigned s = seek->next / BEACON_SYNC_MAX;
		uint32_t at = seek->next % BEACON_SYNC_MAX, holder = a->indexes[s][at];

		seek->looked++;
		seek->next = (seek->next + 1) % places;
		if (node_standing(a->nodes, holder) >= standing)
			continue;
		a->positions[holder] = 0;
		place(a, s, at, id, index);
		shard_changed(&a->shards[s], now_ns);
		return true;
	}
	return false;
}

static bool append(struct announce *a, unsigned s, uint32_t id, uint32_t index, uint64_t now_ns)
{
	struct announce_shard *shard = &a->shards[s];

	if (!shard_reserve(a, s))
		return false;
	place(a, s, shard->count++, id, index);
	shard->used = true;
	shard_changed(shard, now_ns);
	return true;
}

void announce_add(struct announce *a, uint32_t id, uint32_t index, uint64_t now_ns)
{
	unsigned s = 0;

	if (index >= a->index_count || a->positions[index])
		return;
	while (s < a->shard_count && a->shards[s].count == BEACON_SYNC_MAX)
		s++;
	if (s < a->shard_count ? !append(a, s, id, index, now_ns)
			       : !take_place(a, id, index, now_ns))
		a->unplaced++;
}

void announce_remove(struct announce *a, uint32_t index, uint64_t now_ns)
{
	struct announce_shard *shard;
	uint32_t at, last;
	unsigned s;

	if (index >= a->index_count || !a->positions[index])
		return;
	s = (a->positions[index] - 1) / BEACON_SYNC_MAX;
	at = (a->positions[index] - 1) % BEACON_SYNC_MAX;
	shard = &a->shards[s];
	last = --shard->count;
	place(a, s, at, shard->ids[last], a->indexes[s][last]);
	a->positions[index] = 0;
	shard_changed(shard, now_ns);
}

// Large shards pause longer between early Syncs: 64 KiB each time would be no small thing.
static uint64_t shard_pause(const struct announce_shard *s)
{
	uint64_t ms = s->count / 16;

	return (ms > ANNOUNCE_DEBOUNCE_MS ? ms : ANNOUNCE_DEBOUNCE_MS) * NS_PER_MS;
}

static void mark_pending(struct announce *a, uint64_t shards)
{
	for (unsigned t = 0; t < a->target_count; t++)
		a->targets[t].pending |= shards;
}

static uint64_t shards_used(const struct announce *a)
{
	uint64_t bits = 1;

	for (unsigned s = 1; s < a->shard_count; s++)
		bits |= (uint64_t)a->shards[s].used << s;
	return bits;
}

static void mark_due(struct announce *a, uint64_t now_ns)
{
	uint64_t used = shards_used(a), early = 0;

	for (unsigned s = 0; s < a->shard_count; s++) {
		struct announce_shard *shard = &a->shards[s];

		if (!shard->dirty_ns ||
		    now_ns - shard->dirty_ns < ANNOUNCE_DEBOUNCE_MS * NS_PER_MS ||
		    (shard->sent_ns && now_ns - shard->sent_ns < shard_pause(shard)))
			continue;
		shard->dirty_ns = 0;
		shard->sent_ns = now_ns;
		early |= 1ULL << s;
	}
	mark_pending(a, early);
	for (unsigned t = 0; t < a->target_count; t++)
		if (now_ns >= a->targets[t].next_ns) {
			a->targets[t].pending |= used;
			a->targets[t].next_ns = now_ns + a->interval_ns;
		}
}

// 0, or -EAGAIN when the ring is full.
static int send_sync(struct announce *a, struct announce_target *t, unsigned s, uint64_t now_ns)
{
	const struct announce_shard *shard = &a->shards[s];
	int local = announce_local(a->locals, shard->port, &t->at);
	int n =
	    beacon_sync_build(a->message, UDP_PAYLOAD_MAX, a->beacon_id, shard->ids, shard->count);

	if (local < 0 || n < 0) {
		log_warn("cannot gossip: no local address of that family", kv("port", shard->port),
		    kv("ipv4", endpoint_is_v4(&t->at)));
		return 0;
	}
	if (emit(&a->emit, &t->at, (uint8_t)local, a->message, (size_t)n) != 0)
		return -EAGAIN;
	t->sent_ns = now_ns;
	a->stats->n[CP_SYNC_SENT]++;
	return 0;
}

static void report_unplaced(struct announce *a)
{
	a->stats->n[CP_SYNC_UNANNOUNCED] = a->unplaced;
	if (a->unplaced && a->target_count)
		log_warn("nodes are not gossiped: no source port has room for them, set "
			 "gossip.extra-ports",
		    kv("nodes", a->unplaced), kv("ports", a->shard_count));
	a->unplaced = 0;
}

void announce_tick(struct announce *a, uint64_t now_ns)
{
	unsigned left = ANNOUNCE_PER_TICK;

	if (!a->ready)
		return;
	find_shards(a);
	mark_due(a, now_ns);
	for (unsigned i = 0; i < a->target_count; i++) {
		struct announce_target *t = &a->targets[i];

		for (; t->pending && left; left--) {
			unsigned s = (unsigned)__builtin_ctzll(t->pending);

			if (send_sync(a, t, s, now_ns) != 0)
				return;
			t->pending &= t->pending - 1;
		}
	}
}

void announce_walked(struct announce *a)
{
	a->ready = true;
	for (unsigned i = 0; i < STANDING_COUNT; i++)
		a->seeks[i].looked = 0;
	report_unplaced(a);
}
