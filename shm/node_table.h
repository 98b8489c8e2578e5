// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "shm/node_entry.h"
#include "wire/endpoint.h"

#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Node id -> entry. Linear hashing (Litwin 1980): the table grows by splitting one bucket at a
// time, so no insert ever moves more than one bucket's entries, and memory follows the number of
// nodes. Bucket = one cache line of three entries; what does not fit hangs in overflow buckets.
//
// Readers never wait. The writer (control plane, shm/node_writer.h) moves an entry by writing
// the copy, then storing `state` with a new version, then clearing the original: a reader that
// misses and finds `state` unchanged knows that the id is not there; else it looks again.

enum {
	NODE_CAPACITY_MAX = NODE_INDEX_MAX - 4096,
	NODE_INDEX_SLACK = 4096, // indexes beyond the capacity, for those that wait for reuse
	BUCKET_ENTRIES = 3,
	BUCKETS_INITIAL = 64,
	CHAIN_MAX = 8,	     // overflow buckets behind one bucket
	NODE_FIND_TRIES = 4, // looks at a table whose state changes under the reader
	SEEN_SPAN_S = 8
};

struct node_bucket {
	uint32_t overflow; // index of the next bucket of the chain, 0 = last
	// workers: the span of SEEN_SPAN_S in which a sign of life of the node in each entry went
	// to last_seen. It stands here because the line is at hand; it is written once a span.
	uint32_t seen[BUCKET_ENTRIES];
	struct node_entry entries[BUCKET_ENTRIES];
};

static_assert(sizeof(struct node_bucket) == 64, "one cache line");
static_assert(offsetof(struct node_bucket, entries) % 16 == 0, "entries are atomic words");
// From an entry's offset in the line to that of its mark.
enum { NODE_SEEN_STEP = sizeof(struct node_entry) / sizeof(uint32_t) };
static_assert(
    offsetof(struct node_bucket, entries) == NODE_SEEN_STEP * offsetof(struct node_bucket, seen),
    "entries and their marks begin at offsets of one ratio");

enum node_array {
	NODE_ARRAY_BUCKETS,
	NODE_ARRAY_OVERFLOW,
	NODE_ARRAY_V6,
	NODE_ARRAY_SEEN,
	NODE_ARRAY_INFO,
	NODE_ARRAYS
};

// At the start of the nodes region; sizes are counts of elements. Writer of the first part: dp when
// the memory is new. Offsets in bytes from the start of the region, multiples of 4096.
struct node_table_header {
	uint32_t capacity;
	uint32_t index_max; // highest node index; arrays by index hold index_max + 1
	uint32_t bucket_max, overflow_max, v6_max;
	uint32_t hash_key[4]; // random, so that nobody can choose ids that collide
	uint64_t buckets, overflow, v6, last_seen, info;
	// cp: bits 0-31 number of buckets, 32-63 version
	alignas(64) uint64_t state;
	// cp: for display
	alignas(64) uint64_t node_count; // local and remote
	uint64_t remote_count;
	uint32_t huge_pages, huge_missed; // taken, and refused by the kernel, since this cp started
	// cp: bytes at the start of each array that have memory; goes ahead of what is in use
	uint64_t ready[NODE_ARRAYS];
};

static_assert(offsetof(struct node_table_header, state) % 64 == 0, "read at every look-up");
static_assert(offsetof(struct node_table_header, node_count) % 64 == 0, "written at every change");

// A process's own view with checked sizes. Copyable.
struct node_table {
	struct node_table_header *header;
	struct node_bucket *buckets;
	struct node_bucket *overflow;
	uint8_t (*v6)[16];	// IPv6 addresses in network order
	uint32_t *last_seen;	// seconds of CLOCK_MONOTONIC. Writer: workers
	struct node_info *info; // Writer: cp
	// Signs of life seen by the XDP program that relays; NULL: there is none.
	const struct kernel_state *kernel;
	uint32_t capacity, index_max, bucket_max, overflow_max, v6_max;
	uint32_t hash_key[4];
};

// Bytes of a nodes region, a multiple of 4096; 0 when the capacity is out of range.
uint64_t node_table_size(uint32_t capacity);
// Writes the header of an empty table into zeroed memory. 0 or -EINVAL.
int node_table_format(void *region, uint64_t size, uint32_t capacity);
// Checks the header against the size. 0 or -EINVAL.
int node_table_open(struct node_table *t, void *region, uint64_t size);

// Walks all nodes, a slice at a time, in the order of bit-reversed hashes: nodes that are there
// during the whole walk are seen exactly once, whatever is inserted, removed or split between two
// calls. Start with *cursor = 0 and go on until it is NODE_CURSOR_END; a call looks at `max`
// buckets at most, so it may fill in nothing before the end. Returns how many entries are in out.
// Any process may walk; a cursor may be kept and passed on as a number.
#define NODE_CURSOR_END (1ULL << 32)
unsigned node_table_walk(
    const struct node_table *t, uint64_t *cursor, struct node_entry *out, unsigned max);

// How much of each array a process has mapped.
struct node_mapped {
	uint64_t bytes[NODE_ARRAYS];
};

// Maps what has got memory since the last time, so that no look-up waits for the kernel. Starts
// with zeroes. Any process, any thread; the data plane does it when the writer says so. With huge
// pages that is NODES_AHEAD new nodes before their use: 27 ms at 300,000 a second.
enum { NODES_AHEAD = 8192 };
void node_table_follow(const struct node_table *t, struct node_mapped *mapped);

// Where an array lies and how many bytes it has.
uint64_t node_array_place(const struct node_table *t, enum node_array array, uint8_t **at);

