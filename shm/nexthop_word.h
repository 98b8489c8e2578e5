// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "shm/constants.h"

#include <stdbool.h>
#include <stdint.h>

// The way to a next hop in one atomic word, which workers and BPF programs read with the same
// functions. Any thread.
//
// bits 0-47 destination MAC, 48-55 egress index, 56 valid; 0: through the companion sock link
typedef uint64_t nexthop_word;

enum { NEXTHOP_EGRESS_SHIFT = 48, NEXTHOP_VALID_SHIFT = 56 };

// A MAC address as a number, its first byte lowest.
static inline uint64_t mac_word(const uint8_t mac[6])
{
	uint64_t word = 0;

	for (int i = 0; i < 6; i++)
		word |= (uint64_t)mac[i] << (8 * i);
	return word;
}

static inline nexthop_word nexthop_make(const uint8_t mac[6], uint8_t egress)
{
	return mac_word(mac) | (uint64_t)egress << NEXTHOP_EGRESS_SHIFT |
	       1ULL << NEXTHOP_VALID_SHIFT;
}

static inline bool nexthop_is_valid(nexthop_word word)
{
	return word >> NEXTHOP_VALID_SHIFT & 1;
}

// Within the egress table whatever the word says.
static inline uint32_t nexthop_egress(nexthop_word word)
{
	return (uint8_t)(word >> NEXTHOP_EGRESS_SHIFT) % EGRESS_MAX;
}
