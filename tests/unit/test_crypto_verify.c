// SPDX-License-Identifier: BSD-3-Clause
// Several signatures at once pass just when each alone passes libsodium. On processors without
// AVX-512 IFMA both are libsodium.
#include "base/random.h"
#include "crypto/identity.h"
#include "crypto/key_cache.h"
#include "tests/unit/unit.h"

#include <sodium.h>
#include <string.h>

enum { CASES = 72, ROUNDS = 4, BATCH_MAX = 65, FEW = 5 };

struct signed_text {
	uint8_t key[IDENTITY_KEY_SIZE], sig[IDENTITY_SIG_SIZE], text[80];
	size_t len;
};

static uint64_t chance = 2;
// none, one that forgets most keys before they come again, one that holds all of a test
static struct key_cache *caches[3];

static void fill(void *out, size_t len)
{
	uint8_t *p = out;

	while (len--)
		*p++ = (uint8_t)(random_next(&chance) >> 32);
}

static struct signed_text make_by(const uint8_t seed[IDENTITY_SEED_SIZE])
{
	uint8_t secret[IDENTITY_SECRET_SIZE];
	struct signed_text s;

	identity_derive(seed, s.key, secret);
	s.len = random_next(&chance) % sizeof(s.text);
	fill(s.text, s.len);
	identity_sign(secret, s.text, s.len, s.sig);
	return s;
}

static struct signed_text make(void)
{
	uint8_t seed[IDENTITY_SEED_SIZE];

	fill(seed, sizeof(seed));
	return make_by(seed);
}

static void verify_in_batches(
    struct key_cache *keys, size_t batch, const struct signed_text *all, const bool expected[CASES])
{
	for (size_t at = 0; at < CASES; at += batch) {
		struct identity_check c[BATCH_MAX];
		size_t n = CASES - at < batch ? CASES - at : batch;

		for (size_t i = 0; i < n; i++) {
			const struct signed_text *s = &all[at + i];

			c[i] = (struct identity_check){
			    .key = s->key, .sig = s->sig, .msg = s->text, .len = s->len};
		}
		identity_verify_many(keys, c, n);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(c[i].valid, expected[at + i]);
	}
}

// Both ways, in batches below, at and above the lanes and what is verified at once, with keys seen
// before and not. Returns how many passed.
static unsigned compare(const struct signed_text all[CASES])
{
	static const struct {
		unsigned cache;
		size_t batch;
	} runs[] = {{0, 1}, {0, 7}, {1, 8}, {1, 17}, {2, BATCH_MAX}, {2, 2}, {2, 9}};
	bool expected[CASES];
	unsigned passed = 0;

	for (int i = 0; i < CASES; i++) {
		expected[i] = identity_verify(all[i].key, all[i].text, all[i].len, all[i].sig);
		passed += expected[i];
	}
	for (size_t i = 0; i < ARRAY_SIZE(runs); i++)
		verify_in_batches(caches[runs[i].cache], runs[i].batch, all, expected);
	return passed;
}

static void test_right_and_wrong(void **state)
{
	struct signed_text all[CASES];

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < CASES; i++) {
			uint8_t seed[IDENTITY_SEED_SIZE] = {(uint8_t)(i % FEW)};

			all[i] = round % 2 ? make_by(seed) : make();
		}
		assert_int_equal(compare(all), CASES);
		// half of them with a wrong bit, wherever
		for (int i = 0; i < CASES; i += 2) {
			size_t bit = random_next(&chance) % ((32 + 64 + all[i].len) * 8);

			((uint8_t *)&all[i])[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		assert_int_equal(compare(all), CASES / 2);
	}
}

// s + order: the same point, but not the one spelling.
static void test_malleable(void **state)
{
	static const uint8_t order[32] = {0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6,
	    0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	    0x10};
	struct signed_text all[CASES];

	(void)state;
	for (int i = 0; i < CASES; i++) {
		all[i] = make();
		sodium_add(all[i].sig + 32, order, sizeof(order));
	}
	assert_int_equal(compare(all), 0);
	for (int i = 0; i < CASES; i++)
		memcpy(all[i].sig + 32, order, sizeof(order));
	assert_int_equal(compare(all), 0);
}

