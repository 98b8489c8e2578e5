// SPDX-License-Identifier: BSD-3-Clause
#include "crypto/verify_x8.h"

#include "crypto/field_x8.h"

#include <sodium.h>
#include <string.h>

// The curve -x^2 + y^2 = 1 + d x^2 y^2 in extended coordinates (Hisil, Wong, Carter, Dawson:
// Twisted Edwards Curves Revisited), complete: no point is an exception. R' = s*B - h*A is made of
// signed digits, of 4 bits for h with a table of each lane's own, of 8 bits for s with one table.

enum { NIBBLES = 64, BYTES = 32, OWN_MULTIPLES = 8, BASE_MULTIPLES = 128 };

struct point {
	struct field_x8 x, y, z, t;
};

// What is added: y+x, y-x, 2z, 2dt; of base multiples z is 1.
struct addend {
	struct field_x8 sum, difference, z2, t2d;
};

// y+x, y-x, 2dt of the multiples 1 to 128 of the base point.
static uint64_t base_table[BASE_MULTIPLES][3][5] __attribute__((aligned(64)));
static struct field_x8 curve_d, curve_2d, root_of_minus_one;

static const uint8_t base_point[32] = {0x58, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
    0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
    0x66, 0x66, 0x66, 0x66, 0x66, 0x66};

static struct point point_zero(void)
{
	return (struct point){field_small(0), field_small(1), field_small(1), field_small(0)};
}

// E*F, G*H, F*G and, if asked for, E*H.
static inline struct point point_finish(
    struct field_x8 e, struct field_x8 f, struct field_x8 g, struct field_x8 h, bool want_t)
{
	struct point r = {.x = field_mul(e, f), .y = field_mul(g, h), .z = field_mul(f, g)};

	r.t = want_t ? field_mul(e, h) : field_small(0);
	return r;
}

static struct point point_double(struct point p, bool want_t)
{
	struct field_x8 xx = field_square(p.x), yy = field_square(p.y), zz = field_square(p.z);
	struct field_x8 h = field_add(yy, xx), g = field_sub(yy, xx);
	struct field_x8 e = field_sub(field_square(field_add(p.x, p.y)), h);
	struct field_x8 f = field_sub(field_add(zz, zz), g);

	return point_finish(e, f, g, h, want_t);
}

static struct point point_add(struct point p, const struct addend *q, bool want_t)
{
	struct field_x8 a = field_mul(field_sub(p.y, p.x), q->difference);
	struct field_x8 b = field_mul(field_add(p.y, p.x), q->sum);
	struct field_x8 c = field_mul(p.t, q->t2d), d = field_mul(p.z, q->z2);

	return point_finish(
	    field_sub(b, a), field_sub(d, c), field_add(d, c), field_add(b, a), want_t);
}

// The same for z = 1.
static struct point point_add_base(struct point p, const struct addend *q, bool want_t)
{
	struct field_x8 a = field_mul(field_sub(p.y, p.x), q->difference);
	struct field_x8 b = field_mul(field_add(p.y, p.x), q->sum);
	struct field_x8 c = field_mul(p.t, q->t2d), d = field_add(p.z, p.z);

	return point_finish(
	    field_sub(b, a), field_sub(d, c), field_add(d, c), field_add(b, a), want_t);
}

static struct addend point_addend(struct point p)
{
	return (struct addend){field_add(p.y, p.x), field_sub(p.y, p.x), field_add(p.z, p.z),
	    field_mul(p.t, curve_2d)};
}

// Lanes of the mask are subtracted. Limbs stay below 2^52.
static inline struct addend addend_negate(struct addend q, __mmask8 mask)
{
	return (struct addend){field_blend(mask, q.sum, q.difference),
	    field_blend(mask, q.difference, q.sum), q.z2,
	    field_blend(mask, q.t2d, field_minus(q.t2d))};
}

// The points with these encodings, with the opposite sign if `negative`. Returns who is one.
static __mmask8 point_read(const uint8_t *const bytes[8], bool negative, struct point *p)
{
	const struct field_x8 one = field_small(1);
	struct field_x8 y = field_read(bytes), yy = field_square(y), u = field_sub(yy, one);
	struct field_x8 v = field_add(field_mul(yy, curve_d), one);
	struct field_x8 v3 = field_mul(field_square(v), v);
	struct field_x8 uv7 = field_mul(u, field_mul(field_square(v3), v));
	struct field_x8 x = field_mul(field_mul(u, v3), field_power_root(uv7));
	struct field_x8 vxx = field_mul(v, field_square(x));
	__mmask8 right = field_equal(vxx, u), other = field_equal(vxx, field_minus(u));
	unsigned signs = 0;

	x = field_blend(other, x, field_mul(x, root_of_minus_one));
	for (unsigned lane = 0; lane < VERIFY_LANES; lane++)
		signs |= (unsigned)(bytes[lane][31] >> 7) << lane;
	if (negative)
		signs = ~signs;
	x = field_blend(field_is_odd(x) ^ (__mmask8)signs, x, field_carry(field_minus(x)));
	*p = (struct point){x, y, one, field_mul(x, y)};
	return right | other;
}

