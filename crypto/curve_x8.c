// SPDX-License-Identifier: BSD-3-Clause
#include "crypto/curve_x8.h"

struct field_x8 curve_2d;
static struct field_x8 curve_d, root_of_minus_one;

__mmask8 point_read(const uint8_t *const bytes[8], bool negative, struct point *p)
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
	for (unsigned lane = 0; lane < 8; lane++)
		signs |= (unsigned)(bytes[lane][31] >> 7) << lane;
	if (negative)
		signs = ~signs;
	x = field_blend(field_is_odd(x) ^ (__mmask8)signs, x, field_carry(field_minus(x)));
	right |= other;
	x = field_blend(right, field_small(0), x);
	y = field_blend(right, one, y);
	*p = (struct point){x, y, one, field_mul(x, y)};
	return right;
}

struct point point_base(void)
{
	static const uint8_t b[32] = {0x58, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
	    0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
	    0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66};
	struct point p;

	point_read((const uint8_t *const[8]){b, b, b, b, b, b, b, b}, false, &p);
	return p;
}

void curve_init(void)
{
	struct field_x8 two = field_small(2);

	curve_d = field_mul(
	    field_carry(field_minus(field_small(121665))), field_invert(field_small(121666)));
	curve_2d = field_add(curve_d, curve_d);
	// 2^((p-1)/4), where (p-1)/4 = 2 * (2^252 - 3) + 1
	root_of_minus_one = field_mul(field_square(field_power_root(two)), two);
}