// Encodings around p, points of small order, with both signs, as key and as R.
static void test_odd_points(void **state)
{
	static const char *const texts[] = {
	    "0000000000000000000000000000000000000000000000000000000000000000",
	    "0100000000000000000000000000000000000000000000000000000000000000",
	    "0200000000000000000000000000000000000000000000000000000000000000",
	    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
	    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
	    "ebffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	    "efffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	    "f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	    "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"};
	struct signed_text all[CASES];

	(void)state;
	for (int zero = 0; zero < 2; zero++)
		for (int where = 0; where < 3; where++) {
			for (int i = 0; i < CASES; i++) {
				const char *text = texts[i / 2 % ARRAY_SIZE(texts)];
				uint8_t point[32];

				assert_int_equal(sodium_hex2bin(point, sizeof(point), text, 64,
						     NULL, NULL, NULL),
				    0);
				point[31] |= (uint8_t)(i % 2 << 7);
				all[i] = make();
				if (where != 1)
					memcpy(all[i].key, point, sizeof(point));
				if (where != 0)
					memcpy(all[i].sig, point, sizeof(point));
				if (zero)
					memset(all[i].sig + 32, 0, 32);
			}
			assert_int_equal(compare(all), 0);
		}
}

static const uint8_t neutral[32] = {1};
static const uint8_t eighth[32] = {0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4,
    0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02,
    0x88, 0x6d, 0x53, 0xfc, 0x05};

// Makes s = r + h*a for the key and the R that stand there, whatever they are.
static void solve(struct signed_text *s, const uint8_t r[32], const uint8_t a[32])
{
	crypto_hash_sha512_state state;
	uint8_t hash[64], h[32];

	crypto_hash_sha512_init(&state);
	crypto_hash_sha512_update(&state, s->sig, 32);
	crypto_hash_sha512_update(&state, s->key, 32);
	crypto_hash_sha512_update(&state, s->text, s->len);
	crypto_hash_sha512_final(&state, hash);
	crypto_core_ed25519_scalar_reduce(h, hash);
	crypto_core_ed25519_scalar_mul(h, h, a);
	crypto_core_ed25519_scalar_add(s->sig + 32, h, r);
}

// Keys with a part of order eight: each passes when the hash happens to be a multiple of it, and
// not the next time. Who multiplies by the cofactor takes all of them.
static void test_mixed_order(void **state)
{
	struct signed_text all[CASES];
	uint8_t a[FEW][32], keys[FEW][32];
	unsigned passed = 0;

	(void)state;
	for (int i = 0; i < FEW; i++) {
		uint8_t point[32];

		crypto_core_ed25519_scalar_random(a[i]);
		assert_int_equal(crypto_scalarmult_ed25519_base_noclamp(point, a[i]), 0);
		assert_int_equal(crypto_core_ed25519_add(keys[i], point, eighth), 0);
	}
	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < CASES; i++) {
			struct signed_text *s = &all[i];
			uint8_t r[32];

			*s = make();
			crypto_core_ed25519_scalar_random(r);
			assert_int_equal(crypto_scalarmult_ed25519_base_noclamp(s->sig, r), 0);
			memcpy(s->key, keys[i % FEW], sizeof(s->key));
			solve(s, r, a[i % FEW]);
		}
		passed += compare(all);
	}
	// one of eight, by chance
	assert_in_range(passed, 1, CASES * ROUNDS / 2);
}

// The equation holds for -R, which has another sign and the same y.
static void test_other_sign(void **state)
{
	struct signed_text all[CASES];

	(void)state;
	for (int i = 0; i < CASES; i++) {
		struct signed_text *s = &all[i];
		uint8_t r[32], a[32];

		*s = make();
		crypto_core_ed25519_scalar_random(a);
		crypto_core_ed25519_scalar_random(r);
		assert_int_equal(crypto_scalarmult_ed25519_base_noclamp(s->key, a), 0);
		assert_int_equal(crypto_scalarmult_ed25519_base_noclamp(s->sig, r), 0);
		s->sig[31] ^= 0x80;
		solve(s, r, a);
	}
	assert_int_equal(compare(all), 0);
}

