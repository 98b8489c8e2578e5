// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
#pragma once

// What the relaying program works with (shm/kernel_layout.h), and how it finds a node there.

#include "bpf/relay_headers.h"

// The maps that all such programs share: made by the data plane, with their own numbers of
// elements.
#define SHARED_MAP(name, element)                  \
	struct {                                   \
		__uint(type, BPF_MAP_TYPE_ARRAY);  \
		__uint(map_flags, BPF_F_MMAPABLE); \
		__uint(max_entries, 1);            \
		__type(key, uint32_t);             \
		__type(value, element);            \
	} name SEC(".maps")

SHARED_MAP(places, struct kernel_places);
SHARED_MAP(rules, struct kernel_rules);
SHARED_MAP(nodes, struct kernel_bucket);
SHARED_MAP(v6, struct kernel_v6);
SHARED_MAP(states, struct kernel_state);
SHARED_MAP(nexthops, uint64_t);
SHARED_MAP(counts, struct kernel_counts);
SHARED_MAP(samples, struct kernel_samples);

// Written by user space before the program is loaded.
const volatile uint32_t hash_key[4];
const volatile uint32_t bucket_count;
const volatile uint32_t cpu_count;
const volatile uint32_t link_index;

// A node as it was found; first word 0: not there.
struct node {
	uint64_t w[2];
	struct kernel_entry *at;
};

static __always_inline void *only(void *map)
{
	uint32_t zero = 0;

	return bpf_map_lookup_elem(map, &zero);
}

static __always_inline uint64_t load_again(const uint64_t *at)
{
	return *(const volatile uint64_t *)at;
}

static __always_inline _Bool bucket_find(struct kernel_bucket *b, uint32_t id, struct node *out)
{
#pragma unroll
	for (int i = 0; i < KERNEL_BUCKET_ENTRIES; i++) {
		uint64_t first = load_again(&b->entries[i].w[0]);

		if (node_word_id(first) == id) {
			out->w[0] = first;
			out->w[1] = load_again(&b->entries[i].w[1]);
			out->at = &b->entries[i];
			return 1;
		}
	}
	return 0;
}

static __always_inline uint32_t load_flag(const uint32_t *at)
{
	return *(const volatile uint32_t *)at;
}

// 0, also for a node that is unknown; ABSENT for one that is not here and may be known, UP when the
// entry changes right now. Whether all nodes are here is asked before and after: it may come true
// with the one that was just missed, and ceases before the first one goes.
static __always_inline int node_find(const struct kernel_rules *set, uint32_t id, struct node *out)
{
	const uint32_t key[4] = {hash_key[0], hash_key[1], hash_key[2], hash_key[3]};
	uint32_t at = kernel_bucket_of(node_hash(key, id), bucket_count);
	uint32_t moves = load_flag(&set->moves), complete = load_flag(&set->complete);

	for (int i = 0; i <= KERNEL_CHAIN_MAX; i++) {
		struct kernel_bucket *b = bpf_map_lookup_elem(&nodes, &at);

		if (!b)
			break;
		if (bucket_find(b, id, out))
			return load_again(&out->at->w[0]) == out->w[0] ? 0 : UP;
		at = *(volatile uint32_t *)&b->overflow;
		if (!at)
			break;
	}
	out->w[0] = 0;
	if (load_flag(&set->moves) != moves)
		return UP;
	return complete && load_flag(&set->complete) ? 0 : ABSENT;
}

// The address of a node; for an IPv6 one false when the entry changed meanwhile.
static __always_inline _Bool node_address(const struct node *n, uint32_t words[4])
{
	uint32_t slot = node_word_address(n->w[0]);
	const struct kernel_v6 *a;

	if (!(node_word_flags(n->w[1]) & NODE_V6)) {
		words[0] = words[1] = 0;
		words[2] = bpf_htonl(0xffff);
		words[3] = slot;
		return 1;
	}
	a = bpf_map_lookup_elem(&v6, &slot);
	if (!a)
		return 0;
	for (int i = 0; i < 4; i++)
		words[i] = *(const volatile uint32_t *)&a->words[i];
	return load_again(&n->at->w[0]) == n->w[0];
}

static __always_inline _Bool same_address(const uint32_t a[4], const uint32_t b[4])
{
	return !((a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3]));
}
