// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "crypto/field_x8.h"

// The curve -x^2 + y^2 = 1 + d x^2 y^2 in extended coordinates (Hisil, Wong, Carter, Dawson:
// Twisted Edwards Curves Revisited), complete: no point is an exception, and no z is zero.

struct point {
	struct field_x8 x, y, z, t;
};

// What is added: y+x, y-x, 2z, 2dt.
struct addend {
	struct field_x8 sum, difference, z2, t2d;
};

extern struct field_x8 curve_2d;

// Once, before the rest.
void curve_init(void);
// The points with these encodings (32 bytes, RFC 8032 section 5.1.3, without its refusal of y >= p
// and of x = -0), with the opposite sign if `negative`. Returns who is one; of the others the
// neutral point.
__mmask8 point_read(const uint8_t *const bytes[8], bool negative, struct point *p);
// The base point in every lane.
struct point point_base(void);

static inline struct point point_zero(void)
{
	return (struct point){field_small(0), field_small(1), field_small(1), field_small(0)};
}

// E*F, G*H, F*G and, if asked for, E*H.
static inline void point_finish(struct point *p, const struct field_x8 efgh[4], bool want_t)
{
	p->x = field_mul(efgh[0], efgh[1]);
	p->y = field_mul(efgh[2], efgh[3]);
	p->z = field_mul(efgh[1], efgh[2]);
	if (want_t)
		p->t = field_mul(efgh[0], efgh[3]);
}

// Leaves t wrong unless it is asked for.
static inline void point_double(struct point *p, bool want_t)
{
	struct field_x8 xx = field_square(p->x), yy = field_square(p->y), zz = field_square(p->z);
	struct field_x8 h = field_add(yy, xx), g = field_sub(yy, xx);
	struct field_x8 e = field_sub(field_square(field_add(p->x, p->y)), h);

	point_finish(p, (struct field_x8[]){e, field_twice_less(zz, g), g, h}, want_t);
}

// Adds a point of which twice z times p's z is `d`.
static inline void point_add_scaled(struct point *p, const struct addend *q, struct field_x8 d)
{
	struct field_x8 a = field_mul(field_sub(p->y, p->x), q->difference);
	struct field_x8 b = field_mul(field_add(p->y, p->x), q->sum);
	struct field_x8 c = field_mul(p->t, q->t2d);

	point_finish(p,
	    (struct field_x8[]){field_sub(b, a), field_sub(d, c), field_add(d, c), field_add(b, a)},
	    true);
}

static inline void point_add(struct point *p, const struct addend *q)
{
	point_add_scaled(p, q, field_mul(p->z, q->z2));
}

// The same for z = 1.
static inline void point_add_flat(struct point *p, const struct addend *q)
{
	point_add_scaled(p, q, field_add(p->z, p->z));
}

static inline struct addend point_addend(const struct point *p)
{
	return (struct addend){field_add(p->y, p->x), field_sub(p->y, p->x), field_add(p->z, p->z),
	    field_mul(p->t, curve_2d)};
}

// Lanes of the mask are subtracted. Limbs stay below 2^52.
static inline void addend_negate(struct addend *q, __mmask8 mask)
{
	struct field_x8 sum = q->sum;

	q->sum = field_blend(mask, sum, q->difference);
	q->difference = field_blend(mask, q->difference, sum);
	q->t2d = field_blend(mask, q->t2d, field_minus(q->t2d));
}
