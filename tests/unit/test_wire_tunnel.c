// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/unit.h"
#include "tests/unit/vectors.h"
#include "wire/packet.h"
#include "wire/tunnel.h"

#define FILE_NAME "wire-tunnel.txt"

static void classify(void **state)
{
	static const struct {
		const char *hex;
		enum frame_magic magic;
		const char *name;
	} facts[] = {
	    {"50494c54", FRAME_PILT, "PILT"},
	    {"50494c53", FRAME_PILS, "PILS"},
	    {"50494c4b", FRAME_PILK, "PILK"},
	    {"50494c41", FRAME_PILA, "PILA"},
	    {"50494c50", FRAME_PILP, "PILP"},
	    {"50494c50 00000001", FRAME_PILP, "PILP"},
	    {"50494c46", 0, "unknown"}, // fragments of a branch that was never released
	    {"50494c", 0, "unknown"},
	    {"", 0, "unknown"},
	    {"51494c54", 0, "unknown"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		struct vector v = vector_from_hex(facts[i].hex);
		uint8_t *copy = exact_copy(v.data, v.len);
		enum frame_magic magic = frame_classify(copy, v.len);

		assert_int_equal(magic, facts[i].magic);
		assert_string_equal(frame_magic_name(magic), facts[i].name);
		free(copy);
	}
}

static void pila_of_the_vector(void **state)
{
	struct vector v = vector_load(FILE_NAME, "pila");
	struct vector key = vector_load(FILE_NAME, "x25519-public-a");
	struct vector auth = vector_from_hex("61757468 00000001");
	uint8_t message[PILA_SIGNED_SIZE], buf[PILA_SIZE];
	struct pila p;
	(void)state;

	assert_int_equal(v.len, PILA_SIZE);
	assert_int_equal(pila_parse(v.data, v.len, &p), 0);
	assert_int_equal(p.node, 1);
	assert_memory_equal(p.x25519, key.data, key.len);
	assert_ptr_equal(p.ed25519, v.data + 40);
	assert_ptr_equal(p.signature, v.data + 72);
	assert_int_equal(p.caps | p.flags, 0);
	pila_signed_message(message, p.node, p.x25519);
	assert_memory_equal(message, auth.data, 8);
	assert_memory_equal(message + 8, key.data, 32);
	assert_int_equal(pila_build(buf, sizeof(buf), &p), v.len);
	assert_memory_equal(buf, v.data, v.len);
	assert_int_equal(pila_build(buf, v.len - 1, &p), -ENOBUFS);
}

static void pila_trailers_both_ways(void **state)
{
	static const struct {
		const char *hex;
		uint64_t caps, flags;
	} facts[] = {
	    {"", 0, 0},
	    {"01", 1, 0},
	    {"7f", 127, 0},
	    {"8001", 128, 0},
	    {"0001", 0, PILA_REQUEST},
	    {"0002", 0, PILA_RESPONSE},
	    {"ac0203", 300, 3},
	    {"ffffffffffffffffff01 ffffffffffffffffff01", UINT64_MAX, UINT64_MAX},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		struct vector v = vector_load(FILE_NAME, "pila");
		struct vector trailer = vector_from_hex(facts[i].hex);
		uint8_t buf[PILA_SIZE_MAX];
		struct pila p;

		memcpy(v.data + v.len, trailer.data, trailer.len);
		v.len += trailer.len;
		assert_int_equal(pila_parse(v.data, v.len, &p), 0);
		assert_true(p.caps == facts[i].caps && p.flags == facts[i].flags);
		assert_int_equal(pila_build(buf, sizeof(buf), &p), v.len);
		assert_memory_equal(buf, v.data, v.len);
		assert_int_equal(pila_build(buf, v.len - 1, &p), -ENOBUFS);
	}
}

static void pila_broken_trailers_count_as_none(void **state)
{
	static const struct {
		const char *hex;
		uint64_t caps, flags;
	} facts[] = {
	    {"80", 0, 0},
	    {"ffffffffffffffffff02 01", 0, 0},	 // more than 64 bits
	    {"8080808080808080808000 01", 0, 0}, // more than 10 bytes
	    {"05 80", 5, 0},
	    {"05 01 ff", 5, 1},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		struct vector v = vector_load(FILE_NAME, "pila");
		struct vector trailer = vector_from_hex(facts[i].hex);
		struct pila p;

		memcpy(v.data + v.len, trailer.data, trailer.len);
		uint8_t *copy = exact_copy(v.data, v.len + trailer.len);
		assert_int_equal(pila_parse(copy, v.len + trailer.len, &p), 0);
		assert_true(p.caps == facts[i].caps && p.flags == facts[i].flags);
		free(copy);
	}
}

static void pils_of_the_vectors(void **state)
{
	static const char *const names[] = {"pils-syn-hkdf", "pils-syn-sha256"};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct vector v = vector_load(FILE_NAME, names[i]);
		uint8_t buf[PILS_SIZE];
		struct pils p;

		assert_int_equal(pils_parse(v.data, v.len, &p), 0);
		assert_int_equal(p.node, 1);
		assert_int_equal(p.prefix, 0x01020304);
		assert_int_equal(p.counter, 1);
		assert_ptr_equal(p.aad, v.data + 4);
		assert_ptr_equal(p.nonce, v.data + 8);
		assert_ptr_equal(p.sealed, v.data + 20);
		assert_int_equal(p.sealed_len, PACKET_HEADER_SIZE + PILS_TAG_SIZE);
		assert_int_equal(pils_build_header(buf, sizeof(buf), &p), PILS_SIZE);
		assert_memory_equal(buf, v.data, PILS_SIZE);
		assert_int_equal(pils_build_header(buf, PILS_SIZE - 1, &p), -ENOBUFS);
	}
}

