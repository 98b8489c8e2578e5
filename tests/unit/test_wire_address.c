// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/unit.h"
#include "wire/address.h"

static void text_both_ways(void **state)
{
	static const struct {
		struct address address;
		const char *text;
	} facts[] = {
	    {{0, 0}, "0:0000.0000.0000"},
	    {{0, NODE_BEACON}, "0:0000.0000.0002"},
	    {{1, 0x00a3f291}, "1:0001.00A3.F291"},
	    {{163, 0xf2910004}, "163:00A3.F291.0004"},
	    {{9, NODE_BROADCAST}, "9:0009.FFFF.FFFF"},
	    {{65535, 0xffffffff}, "65535:FFFF.FFFF.FFFF"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		char text[ADDRESS_TEXT_MAX];
		struct address a;
		int len = address_format(facts[i].address, text, sizeof(text));

		assert_int_equal(len, strlen(facts[i].text));
		assert_string_equal(text, facts[i].text);
		assert_int_equal(address_format(facts[i].address, text, (size_t)len), -ENOBUFS);
		assert_int_equal(address_parse(facts[i].text, &a), 0);
		assert_true(address_equal(a, facts[i].address));
	}
}

static void text_refused(void **state)
{
	static const char *const facts[] = {
	    "",
	    "1",
	    "1:",
	    ":0001.00A3.F291",
	    "1:0002.00A3.F291", // the two networks differ
	    "1:00A3.F291.0004", // form of the draft
	    "1:1.00A3.F291",
	    "1:0001.A3.F291",
	    "1:0001.00A3.F29",
	    "1:0001.00A3.F2911",
	    "1:0001.00A3",
	    "1:0001.00A3.F291.0000",
	    "1:0001:00A3:F291",
	    "1:0001.00G3.F291",
	    "1:0001.00A3.F291 ",
	    " 1:0001.00A3.F291",
	    "-1:FFFF.00A3.F291",
	    "65536:0000.00A3.F291",
	    "4294967297:0001.00A3.F291",
	    "1:0001.00A3.F291:7",
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		struct address a = {7, 7};

		if (address_parse(facts[i], &a) != -EINVAL)
			fail_msg("accepted %s", facts[i]);
		assert_true(address_equal(a, (struct address){7, 7}));
	}
}

static void text_lower_case(void **state)
{
	struct address a;
	(void)state;

	assert_int_equal(address_parse("163:00a3.f291.0bcD", &a), 0);
	assert_true(address_equal(a, (struct address){163, 0xf2910bcd}));
}

static void socket_both_ways(void **state)
{
	char text[ADDRESS_SOCKET_TEXT_MAX];
	struct address a;
	uint16_t port;
	int len =
	    address_socket_format((struct address){65535, 0xffffffff}, 65535, text, sizeof(text));
	(void)state;

	assert_int_equal(len, ADDRESS_SOCKET_TEXT_MAX - 1);
	assert_string_equal(text, "65535:FFFF.FFFF.FFFF:65535");
	assert_int_equal(address_socket_parse(text, &a, &port), 0);
	assert_true(address_equal(a, (struct address){65535, 0xffffffff}));
	assert_int_equal(port, 65535);
	for (size_t cap = 0; cap < ADDRESS_SOCKET_TEXT_MAX - 1; cap++)
		assert_int_equal(address_socket_format(a, port, text, cap), -ENOBUFS);
}

static void socket_refused(void **state)
{
	static const char *const facts[] = {
	    "1:0001.00A3.F291",
	    "1:0001.00A3.F291:",
	    "1:0001.00A3.F291:65536",
	    "1:0001.00A3.F291:000007", // six digits
	    "1:0001.00A3.F291:-1",
	    "1:0001.00A3.F291:7 ",
	    "1:0001.00A3.F291:7:7",
	    "1:0002.00A3.F291:7",
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		struct address a;
		uint16_t port;

		if (address_socket_parse(facts[i], &a, &port) != -EINVAL)
			fail_msg("accepted %s", facts[i]);
	}
}

static void binary(void **state)
{
	uint8_t bytes[ADDRESS_SIZE];
	static const uint8_t wanted[] = {0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc};
	struct address a = {0x1234, 0x56789abc};
	(void)state;

	address_store(bytes, a);
	assert_memory_equal(bytes, wanted, sizeof(wanted));
	assert_true(address_equal(address_load(bytes), a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(text_both_ways),
	    cmocka_unit_test(text_refused),
	    cmocka_unit_test(text_lower_case),
	    cmocka_unit_test(socket_both_ways),
	    cmocka_unit_test(socket_refused),
	    cmocka_unit_test(binary),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
