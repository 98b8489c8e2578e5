// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <stdbool.h>
#include <stdint.h>

// What was computed of the public keys that were used last: their points, with which the next
// signature takes half the time (multiply_x8.h). Bounded; memory is touched as it fills. Safe on
// every thread: its lock is held to copy an entry.

enum { KEY_POWERS = 4 };

// -A, -2^64 A, -2^128 A and -2^192 A: coordinates, little endian. y[0] is A's encoding.
struct key_powers {
	uint8_t y[KEY_POWERS][32], x[KEY_POWERS][32];
};

struct key_cache;

// `keys` is a power of two. NULL: no memory.
struct key_cache *key_cache_new(uint32_t keys);
void key_cache_free(struct key_cache *c);
// False: not known. A cache that is NULL knows none.
bool key_cache_find(struct key_cache *c, const uint8_t key[32], struct key_powers *powers);
// In place of the oldest, when full. Not for NULL.
void key_cache_add(struct key_cache *c, const struct key_powers *powers);
