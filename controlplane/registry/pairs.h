// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "controlplane/registry/index.h"

#include <stdbool.h>
#include <stdint.h>

// Trust between nodes: who has declared it for whom. A pair trusts when both have. One thread.
enum {
	PAIR_LOW = 1,  // the node with the smaller id has declared it
	PAIR_HIGH = 2, // the other one has
	PAIR_BOTH = 3,
};

struct pair {
	uint32_t low, high; // low < high; 0, 0 = not used
	uint8_t sides;
};

struct pairs {
	struct pair *at;
	uint32_t used, cap; // places ever used
	uint32_t free_head; // place + 1 of an unused one, linked through `high`
	uint32_t count;	    // pairs that trust
	uint32_t one_sided;
	struct index index;
	uint64_t secret;
};

void pairs_init(struct pairs *p);
void pairs_free(struct pairs *p);
// Sides that are declared, 0 if none.
uint8_t pairs_get(const struct pairs *p, uint32_t a, uint32_t b);
// Replaces them; 0 removes the pair. 0 or -ENOMEM. a and b differ.
int pairs_set(struct pairs *p, uint32_t a, uint32_t b, uint8_t sides);
// The bit of node a in the pair a, b.
static inline uint8_t pair_side(uint32_t a, uint32_t b)
{
	return a < b ? PAIR_LOW : PAIR_HIGH;
}
static inline bool pairs_trust(const struct pairs *p, uint32_t a, uint32_t b)
{
	return pairs_get(p, a, b) == PAIR_BOTH;
}
