// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <stdint.h>

// xorshift64*: fast, seeded, good enough to choose flows and to fill garbage. The state must not
// be 0. For tests, benchmarks and the generator; what must not be guessed comes from getrandom(2).
static inline uint64_t random_next(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545F4914F6CDD1DULL;
}

// A number below n, which is not 0.
static inline uint32_t random_below(uint64_t *state, uint32_t n)
{
	return (uint32_t)((random_next(state) >> 32) * n >> 32);
}
