// SPDX-License-Identifier: BSD-3-Clause
// The key vectors of wire-tunnel.md section 10 by libsodium: they belong together, and the PILS
// vectors open with them to the packet vector, so that docs/wire-format.md speaks of the real
// bytes.
#include "tests/unit/vectors.h"

#include <sodium.h>

static const char *const file = "wire-tunnel.txt";

enum { KEY_SIZE = 32, AAD_SIZE = 4 };

static void scalar(uint8_t first, uint8_t out[KEY_SIZE])
{
	for (int i = 0; i < KEY_SIZE; i++)
		out[i] = (uint8_t)(first + i);
}

static void shared_secret(uint8_t out[KEY_SIZE])
{
	struct vector b = vector_load(file, "x25519-public-b");
	uint8_t a[KEY_SIZE];

	scalar(1, a);
	assert_int_equal(crypto_scalarmult(out, a, b.data), 0);
}

// The older schedule has a colon in its label, the newer one has none and is HKDF with an empty
// salt.
static void key_sha256(uint8_t out[KEY_SIZE])
{
	uint8_t text[16 + KEY_SIZE];

	memcpy(text, "pilot-tunnel-v1:", 16);
	shared_secret(text + 16);
	crypto_hash_sha256(out, text, sizeof(text));
}

static void hmac(
    uint8_t out[KEY_SIZE], const uint8_t *key, size_t key_len, const uint8_t *text, size_t len)
{
	crypto_auth_hmacsha256_state state;

	crypto_auth_hmacsha256_init(&state, key, key_len);
	crypto_auth_hmacsha256_update(&state, text, len);
	crypto_auth_hmacsha256_final(&state, out);
}

static void key_hkdf(uint8_t out[KEY_SIZE])
{
	uint8_t shared[KEY_SIZE], extracted[KEY_SIZE];

	shared_secret(shared);
	hmac(extracted, (const uint8_t *)"", 0, shared, sizeof(shared));
	hmac(out, extracted, sizeof(extracted), (const uint8_t *)"pilot-tunnel-v1\x01", 16);
}

static void keys_follow_from_each_other(void **state)
{
	uint8_t a[KEY_SIZE], b[KEY_SIZE], got[KEY_SIZE];

	(void)state;
	scalar(0x01, a);
	scalar(0x21, b);
	crypto_scalarmult_base(got, a);
	assert_memory_equal(got, vector_load(file, "x25519-public-a").data, KEY_SIZE);
	crypto_scalarmult_base(got, b);
	assert_memory_equal(got, vector_load(file, "x25519-public-b").data, KEY_SIZE);
	shared_secret(got);
	assert_memory_equal(got, vector_load(file, "x25519-shared").data, KEY_SIZE);
	key_sha256(got);
	assert_memory_equal(got, vector_load(file, "aes-key-sha256").data, KEY_SIZE);
	key_hkdf(got);
	assert_memory_equal(got, vector_load(file, "aes-key-hkdf").data, KEY_SIZE);
}

static void sealed_packets_open(void **state)
{
	static const struct {
		const char *name;
		void (*key)(uint8_t *);
		size_t aad;
	} facts[] = {
	    {"pils-syn-hkdf", key_hkdf, AAD_SIZE},
	    {"pils-syn-sha256", key_sha256, 0},
	};
	struct vector syn = vector_load(file, "packet-syn");

	(void)state;
	if (!crypto_aead_aes256gcm_is_available())
		skip();
	for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++) {
		struct vector v = vector_load(file, facts[i].name);
		uint8_t key[KEY_SIZE], plain[128];
		unsigned long long len;

		facts[i].key(key);
		// magic, node (the additional data), nonce, ciphertext with tag
		assert_int_equal(crypto_aead_aes256gcm_decrypt(plain, &len, NULL, v.data + 20,
				     v.len - 20, v.data + 4, facts[i].aad, v.data + 8, key),
		    0);
		assert_int_equal(len, syn.len);
		assert_memory_equal(plain, syn.data, syn.len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(keys_follow_from_each_other),
	    cmocka_unit_test(sealed_packets_open),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
