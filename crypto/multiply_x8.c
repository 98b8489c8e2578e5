// SPDX-License-Identifier: BSD-3-Clause
#include "crypto/multiply_x8.h"

enum {
	PART_NIBBLES = MULTIPLY_PART_BITS / 4,
	PART_BYTES = MULTIPLY_PART_BITS / 8,
	OWN_MULTIPLES = 8,
	BASE_MULTIPLES = 128,
};

// Limbs of y+x, y-x and 2dt of a multiple of the base point or of its powers; z is 1.
struct base_entry {
	uint64_t limbs[16];
} __attribute__((aligned(64)));

static struct base_entry base_table[MULTIPLY_PARTS][BASE_MULTIPLES + 1];

void multiply_powers(struct point a[MULTIPLY_PARTS])
{
	for (int part = 1; part < MULTIPLY_PARTS; part++) {
		a[part] = a[part - 1];
		for (int bit = 1; bit <= MULTIPLY_PART_BITS; bit++)
			point_double(&a[part], bit == MULTIPLY_PART_BITS);
	}
}

static void base_store(int multiple, int first_limb, struct field_x8 a)
{
	uint64_t limbs[8];

	for (int i = 0; i < 5; i++) {
		_mm512_storeu_si512(limbs, a.limb[i]);
		for (int part = 0; part < MULTIPLY_PARTS; part++)
			base_table[part][multiple].limbs[first_limb + i] = limbs[part];
	}
}

static void lanes_take(struct point *p, __mmask8 mask, const struct point *from)
{
	p->x = field_blend(mask, p->x, from->x);
	p->y = field_blend(mask, p->y, from->y);
	p->z = field_blend(mask, p->z, from->z);
	p->t = field_blend(mask, p->t, from->t);
}

void multiply_init(void)
{
	struct point powers[MULTIPLY_PARTS] = {point_base()}, p = point_zero();
	struct addend step;

	// a lane a part
	multiply_powers(powers);
	for (int part = 1; part < MULTIPLY_PARTS; part++)
		lanes_take(&powers[0], (__mmask8)(1 << part), &powers[part]);
	step = point_addend(&powers[0]);
	for (int i = 0; i <= BASE_MULTIPLES; i++) {
		struct field_x8 inverse = field_invert(p.z);
		struct field_x8 x = field_mul(p.x, inverse), y = field_mul(p.y, inverse);

		base_store(i, 0, field_add(y, x));
		base_store(i, 5, field_sub(y, x));
		base_store(i, 10, field_mul(field_mul(x, y), curve_2d));
		point_add(&p, &step);
	}
}

void digits_split(struct digits *d, unsigned lane, const uint8_t h[32], const uint8_t s[32])
{
	int carry = 0;

	for (int i = 0; i < 64; i++) {
		int digit = (h[i / 2] >> 4 * (i % 2) & 15) + carry;

		carry = digit > OWN_MULTIPLES;
		d->own[i][lane] = digit - 16 * carry;
	}
	carry = 0;
	for (int i = 0; i < 32; i++) {
		int digit = s[i] + carry;

		carry = digit > BASE_MULTIPLES;
		d->base[i][lane] = digit - 256 * carry;
	}
}

static void own_choose(
    struct addend *q, const struct addend table[OWN_MULTIPLES], const int64_t digits[8])
{
	__m512i d = _mm512_loadu_si512(digits), size = _mm512_abs_epi64(d);

	*q = (struct addend){field_small(1), field_small(1), field_small(2), field_small(0)};
	for (int i = 0; i < OWN_MULTIPLES; i++) {
		__mmask8 is = _mm512_cmpeq_epi64_mask(size, _mm512_set1_epi64(i + 1));

		q->sum = field_blend(is, q->sum, table[i].sum);
		q->difference = field_blend(is, q->difference, table[i].difference);
		q->z2 = field_blend(is, q->z2, table[i].z2);
		q->t2d = field_blend(is, q->t2d, table[i].t2d);
	}
	addend_negate(q, _mm512_movepi64_mask(d));
}

// Rows of eight numbers to columns.
static inline void transpose(__m512i r[8])
{
	__m512i t[8];

	for (int i = 0; i < 8; i += 2) {
		t[i] = _mm512_unpacklo_epi64(r[i], r[i + 1]);
		t[i + 1] = _mm512_unpackhi_epi64(r[i], r[i + 1]);
	}
	for (int odd = 0; odd < 2; odd++) {
		__m512i a = _mm512_shuffle_i64x2(t[odd], t[odd + 2], 0x44);
		__m512i b = _mm512_shuffle_i64x2(t[odd], t[odd + 2], 0xee);
		__m512i c = _mm512_shuffle_i64x2(t[odd + 4], t[odd + 6], 0x44);
		__m512i d = _mm512_shuffle_i64x2(t[odd + 4], t[odd + 6], 0xee);

		r[odd] = _mm512_shuffle_i64x2(a, c, 0x88);
		r[odd + 2] = _mm512_shuffle_i64x2(a, c, 0xdd);
		r[odd + 4] = _mm512_shuffle_i64x2(b, d, 0x88);
		r[odd + 6] = _mm512_shuffle_i64x2(b, d, 0xdd);
	}
}

static void base_choose(struct addend *q, const struct base_entry table[], const int64_t digits[8])
{
	__m512i low[8], high[8];

	for (int lane = 0; lane < 8; lane++) {
		const struct base_entry *e =
		    &table[digits[lane] < 0 ? -digits[lane] : digits[lane]];

		low[lane] = _mm512_load_si512(e->limbs);
		high[lane] = _mm512_load_si512(e->limbs + 8);
	}
	transpose(low);
	transpose(high);
	for (int i = 0; i < 5; i++) {
		q->sum.limb[i] = low[i];
		q->difference.limb[i] = i < 3 ? low[i + 5] : high[i - 3];
		q->t2d.limb[i] = high[i + 2];
	}
	addend_negate(q, _mm512_movepi64_mask(_mm512_loadu_si512(digits)));
}

static void own_fill(struct addend table[OWN_MULTIPLES], const struct point *a)
{
	struct point multiple = *a;

	for (int i = 0; i < OWN_MULTIPLES; i++) {
		table[i] = point_addend(&multiple);
		point_add(&multiple, &table[0]);
	}
}

void multiply(struct point *p, const struct point a[MULTIPLY_PARTS], const struct digits *d)
{
	struct addend table[MULTIPLY_PARTS][OWN_MULTIPLES], q;

	for (int part = 0; part < MULTIPLY_PARTS; part++)
		own_fill(table[part], &a[part]);
	*p = point_zero();
	for (int i = PART_NIBBLES - 1; i >= 0; i--) {
		for (int bit = 1; bit <= 4 && i < PART_NIBBLES - 1; bit++)
			point_double(p, bit == 4);
		for (int part = 0; part < MULTIPLY_PARTS; part++) {
			own_choose(&q, table[part], d->own[part * PART_NIBBLES + i]);
			point_add(p, &q);
		}
		for (int part = 0; part < MULTIPLY_PARTS && i % 2 == 0; part++) {
			base_choose(&q, base_table[part], d->base[part * PART_BYTES + i / 2]);
			point_add_flat(p, &q);
		}
	}
}
