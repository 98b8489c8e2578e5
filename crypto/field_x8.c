// SPDX-License-Identifier: BSD-3-Clause
#include "crypto/field_x8.h"

#include <string.h>

static struct field_x8 field_squares(struct field_x8 a, unsigned count)
{
	while (count--)
		a = field_square(a);
	return a;
}

// a^(2^250 - 1), and a^11 beside it.
static struct field_x8 power_ones(struct field_x8 a, struct field_x8 *eleven)
{
	struct field_x8 two = field_square(a);
	struct field_x8 nine = field_mul(field_squares(two, 2), a);
	struct field_x8 ones5, ones10, ones20, ones50, ones100;

	*eleven = field_mul(nine, two);
	ones5 = field_mul(field_square(*eleven), nine);
	ones10 = field_mul(field_squares(ones5, 5), ones5);
	ones20 = field_mul(field_squares(ones10, 10), ones10);
	ones50 = field_mul(field_squares(ones20, 20), ones20);
	ones50 = field_mul(field_squares(ones50, 10), ones10);
	ones100 = field_mul(field_squares(ones50, 50), ones50);
	ones100 = field_mul(field_squares(ones100, 100), ones100);
	return field_mul(field_squares(ones100, 50), ones50);
}

struct field_x8 field_power_root(struct field_x8 a)
{
	struct field_x8 eleven, ones = power_ones(a, &eleven);

	return field_mul(field_squares(ones, 2), a);
}

struct field_x8 field_invert(struct field_x8 a)
{
	struct field_x8 eleven, ones = power_ones(a, &eleven);

	return field_mul(field_squares(ones, 5), eleven);
}

// Montgomery's trick: one inversion, and three multiplications for each.
void field_invert_all(struct field_x8 *const all[], unsigned count)
{
	struct field_x8 product[FIELD_INVERT_MAX], inverse;

	product[0] = *all[0];
	for (unsigned i = 1; i < count; i++)
		product[i] = field_mul(product[i - 1], *all[i]);
	inverse = field_invert(product[count - 1]);
	for (unsigned i = count - 1; i > 0; i--) {
		struct field_x8 one = field_mul(inverse, product[i - 1]);

		inverse = field_mul(inverse, *all[i]);
		*all[i] = one;
	}
	*all[0] = inverse;
}

struct field_x8 field_read(const uint8_t *const bytes[8])
{
	static const unsigned first[5] = {0, 6, 12, 19, 24}, shift[5] = {0, 3, 6, 1, 12};
	uint64_t limbs[5][8], word;
	struct field_x8 r;

	for (int lane = 0; lane < 8; lane++)
		for (int i = 0; i < 5; i++) {
			memcpy(&word, bytes[lane] + first[i], sizeof(word));
			limbs[i][lane] = word >> shift[i] & FIELD_MASK;
		}
	for (int i = 0; i < 5; i++)
		r.limb[i] = _mm512_loadu_si512(limbs[i]);
	return r;
}

static void write_lane(uint64_t a[5], uint8_t out[32])
{
	uint64_t words[4], carry = 19;

	// below 2p
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 4; i++) {
			a[i + 1] += a[i] >> 51;
			a[i] &= FIELD_MASK;
		}
		a[0] += 19 * (a[4] >> 51);
		a[4] &= FIELD_MASK;
	}
	// p or more: 19 more reach bit 255
	for (int i = 0; i < 5; i++)
		carry = (a[i] + carry) >> 51;
	a[0] += 19 * carry;
	for (int i = 0; i < 4; i++) {
		a[i + 1] += a[i] >> 51;
		a[i] &= FIELD_MASK;
	}
	a[4] &= FIELD_MASK;
	for (int i = 0; i < 4; i++)
		words[i] = a[i] >> 13 * i | a[i + 1] << (51 - 13 * i);
	memcpy(out, words, sizeof(words));
}

void field_write(struct field_x8 a, uint8_t bytes[8][32])
{
	uint64_t limbs[5][8];

	for (int i = 0; i < 5; i++)
		_mm512_storeu_si512(limbs[i], a.limb[i]);
	for (int lane = 0; lane < 8; lane++) {
		uint64_t one[5];

		for (int i = 0; i < 5; i++)
			one[i] = limbs[i][lane];
		write_lane(one, bytes[lane]);
	}
}

__mmask8 field_equal(struct field_x8 a, struct field_x8 b)
{
	uint8_t difference[8][32];
	static const uint8_t zero[32];
	unsigned mask = 0;

	field_write(field_sub(a, b), difference);
	for (unsigned lane = 0; lane < 8; lane++)
		mask |= (unsigned)!memcmp(difference[lane], zero, sizeof(zero)) << lane;
	return (__mmask8)mask;
}

__mmask8 field_is_odd(struct field_x8 a)
{
	uint8_t bytes[8][32];
	unsigned mask = 0;

	field_write(a, bytes);
	for (unsigned lane = 0; lane < 8; lane++)
		mask |= (bytes[lane][0] & 1u) << lane;
	return (__mmask8)mask;
}