static void point_write(struct point p, uint8_t bytes[8][32])
{
	struct field_x8 inverse = field_invert(p.z);
	__mmask8 odd = field_is_odd(field_mul(p.x, inverse));

	field_write(field_mul(p.y, inverse), bytes);
	for (unsigned lane = 0; lane < VERIFY_LANES; lane++)
		bytes[lane][31] |= (uint8_t)((odd >> lane & 1) << 7);
}

static void base_store(uint64_t (*entry)[5], struct field_x8 a)
{
	uint8_t bytes[8][32];
	struct field_x8 least;
	uint64_t limbs[8];

	field_write(a, bytes);
	least = field_read((const uint8_t *const[8]){
	    bytes[0], bytes[0], bytes[0], bytes[0], bytes[0], bytes[0], bytes[0], bytes[0]});
	for (int i = 0; i < 5; i++) {
		_mm512_storeu_si512(limbs, least.limb[i]);
		(*entry)[i] = limbs[0];
	}
}

void verify_x8_init(void)
{
	const uint8_t *const encoded[8] = {base_point, base_point, base_point, base_point,
	    base_point, base_point, base_point, base_point};
	struct field_x8 two = field_small(2);
	struct point base, p;
	struct addend step;

	curve_d = field_mul(
	    field_carry(field_minus(field_small(121665))), field_invert(field_small(121666)));
	curve_2d = field_add(curve_d, curve_d);
	// 2^((p-1)/4), where (p-1)/4 = 2 * (2^252 - 3) + 1
	root_of_minus_one = field_mul(field_square(field_power_root(two)), two);
	point_read(encoded, false, &base);
	step = point_addend(base);
	p = base;
	for (int i = 0; i < BASE_MULTIPLES; i++) {
		struct field_x8 inverse = field_invert(p.z);
		struct field_x8 x = field_mul(p.x, inverse), y = field_mul(p.y, inverse);

		base_store(&base_table[i][0], field_add(y, x));
		base_store(&base_table[i][1], field_sub(y, x));
		base_store(&base_table[i][2], field_mul(field_mul(x, y), curve_2d));
		p = point_add(p, &step, true);
	}
}

// Signed digits of 8 lanes, lowest first.
struct digits {
	int64_t own[NIBBLES][8], base[BYTES][8];
};

static void split(struct digits *d, unsigned lane, const uint8_t h[32], const uint8_t s[32])
{
	int carry = 0;

	for (int i = 0; i < NIBBLES; i++) {
		int digit = (h[i / 2] >> 4 * (i % 2) & 15) + carry;

		carry = digit > 8;
		d->own[i][lane] = digit - 16 * carry;
	}
	carry = 0;
	for (int i = 0; i < BYTES; i++) {
		int digit = s[i] + carry;

		carry = digit > 128;
		d->base[i][lane] = digit - 256 * carry;
	}
}

static struct addend own_choose(const struct addend table[OWN_MULTIPLES], const int64_t digits[8])
{
	__m512i d = _mm512_loadu_si512(digits), size = _mm512_abs_epi64(d);
	struct addend q = {field_small(1), field_small(1), field_small(2), field_small(0)};

	for (int i = 0; i < OWN_MULTIPLES; i++) {
		__mmask8 is = _mm512_cmpeq_epi64_mask(size, _mm512_set1_epi64(i + 1));

		q.sum = field_blend(is, q.sum, table[i].sum);
		q.difference = field_blend(is, q.difference, table[i].difference);
		q.z2 = field_blend(is, q.z2, table[i].z2);
		q.t2d = field_blend(is, q.t2d, table[i].t2d);
	}
	return addend_negate(q, _mm512_movepi64_mask(d));
}

static struct field_x8 base_gather(int part, __m512i place, __mmask8 any, uint64_t otherwise)
{
	struct field_x8 r = field_small(otherwise);

	for (int i = 0; i < 5; i++)
		r.limb[i] =
		    _mm512_mask_i64gather_epi64(r.limb[i], any, place, &base_table[0][part][i], 8);
	return r;
}

