// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "shm/node_word.h"

#include <assert.h>
#include <emmintrin.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>

// One node as workers see it: 16 bytes that are read and written as one atomic word (aligned
// 16-byte moves are atomic on every CPU with AVX, which memory_open checks). An entry that was
// loaded is a consistent copy; it stays usable until the worker's next quiescent state, also when
// the node is removed meanwhile.
struct node_entry {
	alignas(16) uint64_t w[2];
};

static_assert(sizeof(struct node_entry) == 16, "one atomic word");

// What the control plane remembers of a node; by node index. Writer: cp. Readers: cp, and workers
// for nothing but the key, whose change they may see half of. Times are seconds of CLOCK_MONOTONIC.
struct node_info {
	uint8_t key[32]; // Ed25519 public key, valid when has_key
	uint32_t first_seen;
	uint32_t changed_at; // the control plane last learnt or refreshed the endpoint
	uint32_t last_punch; // last punch request of or for the node, 0 = never
	uint32_t changes;    // of endpoint
	uint8_t has_key;
	uint8_t standing; // enum standing of controlplane/room.h, as of address_since
	uint8_t pad[2];
	uint32_t address_since; // when the node came to its IP address
	uint8_t rest[8];
};

static_assert(sizeof(struct node_info) == 64, "one cache line");

static inline struct node_entry node_entry_load(const struct node_entry *at)
{
	union {
		__m128i v;
		struct node_entry e;
	} u = {.v = *(const volatile __m128i *)at};

	__atomic_signal_fence(__ATOMIC_ACQUIRE);
	return u.e;
}

static inline void node_entry_store(struct node_entry *at, struct node_entry e)
{
	union {
		struct node_entry e;
		__m128i v;
	} u = {.e = e};

	__atomic_signal_fence(__ATOMIC_RELEASE);
	*(volatile __m128i *)at = u.v;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

static inline uint32_t node_entry_id(struct node_entry e)
{
	return node_word_id(e.w[0]);
}

// IPv4 address in network order as it lies in memory, IPv6 slot, or peer index, by flags.
static inline uint32_t node_entry_address(struct node_entry e)
{
	return node_word_address(e.w[0]);
}

static inline uint32_t node_entry_index(struct node_entry e)
{
	return node_word_index(e.w[1]);
}

static inline uint16_t node_entry_port(struct node_entry e)
{
	return node_word_port(e.w[1]);
}

static inline uint16_t node_entry_nexthop(struct node_entry e)
{
	return node_word_nexthop(e.w[1]);
}

static inline uint8_t node_entry_local(struct node_entry e)
{
	return node_word_local(e.w[1]);
}

static inline uint32_t node_entry_route(struct node_entry e)
{
	return node_word_route(e.w[1]);
}

static inline uint8_t node_entry_flags(struct node_entry e)
{
	return node_word_flags(e.w[1]);
}

static inline struct node_entry node_entry_keyed(struct node_entry e, bool keyed)
{
	e.w[1] &= ~((uint64_t)NODE_KEYED << NODE_FLAGS_SHIFT);
	e.w[1] |= keyed ? (uint64_t)NODE_KEYED << NODE_FLAGS_SHIFT : 0;
	return e;
}
