// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Ed25519 identities of nodes (RFC 8032, through libsodium) and the keyed hash that challenges
// are made of. All functions are pure and safe on every thread once identity_init() has returned.

enum {
	IDENTITY_KEY_SIZE = 32,	   // public key
	IDENTITY_SECRET_SIZE = 64, // seed and public key
	IDENTITY_SEED_SIZE = 32,
	IDENTITY_SIG_SIZE = 64,
	KEYED_HASH_KEY_SIZE = 32,
	IDENTITY_VERIFY_BATCH = 64, // so many signatures at once cost the least each
};

// Call once before any other function here. 0 or -EIO when the library cannot work.
int identity_init(void);

// Derives the key pair of a seed.
void identity_derive(const uint8_t seed[IDENTITY_SEED_SIZE], uint8_t key[IDENTITY_KEY_SIZE],
    uint8_t secret[IDENTITY_SECRET_SIZE]);

void identity_sign(const uint8_t secret[IDENTITY_SECRET_SIZE], const void *msg, size_t len,
    uint8_t sig[IDENTITY_SIG_SIZE]);

// True only for a valid signature; low-order keys and malleable signatures are refused.
bool identity_verify(const uint8_t key[IDENTITY_KEY_SIZE], const void *msg, size_t len,
    const uint8_t sig[IDENTITY_SIG_SIZE]);

// The same for any number at once: on processors with AVX-512 IFMA eight cost little more than one,
// IDENTITY_VERIFY_BATCH less than eight eights, and keys that were seen before half. `keys` may be
// NULL.
struct key_cache;
struct identity_check {
	const uint8_t *key, *sig;
	const void *msg;
	size_t len;
	bool valid; // the result
};
void identity_verify_many(struct key_cache *keys, struct identity_check *checks, size_t count);

// Fills with bytes of the system's generator.
void identity_random(void *out, size_t len);

// BLAKE2b with a key; `out_len` 16 to 64 bytes.
void keyed_hash(const uint8_t key[KEYED_HASH_KEY_SIZE], const void *data, size_t len, uint8_t *out,
    size_t out_len);

// Compares in constant time.
bool bytes_equal_secret(const void *a, const void *b, size_t len);
// The same of texts; how long they are is no secret.
bool text_equal_secret(const char *a, const char *b);