// The IPv6 address of an entry with NODE_V6 that is not REMOTE; NULL: it points outside the table.
static inline const uint8_t *node_table_v6(const struct node_table *t, struct node_entry e)
{
	uint32_t slot = node_entry_address(e);

	return slot <= t->v6_max ? t->v6[slot] : NULL;
}

// Where the node is reached. False: REMOTE, or the entry points outside the table.
bool node_table_endpoint(const struct node_table *t, struct node_entry e, struct endpoint *out);
// Whether it is reached there, at that address and port. False for an empty entry, too.
bool node_table_is_at(const struct node_table *t, struct node_entry e, const struct endpoint *at);

// More than half full: room may become scarce. For everybody.
static inline bool node_table_crowded(const struct node_table *t)
{
	return __atomic_load_n(&t->header->node_count, __ATOMIC_RELAXED) > t->capacity / 2;
}

// Whether NODE_KEYED belongs to the entry. For the writer.
static inline bool node_is_keyed(const struct node_table *t, struct node_entry e)
{
	return !(node_entry_flags(e) & NODE_REMOTE) && t->info[node_entry_index(e)].has_key;
}

// The bucket of a hash in a table of n >= 1 buckets.
static inline uint32_t node_bucket_of(uint32_t hash, uint32_t n)
{
	uint32_t low = (1U << (31 - __builtin_clz(n))) - 1;
	uint32_t b = hash & (low << 1 | 1);

	return b < n ? b : b & low;
}

static inline uint64_t node_table_state(const struct node_table *t)
{
	return __atomic_load_n(&t->header->state, __ATOMIC_ACQUIRE);
}

// Number of buckets in a state, within the table whatever the word says.
static inline uint32_t node_state_buckets(const struct node_table *t, uint64_t state)
{
	uint32_t n = (uint32_t)state;

	return n - 1 < t->bucket_max ? n : 1;
}

// Where in a bucket an id would be: its entry if it has one. Without branches, because which entry
// it is cannot be predicted. An entry that is being moved within the bucket is there twice for a
// moment, with the same bits.
static inline struct node_entry *node_bucket_slot(struct node_bucket *b, uint32_t id)
{
	struct node_entry *at = &b->entries[0];

	at = node_entry_id(b->entries[1]) == id ? &b->entries[1] : at;
	return node_entry_id(b->entries[2]) == id ? &b->entries[2] : at;
}

// Index of the next bucket of a chain, 0 at its end; within the table whatever the word says.
static inline uint32_t node_bucket_overflow(const struct node_table *t, const struct node_bucket *b)
{
	uint32_t next = __atomic_load_n(&b->overflow, __ATOMIC_ACQUIRE);

	return next <= t->overflow_max ? next : 0;
}

// The next bucket of a chain, NULL at its end.
static inline struct node_bucket *node_bucket_next(
    const struct node_table *t, const struct node_bucket *b)
{
	uint32_t next = node_bucket_overflow(t, b);

	return next ? &t->overflow[next] : NULL;
}

// One look at one state: true when found.
static inline bool node_chain_find(
    const struct node_table *t, struct node_bucket *b, uint32_t id, struct node_entry *out)
{
	for (unsigned i = 0; i <= CHAIN_MAX && b; i++, b = node_bucket_next(t, b)) {
		*out = node_entry_load(node_bucket_slot(b, id));
		if (node_entry_id(*out) == id)
			return true;
	}
	*out = (struct node_entry){0};
	return false;
}

// Copies the entry of a node. For single look-ups; workers use dataplane/table/lookup.h. Between
// two quiescent states, or in the writer's thread.
static inline bool node_table_find(const struct node_table *t, uint32_t id, struct node_entry *out)
{
	uint64_t state = node_table_state(t);
	uint32_t hash = node_hash(t->hash_key, id);

	for (int i = 0; i < NODE_FIND_TRIES && id; i++) {
		uint32_t n = node_state_buckets(t, state);
		uint64_t seen = state;

		if (node_chain_find(t, &t->buckets[node_bucket_of(hash, n)], id, out))
			return true;
		state = node_table_state(t);
		if (state == seen)
			return false;
	}
	return false;
}

// Worker: whether a sign of life of the node whose entry it found there is the first in this span
// (seconds of CLOCK_MONOTONIC / SEEN_SPAN_S). When the entry has moved since, another's mark is
// read or set: a sign of life that comes a span late.
static inline bool node_entry_unseen(struct node_entry *entry, uint32_t span)
{
	uintptr_t in = (uintptr_t)entry % sizeof(struct node_bucket);
	uintptr_t bucket = (uintptr_t)entry & -sizeof(struct node_bucket);
	// NOLINTNEXTLINE(performance-no-int-to-ptr)
	uint32_t *at = (uint32_t *)(bucket + in / NODE_SEEN_STEP);

	if (__atomic_load_n(at, __ATOMIC_RELAXED) == span)
		return false;
	__atomic_store_n(at, span, __ATOMIC_RELAXED);
	return true;
}

// Where a node's sign of life is written, within the array whatever the entry says.
static inline uint32_t *node_table_seen_at(const struct node_table *t, struct node_entry e)
{
	uint32_t index = node_entry_index(e);

	return &t->last_seen[index <= t->index_max ? index : 0];
}

// Worker: a sign of life. Written only when it changes by SEEN_SPAN_S or more, so that the line
// stays shared among the workers.
static inline void node_table_seen(const struct node_table *t, struct node_entry e, uint32_t now_s)
{
	uint32_t *at = node_table_seen_at(t, e);

	if ((int32_t)(now_s - __atomic_load_n(at, __ATOMIC_RELAXED)) >= SEEN_SPAN_S)
		__atomic_store_n(at, now_s, __ATOMIC_RELAXED);
}
