// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>

// Eight elements of the field of 2^255-19 side by side, for AVX-512 IFMA: five limbs of 51 bits,
// a lane an element. Every function takes and gives limbs below 2^51 + 2^17, unless it says
// otherwise. Not constant in time where the values steer memory: for public data only.

struct field_x8 {
	__m512i limb[5];
};

#define FIELD_MASK ((1ULL << 51) - 1)

static inline struct field_x8 field_small(uint64_t v)
{
	return (struct field_x8){{_mm512_set1_epi64((long long)v)}};
}

// Any limbs below 2^63.
static inline struct field_x8 field_carry(struct field_x8 a)
{
	const __m512i mask = _mm512_set1_epi64(FIELD_MASK);
	__m512i carry[5];

	for (int i = 0; i < 5; i++) {
		carry[i] = _mm512_srli_epi64(a.limb[i], 51);
		a.limb[i] = _mm512_and_si512(a.limb[i], mask);
	}
	for (int i = 1; i < 5; i++)
		a.limb[i] = _mm512_add_epi64(a.limb[i], carry[i - 1]);
	// 19 * 2^12 and 2^51 are below 2^52
	a.limb[0] = _mm512_madd52lo_epu64(a.limb[0], carry[4], _mm512_set1_epi64(19));
	return a;
}

static inline struct field_x8 field_add(struct field_x8 a, struct field_x8 b)
{
	for (int i = 0; i < 5; i++)
		a.limb[i] = _mm512_add_epi64(a.limb[i], b.limb[i]);
	return field_carry(a);
}

// 2p - a, with limbs below 2^52.
static inline struct field_x8 field_minus(struct field_x8 a)
{
	const __m512i low = _mm512_set1_epi64((1LL << 52) - 38);
	const __m512i other = _mm512_set1_epi64((1LL << 52) - 2);

	for (int i = 0; i < 5; i++)
		a.limb[i] = _mm512_sub_epi64(i ? other : low, a.limb[i]);
	return a;
}

static inline struct field_x8 field_sub(struct field_x8 a, struct field_x8 b)
{
	return field_add(a, field_minus(b));
}

// 2a - b
static inline struct field_x8 field_twice_less(struct field_x8 a, struct field_x8 b)
{
	b = field_minus(b);
	for (int i = 0; i < 5; i++)
		b.limb[i] = _mm512_add_epi64(b.limb[i], a.limb[i]);
	return field_add(a, b);
}

// Ten limbs of a product to five.
static inline struct field_x8 field_fold(const __m512i z[10])
{
	__m512i nineteen = _mm512_set1_epi64(19);
	struct field_x8 r;

	// A number that the compiler knows it multiplies by shifts and sums, which take longer.
	__asm__("" : "+v"(nineteen));
	for (int i = 0; i < 5; i++)
		r.limb[i] = _mm512_add_epi64(z[i], _mm512_mullo_epi64(z[i + 5], nineteen));
	return field_carry(r);
}

// Limbs below 2^52. The upper halves of the limbs' products count twice their place, 2^52 being
// 2 * 2^51.
static inline struct field_x8 field_mul(struct field_x8 a, struct field_x8 b)
{
	__m512i z[10];

	for (int i = 0; i < 10; i++)
		z[i] = _mm512_setzero_si512();
	for (int i = 0; i < 5; i++)
		for (int j = 0; j < 5; j++)
			z[i + j + 1] = _mm512_madd52hi_epu64(z[i + j + 1], a.limb[i], b.limb[j]);
	for (int i = 1; i < 10; i++)
		z[i] = _mm512_slli_epi64(z[i], 1);
	for (int i = 0; i < 5; i++)
		for (int j = 0; j < 5; j++)
			z[i + j] = _mm512_madd52lo_epu64(z[i + j], a.limb[i], b.limb[j]);
	return field_fold(z);
}

// Limbs below 2^52.
static inline struct field_x8 field_square(struct field_x8 a)
{
	__m512i z[10];

	for (int i = 0; i < 10; i++)
		z[i] = _mm512_setzero_si512();
	for (int i = 0; i < 5; i++)
		for (int j = i + 1; j < 5; j++)
			z[i + j + 1] = _mm512_madd52hi_epu64(z[i + j + 1], a.limb[i], a.limb[j]);
	for (int i = 2; i < 9; i++)
		z[i] = _mm512_slli_epi64(z[i], 1);
	for (int i = 0; i < 5; i++) {
		z[2 * i + 1] = _mm512_madd52hi_epu64(z[2 * i + 1], a.limb[i], a.limb[i]);
		for (int j = i + 1; j < 5; j++)
			z[i + j] = _mm512_madd52lo_epu64(z[i + j], a.limb[i], a.limb[j]);
	}
	for (int i = 1; i < 10; i++)
		z[i] = _mm512_slli_epi64(z[i], 1);
	for (int i = 0; i < 5; i++)
		z[2 * i] = _mm512_madd52lo_epu64(z[2 * i], a.limb[i], a.limb[i]);
	return field_fold(z);
}

// Lanes of the mask from `b`, the others from `a`.
static inline struct field_x8 field_blend(__mmask8 mask, struct field_x8 a, struct field_x8 b)
{
	for (int i = 0; i < 5; i++)
		a.limb[i] = _mm512_mask_mov_epi64(a.limb[i], mask, b.limb[i]);
	return a;
}

// a^(2^252 - 3), for square roots, and a^(p - 2) = 1 / a.
struct field_x8 field_power_root(struct field_x8 a);
struct field_x8 field_invert(struct field_x8 a);

// Each becomes 1 / itself, none is zero. `count` is 1 to FIELD_INVERT_MAX.
enum { FIELD_INVERT_MAX = 32 };
void field_invert_all(struct field_x8 *const all[], unsigned count);

// 32 bytes a lane, little endian; the top bit is left out when reading.
struct field_x8 field_read(const uint8_t *const bytes[8]);
// The smallest representative of each.
void field_write(struct field_x8 a, uint8_t bytes[8][32]);
__mmask8 field_equal(struct field_x8 a, struct field_x8 b);
__mmask8 field_is_odd(struct field_x8 a);
