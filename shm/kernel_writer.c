// SPDX-License-Identifier: BSD-3-Clause
#include "shm/kernel_writer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { WALK_BATCH = 64, TTL_DEFAULT = 64 };

static_assert(sizeof(struct kernel_bucket) == sizeof(struct node_bucket) &&
		  offsetof(struct kernel_bucket, entries) == offsetof(struct node_bucket, entries),
    "buckets of both tables hold entries alike");

static struct node_entry *entry_at(struct kernel_bucket *b, unsigned i)
{
	return (struct node_entry *)&b->entries[i];
}

static bool is_overflow(const struct kernel_memory *k, uint32_t index)
{
	return index >= k->sizes.buckets && index < k->sizes.buckets_total;
}

// The buckets of a chain, first to last.
struct chain {
	struct kernel_bucket *at[KERNEL_CHAIN_MAX + 1];
	unsigned count;
};

static struct chain chain_load(const struct kernel_memory *k, uint32_t bucket)
{
	struct chain c = {.count = 0};
	uint32_t next = bucket;

	do {
		c.at[c.count++] = &k->nodes[next];
		next = k->nodes[next].overflow;
	} while (is_overflow(k, next) && c.count <= KERNEL_CHAIN_MAX);
	return c;
}

static struct chain chain_of(const struct kernel_writer *w, uint32_t id)
{
	uint32_t hash = node_hash(w->table->hash_key, id);

	return chain_load(w->memory, kernel_bucket_of(hash, w->memory->sizes.buckets));
}

// The place of an id, 0 = the first free one; NULL when there is none.
static struct node_entry *chain_find(const struct chain *c, uint32_t id)
{
	for (unsigned i = 0; i < c->count * KERNEL_BUCKET_ENTRIES; i++) {
		struct node_entry *e =
		    entry_at(c->at[i / KERNEL_BUCKET_ENTRIES], i % KERNEL_BUCKET_ENTRIES);

		if (node_entry_id(*e) == id)
			return e;
	}
	return NULL;
}

// The address is in its slot before the entry leads there.
static void entry_write(struct kernel_writer *w, struct node_entry *at, struct node_entry e)
{
	uint32_t slot = node_entry_address(e);

	if (node_entry_flags(e) & NODE_V6 && slot <= w->memory->sizes.v6_max)
		memcpy(w->memory->v6[slot].words, w->table->v6[slot], 16);
	node_entry_store(at, e);
}

// 0: there is none left.
static uint32_t overflow_take(struct kernel_writer *w)
{
	if (w->free_count)
		return w->free[--w->free_count];
	return is_overflow(w->memory, w->next) ? w->next++ : 0;
}

// Hangs a new bucket with the entry behind a chain.
static bool chain_extend(struct kernel_writer *w, struct chain *c, struct node_entry e)
{
	struct kernel_bucket *b;
	uint32_t index;

	if (c->count > KERNEL_CHAIN_MAX)
		return false;
	index = overflow_take(w);
	if (index == 0)
		return false;
	b = &w->memory->nodes[index];
	memset(b, 0, sizeof(*b));
	entry_write(w, entry_at(b, 0), e);
	__atomic_store_n(&c->at[c->count - 1]->overflow, index, __ATOMIC_RELEASE);
	return true;
}

bool kernel_writer_put(struct kernel_writer *w, struct node_entry e)
{
	struct chain c = chain_of(w, node_entry_id(e));
	struct node_entry *at = chain_find(&c, node_entry_id(e));

	if (at) {
		entry_write(w, at, e);
		return true;
	}
	if (kernel_writer_is_full(w))
		return false;
	at = chain_find(&c, 0);
	if (at)
		entry_write(w, at, e);
	else if (!chain_extend(w, &c, e))
		return false;
	w->count++;
	return true;
}

static bool bucket_is_empty(struct kernel_bucket *b)
{
	for (unsigned i = 0; i < KERNEL_BUCKET_ENTRIES; i++)
		if (node_entry_id(*entry_at(b, i)))
			return false;
	return true;
}

// Takes empty buckets out of the chain. A look-up may stand in one that serves elsewhere at once:
// `moves` tells it that what it does not find may be there all the same.
static void chain_shorten(struct kernel_writer *w, const struct chain *c)
{
	for (unsigned i = c->count - 1; i > 0; i--) {
		struct kernel_bucket *b = c->at[i];

		if (!bucket_is_empty(b))
			continue;
		__atomic_store_n(
		    &w->memory->rules->moves, w->memory->rules->moves + 1, __ATOMIC_RELEASE);
		__atomic_store_n(&c->at[i - 1]->overflow, b->overflow, __ATOMIC_RELEASE);
		w->free[w->free_count++] = (uint32_t)(b - w->memory->nodes);
	}
}

bool kernel_writer_remove(struct kernel_writer *w, uint32_t id)
{
	struct chain c = chain_of(w, id);
	struct node_entry *at = chain_find(&c, id);

	if (!at)
		return false;
	node_entry_store(at, (struct node_entry){0});
	w->count--;
	chain_shorten(w, &c);
	return true;
}

bool kernel_writer_has(const struct kernel_writer *w, uint32_t id)
{
	struct chain c = chain_of(w, id);

	return id && chain_find(&c, id);
}

