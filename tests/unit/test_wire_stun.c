// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/unit.h"
#include "tests/unit/vectors.h"
#include "wire/stun.h"

#define FILE_NAME "rfc5769.txt"

static const uint8_t transaction[STUN_TRANSACTION_SIZE] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
static const struct stun_options plain;
static const struct stun_options full = {.software = "Fairway", .fingerprint = true};

// A Binding request with these attributes and the right length.
static struct vector request(const char *attributes)
{
	struct vector v = vector_from_hex("0001 0000 2112a442 000102030405060708090a0b");
	struct vector tail = vector_from_hex(attributes);

	memcpy(v.data + v.len, tail.data, tail.len);
	v.len += tail.len;
	store_be16(v.data + 2, (uint16_t)tail.len);
	return v;
}

static void rfc5769_request(void **state)
{
	struct vector v = vector_load(FILE_NAME, "request");
	struct stun_message m;
	(void)state;

	assert_int_equal(stun_parse(v.data, v.len, &m), 0);
	assert_int_equal(m.type, STUN_BINDING_REQUEST);
	assert_ptr_equal(m.transaction, v.data + 8);
	assert_true(m.has_fingerprint);
	assert_int_equal(m.software_len, strlen("STUN test client"));
	assert_memory_equal(m.software, "STUN test client", m.software_len);
	assert_int_equal(m.unknown_count, 1);
	assert_int_equal(m.unknown[0], 0x0024); // PRIORITY, of ICE
}