// The equation holds, but with a key or an R of small order: anybody can make these.
static void test_small_order(void **state)
{
	static const uint8_t zero[32];
	struct signed_text all[CASES];

	(void)state;
	for (int i = 0; i < CASES; i++) {
		uint8_t r[32], a[32];
		struct signed_text *s = &all[i];

		*s = make();
		crypto_core_ed25519_scalar_random(a);
		crypto_core_ed25519_scalar_random(r);
		assert_int_equal(crypto_scalarmult_ed25519_base_noclamp(s->key, a), 0);
		assert_int_equal(crypto_scalarmult_ed25519_base_noclamp(s->sig, r), 0);
		if (i % 3 == 0) {
			memcpy(s->sig, neutral, sizeof(neutral));
			solve(s, zero, a);
		} else {
			memcpy(s->key, i % 3 == 1 ? neutral : eighth, sizeof(neutral));
			solve(s, r, zero);
		}
	}
	assert_int_equal(compare(all), 0);
}

// A cache that holds nothing yet has no key of zeros either: what is no point must not spoil the
// inversion that a batch has in common.
static void test_zeros_in_an_empty_cache(void **state)
{
	struct key_cache *empty = key_cache_new(16);
	struct signed_text all[CASES];
	bool expected[CASES];

	(void)state;
	assert_non_null(empty);
	for (int i = 0; i < CASES; i++) {
		all[i] = make();
		expected[i] = i % 4 != 0; // a whole group of eight, and more
		if (!expected[i])
			memset(all[i].key, 0, sizeof(all[i].key));
	}
	verify_in_batches(empty, BATCH_MAX - 1, all, expected);
	key_cache_free(empty);
}

static unsigned known(struct key_cache *cache, const struct signed_text all[CASES])
{
	struct key_powers powers;
	unsigned found = 0;

	for (int i = 0; i < CASES; i++)
		found += key_cache_find(cache, all[i].key, &powers);
	return found;
}

// Nobody fills the cache, or puts into it what is no point, with signatures that are wrong.
static void test_wrong_signatures_make_no_key_known(void **state)
{
	struct key_cache *cache = key_cache_new(4096);
	struct signed_text all[CASES];
	bool expected[CASES] = {false};

	(void)state;
	assert_non_null(cache);
	for (int i = 0; i < CASES; i++) {
		all[i] = make();
		all[i].sig[40] ^= 1;
	}
	verify_in_batches(cache, BATCH_MAX - 1, all, expected);
	assert_int_equal(known(cache, all), 0);
	for (int i = 0; i < CASES; i++) {
		all[i].sig[40] ^= 1;
		expected[i] = true;
	}
	verify_in_batches(cache, BATCH_MAX - 1, all, expected);
	if (known(cache, all)) // where eight are verified at once
		assert_int_equal(known(cache, all), CASES);
	key_cache_free(cache);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_right_and_wrong),
	    cmocka_unit_test(test_malleable),
	    cmocka_unit_test(test_odd_points),
	    cmocka_unit_test(test_mixed_order),
	    cmocka_unit_test(test_other_sign),
	    cmocka_unit_test(test_small_order),
	    cmocka_unit_test(test_zeros_in_an_empty_cache),
	    cmocka_unit_test(test_wrong_signatures_make_no_key_known),
	};

	int failed;

	caches[1] = key_cache_new(16);
	caches[2] = key_cache_new(4096);
	if (identity_init() || !caches[1] || !caches[2])
		return 1;
	failed = cmocka_run_group_tests_name("crypto_verify", tests, NULL, NULL);
	key_cache_free(caches[1]);
	key_cache_free(caches[2]);
	return failed;
}
