// SPDX-License-Identifier: BSD-3-Clause
#include "shm/node_table.h"

#include "shm/node_chain.h"
#include "shm/pages.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

enum { PAGE = 4096, WALK_TRIES = 1000 };

static uint64_t round_up(uint64_t n)
{
	return (n + PAGE - 1) & ~(uint64_t)(PAGE - 1);
}

// The sizes and offsets that a capacity gives; total is the size of the region.
static void table_plan(struct node_table_header *h, uint32_t capacity, uint64_t *total)
{
	uint64_t at = round_up(sizeof(*h));

	memset(h, 0, sizeof(*h));
	h->capacity = capacity;
	h->index_max = capacity + NODE_INDEX_SLACK;
	// The table grows at one node a bucket; the rest is for when overflow buckets run out.
	h->bucket_max = capacity + capacity / 4 + BUCKETS_INITIAL;
	h->overflow_max = capacity / 4 + BUCKETS_INITIAL;
	h->v6_max = capacity + capacity / 8 + NODE_INDEX_SLACK;
	h->buckets = at;
	at += round_up((uint64_t)h->bucket_max * sizeof(struct node_bucket));
	h->overflow = at;
	at += round_up((h->overflow_max + 1ULL) * sizeof(struct node_bucket));
	h->v6 = at;
	at += round_up((h->v6_max + 1ULL) * 16);
	h->last_seen = at;
	at += round_up((h->index_max + 1ULL) * sizeof(uint32_t));
	h->info = at;
	at += round_up((h->index_max + 1ULL) * sizeof(struct node_info));
	*total = at;
}

uint64_t node_table_size(uint32_t capacity)
{
	struct node_table_header h;
	uint64_t total;

	if (capacity == 0 || capacity > NODE_CAPACITY_MAX)
		return 0;
	table_plan(&h, capacity, &total);
	return total;
}

int node_table_format(void *region, uint64_t size, uint32_t capacity)
{
	struct node_table_header h;
	uint64_t total = node_table_size(capacity);

	if (total == 0 || total > size)
		return -EINVAL;
	table_plan(&h, capacity, &total);
	h.state = BUCKETS_INITIAL;
	if (getrandom(h.hash_key, sizeof(h.hash_key), 0) != sizeof(h.hash_key))
		return -EIO;
	memcpy(region, &h, sizeof(h));
	return 0;
}

int node_table_open(struct node_table *t, void *region, uint64_t size)
{
	struct node_table_header *h = region;
	struct node_table_header plan, seen;
	uint8_t *base = region;
	uint64_t total;

	if (size < sizeof(*h))
		return -EINVAL;
	memcpy(&seen, h, sizeof(seen));
	if (seen.capacity == 0 || seen.capacity > NODE_CAPACITY_MAX)
		return -EINVAL;
	table_plan(&plan, seen.capacity, &total);
	memcpy(plan.hash_key, seen.hash_key, sizeof(plan.hash_key));
	if (total > size || memcmp(&plan, &seen, offsetof(struct node_table_header, state)) != 0)
		return -EINVAL;
	if ((uint32_t)seen.state < BUCKETS_INITIAL || (uint32_t)seen.state > plan.bucket_max)
		return -EINVAL;
	*t = (struct node_table){
	    .header = h,
	    .buckets = (struct node_bucket *)(base + plan.buckets),
	    .overflow = (struct node_bucket *)(base + plan.overflow),
	    .v6 = (uint8_t(*)[16])(base + plan.v6),
	    .last_seen = (uint32_t *)(base + plan.last_seen),
	    .info = (struct node_info *)(base + plan.info),
	    .capacity = plan.capacity,
	    .index_max = plan.index_max,
	    .bucket_max = plan.bucket_max,
	    .overflow_max = plan.overflow_max,
	    .v6_max = plan.v6_max,
	};
	memcpy(t->hash_key, plan.hash_key, sizeof(t->hash_key));
	return 0;
}

bool node_table_endpoint(const struct node_table *t, struct node_entry e, struct endpoint *out)
{
	uint8_t flags = node_entry_flags(e);
	const uint8_t *v6;

	if (flags & NODE_REMOTE)
		return false;
	if (!(flags & NODE_V6)) {
		*out = endpoint_from_v4(node_entry_address(e), node_entry_port(e));
		return true;
	}
	v6 = node_table_v6(t, e);
	if (!v6)
		return false;
	*out = endpoint_from_v6(v6, node_entry_port(e));
	return true;
}

