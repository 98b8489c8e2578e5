// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <stdint.h>

// The two words of a node's entry and the hash of its id: shm/node_entry.h and BPF programs read
// them with the same functions. Any thread.
//
// word 0: bits 0-31 node id, 0 = empty; 32-63 address
// word 1: bits 0-23 node index, 24-39 port (host order), 40-53 next hop, 54-59 local, 60-63 flags

enum node_flags {
	NODE_V6 = 1 << 0,     // address is the index of an IPv6 slot
	NODE_REMOTE = 1 << 1, // known by a peer relay: address is the index of the peer
	NODE_CARRY = 1 << 2,  // registered with 0x08, gets 0x09
	NODE_KEYED = 1 << 3,  // node_info.has_key: no need to punt a Discover for its key
};

enum {
	NODE_PORT_SHIFT = 24,
	NODE_NEXTHOP_SHIFT = 40,
	NODE_LOCAL_SHIFT = 54,
	NODE_FLAGS_SHIFT = 60,

	NODE_INDEX_MAX = (1 << NODE_PORT_SHIFT) - 1, // index 0 is never given to a node
	NODE_NEXTHOP_MASK = (1 << (NODE_LOCAL_SHIFT - NODE_NEXTHOP_SHIFT)) - 1,
	NODE_LOCAL_MASK = (1 << (NODE_FLAGS_SHIFT - NODE_LOCAL_SHIFT)) - 1,

	// Of node_word_route(), which begins with the next hop.
	ROUTE_LOCAL_SHIFT = NODE_LOCAL_SHIFT - NODE_NEXTHOP_SHIFT,
	ROUTE_V6_SHIFT = NODE_FLAGS_SHIFT - NODE_NEXTHOP_SHIFT,
	ROUTE_MASK = (1 << (ROUTE_V6_SHIFT + 1)) - 1,
};

static inline uint32_t node_word_id(uint64_t first)
{
	return (uint32_t)first;
}

static inline uint32_t node_word_address(uint64_t first)
{
	return (uint32_t)(first >> 32);
}

static inline uint32_t node_word_index(uint64_t second)
{
	return (uint32_t)second & NODE_INDEX_MAX;
}

static inline uint16_t node_word_port(uint64_t second)
{
	return (uint16_t)(second >> NODE_PORT_SHIFT);
}

static inline uint16_t node_word_nexthop(uint64_t second)
{
	return (uint16_t)(second >> NODE_NEXTHOP_SHIFT) & NODE_NEXTHOP_MASK;
}

static inline uint8_t node_word_local(uint64_t second)
{
	return (uint8_t)(second >> NODE_LOCAL_SHIFT) & NODE_LOCAL_MASK;
}

// Next hop, local and NODE_V6, in this order from the lowest bit on: which way a datagram leaves.
static inline uint32_t node_word_route(uint64_t second)
{
	return (uint32_t)(second >> NODE_NEXTHOP_SHIFT) & ROUTE_MASK;
}

static inline uint8_t node_word_flags(uint64_t second)
{
	return (uint8_t)(second >> NODE_FLAGS_SHIFT);
}

// Bijective on 32 bits: two ids never have the same hash.
static inline uint32_t node_hash(const uint32_t key[4], uint32_t id)
{
	uint32_t h = id ^ key[0];

	h *= key[1] | 1;
	h ^= h >> 16;
	h *= key[2] | 1;
	h ^= h >> 15;
	return h ^ key[3];
}
