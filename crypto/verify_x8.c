// SPDX-License-Identifier: BSD-3-Clause
#include "crypto/verify_x8.h"

#include "crypto/multiply_x8.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

static_assert((int)KEY_POWERS == (int)MULTIPLY_PARTS, "a cached key is ready for multiply()");
static_assert(
    IDENTITY_VERIFY_BATCH / VERIFY_LANES * MULTIPLY_PARTS <= FIELD_INVERT_MAX, "one inversion");

// One check, and what is known of its key.
struct item {
	struct identity_check *check;
	bool known;
	struct key_powers powers;
};

// Eight of them.
struct group {
	struct item *items[VERIFY_LANES]; // the first one again where there are fewer
	unsigned count;
	bool known; // the keys of all
	__mmask8 points;
	struct point a[MULTIPLY_PARTS]; // -A and so on
	struct point r;			// s*B - h*A
};

void verify_x8_init(void)
{
	curve_init();
	multiply_init();
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

static struct point known_point(const struct group *g, unsigned part)
{
	const uint8_t *x[VERIFY_LANES], *y[VERIFY_LANES];
	struct point p = {.z = field_small(1)};

	for (unsigned lane = 0; lane < VERIFY_LANES; lane++) {
		x[lane] = g->items[lane]->powers.x[part];
		y[lane] = g->items[lane]->powers.y[part];
	}
	p.x = field_read(x);
	p.y = field_read(y);
	p.t = field_mul(p.x, p.y);
	return p;
}

static void group_points(struct group *g)
{
	const uint8_t *keys[VERIFY_LANES];

	g->points = 0xff;
	for (unsigned part = 0; g->known && part < MULTIPLY_PARTS; part++)
		g->a[part] = known_point(g, part);
	if (g->known)
		return;
	for (unsigned lane = 0; lane < VERIFY_LANES; lane++)
		keys[lane] = g->items[lane]->check->key;
	g->points = point_read(keys, true, &g->a[0]);
	multiply_powers(g->a);
}

static void group_multiply(struct group *g)
{
	struct digits digits;
	uint8_t h[32];

	for (unsigned lane = 0; lane < VERIFY_LANES; lane++) {
		struct identity_check *c = g->items[lane]->check;

		c->valid = check_prepare(c, h);
		digits_split(&digits, lane, h, c->sig + 32);
	}
	multiply(&g->r, g->a, &digits);
}

// Makes every z that is asked for 1 / z.
static void groups_invert(struct group *groups, unsigned count)
{
	struct field_x8 *all[FIELD_INVERT_MAX];
	unsigned n = 0;

	for (struct group *g = groups; g < groups + count; g++) {
		all[n++] = &g->r.z;
		for (unsigned part = 1; !g->known && part < MULTIPLY_PARTS; part++)
			all[n++] = &g->a[part].z;
	}
	field_invert_all(all, n);
}

// The encodings of R' are the signatures' R.
static void group_compare(const struct group *g)
{
	uint8_t found[VERIFY_LANES][32];
	__mmask8 odd = field_is_odd(field_mul(g->r.x, g->r.z));

	field_write(field_mul(g->r.y, g->r.z), found);
	for (unsigned lane = 0; lane < g->count; lane++) {
		struct identity_check *c = g->items[lane]->check;

		found[lane][31] |= (uint8_t)((odd >> lane & 1) << 7);
		c->valid = c->valid && (g->points >> lane & 1) && !memcmp(found[lane], c->sig, 32);
	}
}

// Keys of which a signature was right.
static void group_remember(struct group *g, struct key_cache *cache)
{
	uint8_t x[VERIFY_LANES][32], y[VERIFY_LANES][32];

	for (unsigned part = 0; part < MULTIPLY_PARTS; part++) {
		// of the first part z is 1
		field_write(part ? field_mul(g->a[part].x, g->a[part].z) : g->a[0].x, x);
		field_write(part ? field_mul(g->a[part].y, g->a[part].z) : g->a[0].y, y);
		for (unsigned lane = 0; lane < g->count; lane++) {
			memcpy(g->items[lane]->powers.x[part], x[lane], 32);
			memcpy(g->items[lane]->powers.y[part],
			    part ? y[lane] : g->items[lane]->check->key, 32);
		}
	}
	for (unsigned lane = 0; lane < g->count; lane++)
		if (g->items[lane]->check->valid && !g->items[lane]->known)
			key_cache_add(cache, &g->items[lane]->powers);
}

// Those whose keys are known come first, so that few groups have some that are not.
static void sort(
    struct item *items, struct key_cache *cache, struct identity_check *checks, unsigned count)
{
	unsigned first = 0, last = count;

	for (unsigned i = 0; i < count; i++) {
		bool known = key_cache_find(cache, checks[i].key, &items[first].powers);
		struct item *item = &items[known ? first++ : --last];

		item->check = &checks[i];
		item->known = known;
	}
}

void verify_x8(struct key_cache *cache, struct identity_check *checks, unsigned count)
{
	struct group groups[IDENTITY_VERIFY_BATCH / VERIFY_LANES];
	struct item items[IDENTITY_VERIFY_BATCH];
	unsigned n = 0;

	sort(items, cache, checks, count);
	for (unsigned at = 0; at < count; at += VERIFY_LANES) {
		struct group *g = &groups[n++];

		g->count = count - at < VERIFY_LANES ? count - at : VERIFY_LANES;
		for (unsigned lane = 0; lane < VERIFY_LANES; lane++)
			g->items[lane] = &items[at + (lane < g->count ? lane : 0)];
		g->known = g->items[g->count - 1]->known;
		group_points(g);
		group_multiply(g);
	}
	groups_invert(groups, n);
	for (struct group *g = groups; g < groups + n; g++) {
		group_compare(g);
		if (!g->known && cache)
			group_remember(g, cache);
	}
}

bool verify_x8_works(void)
{
	return __builtin_cpu_supports("avx512ifma") && __builtin_cpu_supports("avx512dq") &&
	       __builtin_cpu_supports("avx512f");
}