bool node_table_is_at(const struct node_table *t, struct node_entry e, const struct endpoint *at)
{
	struct endpoint known;

	return node_entry_id(e) && node_table_endpoint(t, e, &known) && endpoint_equal(&known, at);
}

uint64_t node_array_place(const struct node_table *t, enum node_array array, uint8_t **at)
{
	switch (array) {
	case NODE_ARRAY_BUCKETS:
		*at = (uint8_t *)t->buckets;
		return t->bucket_max * sizeof(*t->buckets);
	case NODE_ARRAY_OVERFLOW:
		*at = (uint8_t *)t->overflow;
		return (t->overflow_max + 1ULL) * sizeof(*t->overflow);
	case NODE_ARRAY_V6:
		*at = (uint8_t *)t->v6;
		return (t->v6_max + 1ULL) * sizeof(*t->v6);
	case NODE_ARRAY_SEEN:
		*at = (uint8_t *)t->last_seen;
		return (t->index_max + 1ULL) * sizeof(*t->last_seen);
	default:
		*at = (uint8_t *)t->info;
		return (t->index_max + 1ULL) * sizeof(*t->info);
	}
}

void node_table_follow(const struct node_table *t, struct node_mapped *mapped)
{
	for (enum node_array a = 0; a < NODE_ARRAY_INFO; a++) { // workers hardly read node_info
		uint64_t ready = __atomic_load_n(&t->header->ready[a], __ATOMIC_ACQUIRE);
		uint64_t *done = &mapped->bytes[a], size;
		uint8_t *at;

		size = node_array_place(t, a, &at);
		ready = ready < size ? ready : size;
		if (ready <= *done)
			continue;
		pages_ready(at + *done, ready - *done, false);
		*done = ready;
	}
}

static uint32_t reverse_bits(uint32_t v)
{
	v = (v >> 1 & 0x55555555) | (v & 0x55555555) << 1;
	v = (v >> 2 & 0x33333333) | (v & 0x33333333) << 2;
	v = (v >> 4 & 0x0f0f0f0f) | (v & 0x0f0f0f0f) << 4;
	return __builtin_bswap32(v);
}

struct walk_item {
	uint32_t order; // bit-reversed hash
	struct node_entry e;
};

// The entries of a bucket's chain from `from` on, in order.
static unsigned walk_bucket(
    const struct node_table *t, uint32_t bucket, uint32_t from, struct walk_item *items)
{
	struct node_chain chain;
	unsigned n = 0;

	node_chain_load(&chain, t, bucket);
	for (unsigned i = 0; i < chain.count * BUCKET_ENTRIES; i++) {
		struct node_entry e = node_entry_load(node_chain_slot(&chain, i));
		uint32_t order = reverse_bits(node_hash(t->hash_key, node_entry_id(e)));
		unsigned at = n;

		if (node_entry_id(e) == 0 || order < from)
			continue;
		while (at && items[at - 1].order > order) {
			items[at] = items[at - 1];
			at--;
		}
		items[at] = (struct walk_item){.order = order, .e = e};
		n++;
	}
	return n;
}

// Orders that fall into a bucket, a power of two.
static uint64_t bucket_span(uint32_t bucket, uint32_t buckets)
{
	unsigned level = 31 - (unsigned)__builtin_clz(buckets);
	uint32_t low = 1U << level;

	return 1ULL << (32 - level - (bucket >= low || bucket < buckets - low));
}

unsigned node_table_walk(
    const struct node_table *t, uint64_t *cursor, struct node_entry *out, unsigned max)
{
	struct walk_item items[NODE_CHAIN_ENTRIES];
	uint64_t pos = *cursor;
	unsigned count = 0, tries = 0;

	for (unsigned looked = 0; looked < max && count < max && pos < NODE_CURSOR_END;) {
		uint64_t state = node_table_state(t);
		uint32_t buckets = node_state_buckets(t, state);
		uint32_t bucket = node_bucket_of(reverse_bits((uint32_t)pos), buckets);
		uint64_t span = bucket_span(bucket, buckets);
		unsigned n = walk_bucket(t, bucket, (uint32_t)pos, items);

		if (node_table_state(t) != state && ++tries < WALK_TRIES)
			continue;
		pos = (pos & ~(span - 1)) + span;
		for (unsigned i = 0; i < n; i++) {
			if (i && items[i].order == items[i - 1].order)
				continue;
			if (count == max) {
				pos = items[i].order;
				break;
			}
			out[count++] = items[i].e;
		}
		looked++;
	}
	*cursor = pos;
	return count;
}
