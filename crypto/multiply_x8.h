// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "crypto/curve_x8.h"

// s*B + h*A in each lane. Both numbers are cut into parts of 64 bits, for which the points A,
// 2^64 A, 2^128 A and 2^192 A stand: with these at hand a quarter of the doublings is left.

enum { MULTIPLY_PARTS = 4, MULTIPLY_PART_BITS = 64 };

// Signed digits of eight lanes, lowest first: of h with 4 bits, of s with 8.
struct digits {
	int64_t own[64][8], base[32][8];
};

// Once, after curve_init().
void multiply_init(void);
// Numbers of one lane, little endian. Of an `s` of 2^255 or more not all counts.
void digits_split(struct digits *d, unsigned lane, const uint8_t h[32], const uint8_t s[32]);
// Makes a[1] and those after it from a[0].
void multiply_powers(struct point a[MULTIPLY_PARTS]);
void multiply(struct point *p, const struct point a[MULTIPLY_PARTS], const struct digits *d);
