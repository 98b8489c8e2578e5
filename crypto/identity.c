// SPDX-License-Identifier: BSD-3-Clause
#include "crypto/identity.h"

#include "crypto/verify_x8.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <string.h>

static_assert(IDENTITY_KEY_SIZE == crypto_sign_PUBLICKEYBYTES, "public key");
static_assert(IDENTITY_SECRET_SIZE == crypto_sign_SECRETKEYBYTES, "secret key");
static_assert(IDENTITY_SEED_SIZE == crypto_sign_SEEDBYTES, "seed");
static_assert(IDENTITY_SIG_SIZE == crypto_sign_BYTES, "signature");

// Below this libsodium, one after the other, is faster.
enum { LANES_WORTHWHILE = 2 };

static bool has_lanes;

static void lanes_init(void)
{
#if FAIRWAY_VERIFY_X8
	has_lanes = verify_x8_works();
	if (has_lanes)
		verify_x8_init();
#endif
}

int identity_init(void)
{
	if (sodium_init() < 0)
		return -EIO;
	lanes_init();
	return 0;
}

void identity_derive(const uint8_t seed[IDENTITY_SEED_SIZE], uint8_t key[IDENTITY_KEY_SIZE],
    uint8_t secret[IDENTITY_SECRET_SIZE])
{
	crypto_sign_seed_keypair(key, secret, seed);
}

void identity_sign(const uint8_t secret[IDENTITY_SECRET_SIZE], const void *msg, size_t len,
    uint8_t sig[IDENTITY_SIG_SIZE])
{
	crypto_sign_detached(sig, NULL, msg, len, secret);
}

bool identity_verify(const uint8_t key[IDENTITY_KEY_SIZE], const void *msg, size_t len,
    const uint8_t sig[IDENTITY_SIG_SIZE])
{
	return crypto_sign_verify_detached(sig, msg, len, key) == 0;
}

static void verify_some(struct key_cache *keys, struct identity_check *checks, size_t count)
{
#if FAIRWAY_VERIFY_X8
	if (has_lanes && count >= LANES_WORTHWHILE) {
		verify_x8(keys, checks, (unsigned)count);
		return;
	}
#endif
	(void)keys;
	for (size_t i = 0; i < count; i++)
		checks[i].valid =
		    identity_verify(checks[i].key, checks[i].msg, checks[i].len, checks[i].sig);
}

void identity_verify_many(struct key_cache *keys, struct identity_check *checks, size_t count)
{
	for (size_t done = 0; done < count; done += IDENTITY_VERIFY_BATCH)
		verify_some(keys, checks + done,
		    count - done < IDENTITY_VERIFY_BATCH ? count - done : IDENTITY_VERIFY_BATCH);
}

void identity_random(void *out, size_t len)
{
	randombytes_buf(out, len);
}

void keyed_hash(const uint8_t key[KEYED_HASH_KEY_SIZE], const void *data, size_t len, uint8_t *out,
    size_t out_len)
{
	crypto_generichash(out, out_len, data, len, key, KEYED_HASH_KEY_SIZE);
}

bool bytes_equal_secret(const void *a, const void *b, size_t len)
{
	return sodium_memcmp(a, b, len) == 0;
}

bool text_equal_secret(const char *a, const char *b)
{
	size_t len = strlen(a);

	return len == strlen(b) && bytes_equal_secret(a, b, len);
}
