// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <stdint.h>

// xorshift64*: fast, seeded, good enough to choose flows and to fill garbage. The state must not
// be 0.
static inline uint64_t random_next(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545F4914F6CDD1DULL;
}