bool kernel_writer_next(const struct kernel_writer *w, uint64_t *cursor, struct node_entry *out)
{
	const struct kernel_memory *k = w->memory;
	uint64_t places = (uint64_t)k->sizes.buckets_total * KERNEL_BUCKET_ENTRIES;

	for (uint64_t n = 0; n < places; n++) {
		uint64_t at = (*cursor)++ % places;

		*out = *entry_at(&k->nodes[at / KERNEL_BUCKET_ENTRIES], at % KERNEL_BUCKET_ENTRIES);
		if (node_entry_id(*out))
			return true;
	}
	return false;
}

void kernel_writer_settle(struct kernel_writer *w, uint32_t total)
{
	uint32_t complete = w->count == total;

	if (w->memory->rules->complete != complete)
		__atomic_store_n(&w->memory->rules->complete, complete, __ATOMIC_RELEASE);
}

// Misses are the engine's meanwhile.
static void clear_all(struct kernel_memory *k)
{
	__atomic_store_n(&k->rules->complete, 0, __ATOMIC_SEQ_CST);
	for (uint32_t n = 0; n < k->sizes.buckets_total; n++) {
		struct kernel_bucket *b = &k->nodes[n];

		for (unsigned i = 0; i < KERNEL_BUCKET_ENTRIES; i++)
			if (node_entry_id(*entry_at(b, i)))
				node_entry_store(entry_at(b, i), (struct node_entry){0});
		if (b->overflow)
			__atomic_store_n(&b->overflow, 0, __ATOMIC_RELEASE);
	}
}

static void fill_all(struct kernel_writer *w)
{
	struct node_entry entries[WALK_BATCH];
	uint64_t cursor = 0;

	while (cursor < NODE_CURSOR_END) {
		unsigned n = node_table_walk(w->table, &cursor, entries, WALK_BATCH);

		for (unsigned i = 0; i < n; i++)
			kernel_writer_put(w, entries[i]);
	}
}

// The ids that are in the maps, as far as there is memory for them. The caller's.
static uint32_t *ids_here(const struct kernel_writer *w, uint32_t *count)
{
	uint32_t *ids = malloc(w->memory->sizes.nodes * sizeof(*ids));
	const struct kernel_bucket *b = w->memory->nodes;

	*count = 0;
	for (uint32_t n = 0; ids && n < w->memory->sizes.buckets_total; n++)
		for (unsigned i = 0; i < KERNEL_BUCKET_ENTRIES; i++) {
			uint32_t id = node_word_id(b[n].entries[i].w[0]);

			if (id && *count < w->memory->sizes.nodes)
				ids[(*count)++] = id;
		}
	return ids;
}

// With fewer places than nodes, who has one stays: an earlier writer chose them.
static void fill_again(struct kernel_writer *w)
{
	uint32_t count, *ids = ids_here(w, &count);
	struct node_entry e;

	clear_all(w->memory);
	for (uint32_t i = 0; ids && i < count; i++)
		if (node_table_find(w->table, ids[i], &e))
			kernel_writer_put(w, e);
	free(ids);
	fill_all(w);
}

int kernel_writer_open(struct kernel_writer *w, struct node_writer *nodes)
{
	const struct memory *m = nodes->memory;
	const struct kernel_sizes *s = &m->kernel->sizes;

	*w = (struct kernel_writer){.memory = m->kernel, .table = &m->nodes, .next = s->buckets};
	w->free = calloc(s->buckets_total - s->buckets, sizeof(*w->free));
	if (!w->free)
		return -ENOMEM;
	for (unsigned i = 0; i < NEXTHOP_MAX; i++)
		kernel_nexthop_write(m->kernel, (uint16_t)i, m->nexthops[i]);
	for (unsigned i = 0; i < PEER_MAX; i++)
		if (m->peers[i].valid)
			kernel_peer_add(m->kernel, &m->peers[i].at);
	fill_again(w);
	nodes->kernel = w;
	kernel_writer_settle(w, nodes->node_count);
	return 0;
}

void kernel_writer_close(struct kernel_writer *w)
{
	free(w->free);
	*w = (struct kernel_writer){.memory = NULL};
}

void kernel_peer_add(struct kernel_memory *k, const struct endpoint *at)
{
	uint32_t words[4], bit;

	memcpy(words, at->addr, sizeof(words));
	bit = kernel_peer_bit(words);
	__atomic_fetch_or(&k->rules->peers[bit / 64], 1ULL << bit % 64, __ATOMIC_SEQ_CST);
}

static void store(uint32_t *at, uint64_t value)
{
	__atomic_store_n(at, (uint32_t)value, __ATOMIC_RELAXED);
}

static void limit_write(struct rate_limit *to, uint64_t rate, uint64_t burst)
{
	struct rate_limit l;

	if (rate_limit_is(to, rate, burst))
		return;
	rate_limit_set(&l, rate, burst);
	__atomic_store_n(&to->interval_ns, l.interval_ns, __ATOMIC_RELAXED);
	__atomic_store_n(&to->slack_ns, l.slack_ns, __ATOMIC_RELAXED);
	to->rate = rate;
	to->burst = burst;
}

void kernel_rules_write(struct kernel_memory *k, const struct relay_settings *set)
{
	struct kernel_rules *r = k->rules;

	store(&r->sender_check, set->sender_check);
	store(&r->ttl, set->ttl - 1 < 255 ? set->ttl : TTL_DEFAULT);
	store(&r->trace_node, set->trace_node);
	store(&r->trace_on, set->trace_on);
	limit_write(&r->sender, set->sender_rate, set->sender_burst);
	__atomic_store_n(&r->on, 1, __ATOMIC_RELEASE);
}