static struct addend base_choose(const int64_t digits[8])
{
	__m512i d = _mm512_loadu_si512(digits), size = _mm512_abs_epi64(d);
	__mmask8 any = _mm512_test_epi64_mask(size, size);
	__m512i place =
	    _mm512_mullo_epi64(_mm512_sub_epi64(size, _mm512_set1_epi64(1)), _mm512_set1_epi64(15));
	struct addend q = {.sum = base_gather(0, place, any, 1),
	    .difference = base_gather(1, place, any, 1),
	    .t2d = base_gather(2, place, any, 0)};

	return addend_negate(q, _mm512_movepi64_mask(d));
}

// s*B + h*a
static struct point multiply(struct point a, const struct digits *d)
{
	struct addend table[OWN_MULTIPLES], q;
	struct point p = point_zero(), multiple = a;

	for (int i = 0; i < OWN_MULTIPLES; i++) {
		table[i] = point_addend(multiple);
		multiple = point_add(multiple, &table[0], true);
	}
	for (int i = NIBBLES - 1; i >= 0; i--) {
		for (int bit = 0; bit < 4 && i < NIBBLES - 1; bit++)
			p = point_double(p, bit == 3);
		q = own_choose(table, d->own[i]);
		p = point_add(p, &q, i % 2 == 0);
		if (i % 2)
			continue;
		q = base_choose(d->base[i / 2]);
		p = point_add_base(p, &q, false);
	}
	return p;
}

// Below the order of the base point.
static bool is_reduced(const uint8_t s[32])
{
	static const uint8_t order[32] = {0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6,
	    0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	    0x10};

	for (int i = 31; i >= 0; i--)
		if (s[i] != order[i])
			return s[i] < order[i];
	return false;
}

static bool is_canonical(const uint8_t y[32])
{
	for (int i = 30; i > 0; i--)
		if (y[i] != 0xff)
			return true;
	return (y[31] & 0x7f) != 0x7f || y[0] < 0xed;
}

// y of the points of which eight times is zero, of both signs; also as p + y where that fits.
static bool is_small_order(const uint8_t y[32])
{
	static const uint8_t small[][32] = {
	    {0},
	    {1},
	    {0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef,
		0x98, 0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88,
		0x6d, 0x53, 0xfc, 0x05},
	    {0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10,
		0x67, 0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77,
		0x92, 0xac, 0x03, 0x7a},
	};
	uint8_t copy[32];

	for (size_t i = 0; i < sizeof(small) / sizeof(small[0]); i++) {
		memcpy(copy, y, sizeof(copy));
		copy[31] &= 0x7f;
		if (!memcmp(copy, small[i], sizeof(copy)))
			return true;
	}
	// p - 1, p, p + 1
	for (int i = 1; i < 31; i++)
		if (y[i] != 0xff)
			return false;
	return (y[31] & 0x7f) == 0x7f && y[0] >= 0xec && y[0] <= 0xee;
}

// What can be said before anything is computed; and h.
static bool check_prepare(const struct identity_check *c, uint8_t h[32])
{
	crypto_hash_sha512_state state;
	uint8_t hash[crypto_hash_sha512_BYTES];

	crypto_hash_sha512_init(&state);
	crypto_hash_sha512_update(&state, c->sig, 32);
	crypto_hash_sha512_update(&state, c->key, IDENTITY_KEY_SIZE);
	crypto_hash_sha512_update(&state, c->msg, c->len);
	crypto_hash_sha512_final(&state, hash);
	crypto_core_ed25519_scalar_reduce(h, hash);
	return is_reduced(c->sig + 32) && !is_small_order(c->sig) && is_canonical(c->key) &&
	       !is_small_order(c->key);
}

void verify_x8(struct identity_check *checks, unsigned count)
{
	const uint8_t *keys[VERIFY_LANES];
	uint8_t found[VERIFY_LANES][32], h[32];
	struct digits digits;
	struct point a;
	__mmask8 points;

	for (unsigned lane = 0; lane < VERIFY_LANES; lane++) {
		struct identity_check *c = &checks[lane < count ? lane : 0];

		c->valid = check_prepare(c, h);
		split(&digits, lane, h, c->sig + 32);
		keys[lane] = c->key;
	}
	points = point_read(keys, true, &a);
	point_write(multiply(a, &digits), found);
	for (unsigned lane = 0; lane < count; lane++) {
		struct identity_check *c = &checks[lane];

		c->valid = c->valid && (points >> lane & 1) && !memcmp(found[lane], c->sig, 32);
	}
}

bool verify_x8_works(void)
{
	return __builtin_cpu_supports("avx512ifma") && __builtin_cpu_supports("avx512dq") &&
	       __builtin_cpu_supports("avx512f");
}