static void pilk_both_ways(void **state)
{
	struct vector key = vector_load(FILE_NAME, "x25519-public-b");
	struct pilk in = {0xdeadbeef, key.data}, out;
	uint8_t buf[PILK_SIZE + 3] = {0};
	(void)state;

	assert_int_equal(pilk_build(buf, PILK_SIZE - 1, &in), -ENOBUFS);
	assert_int_equal(pilk_build(buf, PILK_SIZE, &in), PILK_SIZE);
	assert_memory_equal(buf, "PILK\xde\xad\xbe\xef", 8);
	assert_int_equal(pilk_parse(buf, sizeof(buf), &out), 0);
	assert_int_equal(out.node, in.node);
	assert_memory_equal(out.x25519, key.data, key.len);
}

static void pilt_both_ways(void **state)
{
	struct vector syn = vector_load(FILE_NAME, "packet-syn");
	uint8_t buf[PILT_SIZE + PACKET_HEADER_SIZE];
	struct pilt p;
	(void)state;

	assert_int_equal(pilt_build_header(buf, 3), -ENOBUFS);
	assert_int_equal(pilt_build_header(buf, sizeof(buf)), PILT_SIZE);
	memcpy(buf + PILT_SIZE, syn.data, syn.len);
	assert_int_equal(pilt_parse(buf, sizeof(buf), &p), 0);
	assert_int_equal(p.packet_len, syn.len);
	assert_memory_equal(p.packet, syn.data, syn.len);
}

static void pilp_is_four_bytes(void **state)
{
	uint8_t buf[4];
	(void)state;

	assert_int_equal(pilp_build(buf, 3), -ENOBUFS);
	assert_int_equal(pilp_build(buf, 4), 4);
	assert_memory_equal(buf, "PILP", 4);
}

static int parse(enum frame_magic magic, const uint8_t *data, size_t len)
{
	union {
		struct pila pila;
		struct pilk pilk;
		struct pils pils;
		struct pilt pilt;
	} out;

	switch (magic) {
	case FRAME_PILA:
		return pila_parse(data, len, &out.pila);
	case FRAME_PILK:
		return pilk_parse(data, len, &out.pilk);
	case FRAME_PILS:
		return pils_parse(data, len, &out.pils);
	case FRAME_PILT:
		return pilt_parse(data, len, &out.pilt);
	default:
		fail();
		return 0;
	}
}

static void every_minimum_and_one_less(void **state)
{
	static const struct {
		enum frame_magic magic;
		size_t min;
	} facts[] = {{FRAME_PILT, 38}, {FRAME_PILK, 40}, {FRAME_PILA, 136}, {FRAME_PILS, 36}};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		uint8_t data[256] = {0};

		store_be32(data, facts[i].magic);
		for (size_t len = 0; len <= facts[i].min; len++) {
			uint8_t *copy = exact_copy(data, len);
			int wanted = len < facts[i].min ? -EMSGSIZE : 0;
			assert_int_equal(parse(facts[i].magic, copy, len), wanted);
			free(copy);
		}
		data[3] = 'F';
		assert_int_equal(parse(facts[i].magic, data, facts[i].min), -EBADMSG);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(classify),
	    cmocka_unit_test(pila_of_the_vector),
	    cmocka_unit_test(pila_trailers_both_ways),
	    cmocka_unit_test(pila_broken_trailers_count_as_none),
	    cmocka_unit_test(pils_of_the_vectors),
	    cmocka_unit_test(pilk_both_ways),
	    cmocka_unit_test(pilt_both_ways),
	    cmocka_unit_test(pilp_is_four_bytes),
	    cmocka_unit_test(every_minimum_and_one_less),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
