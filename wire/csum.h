// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Internet checksums (RFC 1071).
//
// Sums are kept in memory order: 16-bit words are added as they stand in memory, so addresses,
// ports and checksums go in and out without byte swaps (section 2, part B), and 64 bits wide until
// they are folded. A sum stands for a residue modulo 0xffff.
// Pure functions on the hot path, any thread.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

// Folds to 16 bits; 0 only when nothing but zeros was added.
static inline uint16_t csum_fold(uint64_t sum)
{
	// Adding a number to itself with its halves swapped leaves in the upper half the sum of
	// both, with the lower half's carry: the carry that this sum would have had to add.
	uint64_t wide = sum + (sum << 32 | sum >> 32);
	uint32_t half = (uint32_t)(wide >> 32);

	return (uint16_t)((half + (half << 16 | half >> 16)) >> 16);
}

// A multiple of 0xffff, as a difference below zero would be a residue modulo 2^64.
static const uint64_t CSUM_NOTHING = 0xffffULL << 32;

// A sum that takes away what `sum` (below 2^47) added.
static inline uint64_t csum_negate(uint64_t sum)
{
	return CSUM_NOTHING - sum;
}

// The sum of any two sums, also of words of eight bytes as they stand in memory: 2^64 is 1 modulo
// 0xffff.
static inline uint64_t csum_plus(uint64_t a, uint64_t b)
{
	a += b;
	return a + (a < b);
}

// Whether a sum, not zero itself, stands for zero: what it was taken of is whole.
static inline bool csum_is_nothing(uint64_t sum)
{
	return sum % 0xffff == 0;
}

// Adds len bytes, an odd last byte padded with zero. Call with chunks of even length but the last.
static inline uint64_t csum_add(uint64_t sum, const void *data, size_t len)
{
	const uint8_t *p = data;
	uint64_t high = 0;
	uint32_t four = 0;
	uint16_t two = 0, one = 0;

	for (; len >= 8; p += 8, len -= 8) {
		uint64_t w;
		memcpy(&w, p, sizeof(w));
		sum += (uint32_t)w;
		high += w >> 32;
	}
	if (len & 4) {
		memcpy(&four, p, sizeof(four));
		p += sizeof(four);
	}
	if (len & 2) {
		memcpy(&two, p, sizeof(two));
		p += sizeof(two);
	}
	if (len & 1)
		memcpy(&one, p, 1);
	return sum + high + four + two + one;
}
