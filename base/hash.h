// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <stdint.h>
#include <string.h>

// Where numbers and addresses stand in a table. Every bit of the result is as good as another, so
// take what is needed with % or >>. `key` is a secret of the table where strangers choose what is
// put into it or looked for, who could else aim at one place; 0 where only the kernel or an
// administrator does. Not for what leaves the process or outlives it.

// The finalizer of SplitMix64 (Steele, Lea, Flood 2014): no two numbers have the same hash.
static inline uint64_t hash_number(uint64_t key, uint64_t number)
{
	uint64_t x = number ^ key;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
	return x ^ x >> 31;
}

static inline uint64_t hash_numbers(uint64_t key, uint64_t first, uint64_t second)
{
	return hash_number(hash_number(key, first), second);
}

// An address as struct endpoint holds it, and what it belongs to: an interface, a length.
static inline uint64_t hash_address(uint64_t key, const uint8_t addr[16], uint64_t beside)
{
	uint64_t half[2];

	memcpy(half, addr, sizeof(half));
	return hash_numbers(hash_number(key, beside), half[0], half[1]);
}