static void rfc5769_responses(void **state)
{
	static const struct {
		const char *name, *mapped;
	} facts[] = {
	    {"response-v4", "192.0.2.1:32853"},
	    {"response-v6", "[2001:db8:1234:5678:11:2233:4455:6677]:32853"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		struct vector v = vector_load(FILE_NAME, facts[i].name);
		struct stun_message m;
		char text[ENDPOINT_TEXT_MAX];

		assert_int_equal(stun_parse(v.data, v.len, &m), 0);
		assert_int_equal(m.type, STUN_BINDING_SUCCESS);
		assert_true(m.has_fingerprint && m.has_mapped);
		assert_int_equal(m.unknown_count, 0);
		assert_memory_equal(m.software, "test vector", m.software_len);
		endpoint_format(&m.mapped, text, sizeof(text));
		assert_string_equal(text, facts[i].mapped);
	}
}

static void rfc5769_long_term(void **state)
{
	struct vector v = vector_load(FILE_NAME, "request-long-term");
	struct stun_message m;
	(void)state;

	assert_int_equal(stun_parse(v.data, v.len, &m), 0);
	assert_int_equal(m.unknown_count, 0);
	assert_false(m.has_fingerprint);
}

static void rfc5769_corruption_is_seen(void **state)
{
	static const char *const names[] = {"request", "response-v4", "response-v6"};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct vector v = vector_load(FILE_NAME, names[i]);

		for (size_t bit = 0; bit < v.len * 8; bit++) {
			struct stun_message m;
			v.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
			// a bit of the fingerprint's type turns it into another attribute
			assert_true(stun_parse(v.data, v.len, &m) < 0 || !m.has_fingerprint);
			v.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
	}
}

static void short_input(void **state)
{
	struct vector v = vector_load(FILE_NAME, "request");
	(void)state;

	for (size_t len = 0; len < v.len; len++) {
		uint8_t *copy = exact_copy(v.data, len);
		struct stun_message m;
		assert_int_equal(stun_parse(copy, len, &m), -EBADMSG);
		free(copy);
	}
}

static void headers(void **state)
{
	static const struct {
		const char *hex;
		int result;
	} facts[] = {
	    {"0001 0000 2112a442 000102030405060708090a0b", 0},
	    {"0011 0000 2112a442 000102030405060708090a0b", 0},
	    {"0101 0000 2112a442 000102030405060708090a0b", 0},
	    {"0111 0000 2112a442 000102030405060708090a0b", 0},
	    {"0003 0000 2112a442 000102030405060708090a0b", -EBADMSG}, // Allocate, of TURN
	    {"4001 0000 2112a442 000102030405060708090a0b", -EBADMSG},
	    {"0001 0000 2112a443 000102030405060708090a0b", -EBADMSG},
	    {"0001 0004 2112a442 000102030405060708090a0b", -EBADMSG},
	    {"0001 0000 2112a442 000102030405060708090a0b 00000000", -EBADMSG},
	    {"0001 0002 2112a442 000102030405060708090a0b 0000", -EBADMSG},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		struct vector v = vector_from_hex(facts[i].hex);
		struct stun_message m;

		assert_int_equal(stun_parse(v.data, v.len, &m), facts[i].result);
	}
}

static void attributes(void **state)
{
	static const struct {
		const char *hex;
		int result;
		uint8_t unknown;
	} facts[] = {
	    {"", 0, 0}, {"8022 0001 41000000", 0, 0}, {"8022 0000", 0, 0},
	    {"8022 0005 41000000", -EINVAL, 0},	    // value cut short
	    {"8022 ffff 41000000", -EINVAL, 0},	    //
	    {"0003 0004 00000006", 0, 1},	    // CHANGE-REQUEST, of RFC 5780
	    {"7fff 0000 7ffe 0000", 0, 2},	    //
	    {"8fff 0000", 0, 0},		    // unknown, optional
	    {"000a 0004 7fff 7ffe", 0, 0},	    // UNKNOWN-ATTRIBUTES, of error responses
	    {"0008 0000 7fff 0000", 0, 0},	    // behind MESSAGE-INTEGRITY: ignored
	    {"001c 0000 7fff 0000", 0, 0},	    // behind MESSAGE-INTEGRITY-SHA256: ignored
	    {"0020 0008 0001 a147 e112a643", 0, 0}, //
	    {"0020 0008 0002 a147 e112a643", -EINVAL, 0}, // length of IPv4, family of IPv6
	    {"0020 0008 0003 a147 e112a643", -EINVAL, 0}, // no such family
	    {"0020 0004 0001 a147", -EINVAL, 0},	  //
	    {"0020 0000", -EINVAL, 0},			  //
	    {"0009 0004 00000214", -EINVAL, 0},		  // class 2
	    {"0009 0004 00000764", -EINVAL, 0},		  // class 7
	    {"0009 0004 00000464", -EINVAL, 0},		  // number 100
	    {"0009 0000", -EINVAL, 0},			  //
	    {"8028 0004 00000000", -EBADMSG, 0},	  // wrong
	    {"8028 0000", -EBADMSG, 0},			  //
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		struct vector v = request(facts[i].hex);
		uint8_t *copy = exact_copy(v.data, v.len);
		struct stun_message m;

		assert_int_equal(stun_parse(copy, v.len, &m), facts[i].result);
		if (facts[i].result != -EBADMSG) {
			assert_int_equal(m.type, STUN_BINDING_REQUEST);
			assert_memory_equal(m.transaction, transaction, sizeof(transaction));
			assert_int_equal(m.unknown_count, facts[i].unknown);
		}
		free(copy);
	}
}

static void fingerprint_must_be_last(void **state)
{
	struct stun_message m;
	uint8_t buf[STUN_BUILD_MAX];
	struct stun_options options = {.fingerprint = true};
	int len = stun_request_build(buf, sizeof(buf), transaction, &options);
	(void)state;

	assert_int_equal(len, 28);
	assert_int_equal(stun_parse(buf, (size_t)len, &m), 0);
	memcpy(buf + len, "\x80\x22\0\0", 4);
	store_be16(buf + 2, 12);
	assert_int_equal(stun_parse(buf, (size_t)len + 4, &m), -EBADMSG);
}

static void unknown_attributes_are_bounded(void **state)
{
	uint8_t buf[STUN_HEADER_SIZE + 4 * 100];
	struct stun_message m;
	(void)state;

	assert_int_equal(stun_request_build(buf, sizeof(buf), transaction, &plain), 20);
	for (size_t i = 0; i < 100; i++)
		store_be32(buf + 20 + 4 * i, (uint32_t)(0x7000 + i) << 16);
	store_be16(buf + 2, 400);
	assert_int_equal(stun_parse(buf, sizeof(buf), &m), 0);
	assert_int_equal(m.unknown_count, STUN_UNKNOWN_MAX);
	assert_int_equal(m.unknown[STUN_UNKNOWN_MAX - 1], 0x7000 + STUN_UNKNOWN_MAX - 1);
}

static void success_both_ways(void **state)
{
	static const struct {
		const char *text;
		const struct stun_options *options;
		int len;
	} facts[] = {
	    {"192.0.2.1:32853", &plain, 32},
	    {"[2001:db8::1]:9001", &plain, 44},
	    {"0.0.0.0:0", &full, 32 + 12 + 8},
	    {"[2001:db8::1]:9001", &full, 44 + 12 + 8},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		uint8_t buf[STUN_BUILD_MAX];
		struct endpoint e;
		struct stun_message m;
		int len;

		assert_int_equal(endpoint_parse(facts[i].text, 0, &e), 0);
		len = stun_success_build(buf, sizeof(buf), transaction, &e, facts[i].options);
		assert_int_equal(len, facts[i].len);
		for (int cap = 0; cap < len; cap++)
			assert_int_equal(
			    stun_success_build(buf, (size_t)cap, transaction, &e, facts[i].options),
			    -ENOBUFS);
		stun_success_build(buf, (size_t)len, transaction, &e, facts[i].options);
		assert_int_equal(stun_parse(buf, (size_t)len, &m), 0);
		assert_int_equal(m.type, STUN_BINDING_SUCCESS);
		assert_memory_equal(m.transaction, transaction, sizeof(transaction));
		assert_true(m.has_mapped && endpoint_equal(&m.mapped, &e));
		assert_int_equal(m.has_fingerprint, facts[i].options->fingerprint);
		assert_int_equal(m.software != NULL, facts[i].options->software != NULL);
	}
}

static void success_has_the_attribute_of_rfc5769(void **state)
{
	struct vector v = vector_load(FILE_NAME, "response-v4");
	struct vector wanted = vector_from_hex("0020 0008 0001 a147 e112a643");
	struct stun_message m;
	uint8_t buf[STUN_BUILD_MAX];
	(void)state;

	assert_int_equal(stun_parse(v.data, v.len, &m), 0);
	assert_int_equal(
	    stun_success_build(buf, sizeof(buf), m.transaction, &m.mapped, &plain), 32);
	assert_memory_equal(buf + 20, wanted.data, wanted.len);
}

static void errors_both_ways(void **state)
{
	static const struct {
		const char *attributes;
		enum stun_error code;
		uint8_t unknown;
	} facts[] = {
	    {"0003 0004 00000006", STUN_UNKNOWN_ATTRIBUTE, 1},
	    {"7000 0000 7001 0000 7002 0000", STUN_UNKNOWN_ATTRIBUTE, 3},
	    {"", STUN_BAD_REQUEST, 0},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		struct vector v = request(facts[i].attributes);
		struct stun_message in, out;
		uint8_t buf[STUN_BUILD_MAX];
		int len;

		assert_int_equal(stun_parse(v.data, v.len, &in), 0);
		len = stun_error_build(buf, sizeof(buf), &in, facts[i].code, &full);
		assert_true(len > 0);
		for (int cap = 0; cap < len; cap++)
			assert_int_equal(
			    stun_error_build(buf, (size_t)cap, &in, facts[i].code, &full),
			    -ENOBUFS);
		stun_error_build(buf, (size_t)len, &in, facts[i].code, &full);
		assert_int_equal(stun_parse(buf, (size_t)len, &out), 0);
		assert_int_equal(out.type, STUN_BINDING_ERROR);
		assert_int_equal(out.error_code, facts[i].code);
		assert_memory_equal(out.transaction, transaction, sizeof(transaction));
		assert_int_equal(out.unknown_count, facts[i].unknown);
		assert_memory_equal(out.unknown, in.unknown, 2u * in.unknown_count);
		assert_true(out.has_fingerprint);
	}
}

static void longest_software_fits(void **state)
{
	char text[300];
	uint8_t buf[STUN_BUILD_MAX];
	struct stun_options options = {.software = text, .fingerprint = true};
	struct stun_message in = {.transaction = transaction, .unknown_count = STUN_UNKNOWN_MAX},
			    out;
	int len;
	(void)state;

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	len = stun_error_build(buf, sizeof(buf), &in, STUN_UNKNOWN_ATTRIBUTE, &options);
	assert_true(len > 0);
	assert_int_equal(stun_parse(buf, (size_t)len, &out), 0);
	assert_int_equal(out.software_len, 127);
}

static void beacon_messages_are_not_stun(void **state)
{
	struct vector discover = vector_from_hex("01 01020304 00000000000000000000000000000000");
	(void)state;

	assert_int_equal(discover.len, 21);
	assert_false(stun_is_message(discover.data, discover.len));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(rfc5769_request),
	    cmocka_unit_test(rfc5769_responses),
	    cmocka_unit_test(rfc5769_long_term),
	    cmocka_unit_test(rfc5769_corruption_is_seen),
	    cmocka_unit_test(short_input),
	    cmocka_unit_test(headers),
	    cmocka_unit_test(attributes),
	    cmocka_unit_test(fingerprint_must_be_last),
	    cmocka_unit_test(unknown_attributes_are_bounded),
	    cmocka_unit_test(success_both_ways),
	    cmocka_unit_test(success_has_the_attribute_of_rfc5769),
	    cmocka_unit_test(errors_both_ways),
	    cmocka_unit_test(longest_software_fits),
	    cmocka_unit_test(beacon_messages_are_not_stun),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
