// SPDX-License-Identifier: BSD-3-Clause
#include "base/address.h"
#include "base/clock.h"
#include "tests/unit/unit.h"

static void numbers(void **state)
{
	static const struct {
		const char *text;
		uint64_t min, max;
		int rc;
		uint64_t value;
		const char *error;
	} facts[] = {
	    {"0", 0, 9, 0, 0, ""},
	    {"9", 0, 9, 0, 9, ""},
	    {"18446744073709551615", 0, UINT64_MAX, 0, UINT64_MAX, ""},
	    {"10", 0, 9, -ERANGE, 0, "\"10\" is out of range: 0 to 9"},
	    {"0", 1, UINT64_MAX, -ERANGE, 0, "\"0\" is out of range: at least 1"},
	    {"18446744073709551616", 0, 9, -ERANGE, 0,
		"\"18446744073709551616\" is out of range: 0 to 9"},
	    {"", 0, 9, -EINVAL, 0, "\"\" is no whole number from 0 to 9"},
	    {"-1", 0, 9, -EINVAL, 0, "\"-1\" is no whole number from 0 to 9"},
	    {"+1", 0, 9, -EINVAL, 0, "\"+1\" is no whole number from 0 to 9"},
	    {" 1", 0, 9, -EINVAL, 0, "\" 1\" is no whole number from 0 to 9"},
	    {"1x", 0, 9, -EINVAL, 0, "\"1x\" is no whole number from 0 to 9"},
	    {"0x1", 0, 9, -EINVAL, 0, "\"0x1\" is no whole number from 0 to 9"},
	    {"1.5", 0, 9, -EINVAL, 0, "\"1.5\" is no whole number from 0 to 9"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		struct parse_error error = {0};
		uint64_t value = 0;

		assert_int_equal(
		    parse_uint(facts[i].text, facts[i].min, facts[i].max, &value, &error),
		    facts[i].rc);
		assert_int_equal(value, facts[i].value);
		assert_string_equal(error.text, facts[i].error);
	}
}

static void sizes(void **state)
{
	static const struct {
		const char *text;
		int rc;
		uint64_t value;
	} facts[] = {
	    {"0", 0, 0},
	    {"1", 0, 1},
	    {"16M", 0, 16 << 20},
	    {"16m", 0, 16 << 20},
	    {"16MiB", 0, 16 << 20},
	    {"16 MiB", 0, 16 << 20},
	    {"4K", 0, 4096},
	    {"1G", 0, 1 << 30},
	    {"1T", 0, 1ULL << 40},
	    {"100B", 0, 100},
	    {"2T", -ERANGE, 0},
	    {"99999999999999T", -ERANGE, 0},
	    {"M", -EINVAL, 0},
	    {"16X", -EINVAL, 0},
	    {"1.5M", -EINVAL, 0},
	    {"16MM", -EINVAL, 0},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		uint64_t value = 0;

		assert_int_equal(
		    parse_size(facts[i].text, 0, 1ULL << 40, &value, NULL), facts[i].rc);
		assert_int_equal(value, facts[i].value);
	}
}

static void durations(void **state)
{
	static const struct {
		const char *text;
		int rc;
		uint64_t value;
		const char *error;
	} facts[] = {
	    {"0", 0, 0, ""},
	    {"90s", 0, 90 * NS_PER_S, ""},
	    {"10m", 0, 600 * NS_PER_S, ""},
	    {"250ms", 0, 250 * NS_PER_MS, ""},
	    {"5us", 0, 5 * NS_PER_US, ""},
	    {"7ns", 0, 7, ""},
	    {"1h", 0, 3600 * NS_PER_S, ""},
	    {"1d", 0, 86400 * NS_PER_S, ""},
	    {"2d", -ERANGE, 0, "\"2d\" is out of range: 0 to 24h"},
	    {"99999999999d", -ERANGE, 0, "\"99999999999d\" is out of range: 0 to 24h"},
	    {"90", -EINVAL, 0, "\"90\" is no duration: write a number with us, ms, s, m, h or d"},
	    {"s", -EINVAL, 0, "\"s\" is no duration: write a number with us, ms, s, m, h or d"},
	    {"1m30s", -EINVAL, 0,
		"\"1m30s\" is no duration: write a number with us, ms, s, m, h or d"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		struct parse_error error = {0};
		uint64_t value = 0;

		assert_int_equal(parse_duration(facts[i].text, 0, 86400 * NS_PER_S, &value, &error),
		    facts[i].rc);
		assert_int_equal(value, facts[i].value);
		assert_string_equal(error.text, facts[i].error);
	}
}

static void what_is_written_reads_back(void **state)
{
	static const uint64_t values[] = {0, 1, 1023, 1024, 1536, 4096, 1000000, 16 << 20,
	    90 * NS_PER_S, 600 * NS_PER_S, 61 * NS_PER_S, 250 * NS_PER_MS, 86400 * NS_PER_S,
	    1ULL << 62, 1500};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		char text[64];
		uint64_t back = 1;

		assert_int_equal(
		    parse_size(format_size(text, values[i]), 0, UINT64_MAX, &back, NULL), 0);
		assert_int_equal(back, values[i]);
		assert_int_equal(
		    parse_duration(format_duration(text, values[i]), 0, UINT64_MAX, &back, NULL),
		    0);
		assert_int_equal(back, values[i]);
	}
}

static void addresses(void **state)
{
	static const struct {
		const char *text;
		bool port_optional;
		const char *printed; // NULL: refused
	} facts[] = {
	    {"192.0.2.1:9001", false, "192.0.2.1:9001"},
	    {"[2001:db8::1]:9001", false, "[2001:db8::1]:9001"},
	    {"[::]:1", false, "[::]:1"},
	    {"[::1%lo]:9001", false, "[::1%lo]:9001"},
	    {"192.0.2.1", true, "192.0.2.1"},
	    {"2001:db8::1", true, "2001:db8::1"},
	    {"[2001:db8::1]", true, "2001:db8::1"},
	    {"192.0.2.1:65535", true, "192.0.2.1:65535"},
	    {"192.0.2.1", false, NULL},
	    {"2001:db8::1", false, NULL},
	    {"192.0.2.1:0", false, NULL},
	    {"192.0.2.1:65536", false, NULL},
	    {"192.0.2.1:", false, NULL},
	    {":9001", false, NULL},
	    {"9001", false, NULL},
	    {"", true, NULL},
	    {"host:9001", false, NULL},
	    {"192.0.2.1.5:9001", false, NULL},
	    {"[::1", true, NULL},
	    {"[::1]9001", true, NULL},
	    {"[::1%no-such-if]:9001", false, NULL},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		struct parse_error error = {0};
		union socket_address at;
		char text[64];
		int rc = parse_address(facts[i].text, facts[i].port_optional, &at, &error);

		if (facts[i].printed) {
			assert_int_equal(rc, 0);
			assert_string_equal(format_address(text, &at), facts[i].printed);
		} else {
			assert_true(rc < 0);
			assert_true(error.text[0] == '"');
		}
	}
}

static void addresses_of_the_same_text_are_the_same_bytes(void **state)
{
	static const char *const texts[] = {"192.0.2.1:9001", "[2001:db8::1]:9001"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		union socket_address a, b;

		memset(&a, 0x55, sizeof(a));
		memset(&b, 0xaa, sizeof(b));
		assert_int_equal(parse_address(texts[i], false, &a, NULL), 0);
		assert_int_equal(parse_address(texts[i], false, &b, NULL), 0);
		assert_memory_equal(&a, &b, sizeof(a));
	}
}

static void unspecified_addresses(void **state)
{
	static const struct {
		const char *text;
		bool any;
	} facts[] = {
	    {"0.0.0.0:9001", true},
	    {"[::]:9001", true},
	    {"0.0.0.1:9001", false},
	    {"127.0.0.1:9001", false},
	    {"[::1]:9001", false},
	    {"[::ffff:0.0.0.0]:9001", false},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		union socket_address at, reach;

		assert_int_equal(parse_address(facts[i].text, false, &at, NULL), 0);
		assert_int_equal(socket_address_is_any(&at), facts[i].any);
		reach = socket_address_reachable(&at);
		assert_false(socket_address_is_any(&reach));
		assert_int_equal(ntohs(reach.v4.sin_port), 9001);
		if (!facts[i].any)
			assert_memory_equal(&reach, &at, sizeof(at));
	}
}

static void nearest(void **state)
{
	static const char *const names[] = {"listen", "workers", "admission.silence",
	    "admission.ttl", "ttl", "police.source-rate", NULL};
	static const struct {
		const char *text, *found;
	} facts[] = {
	    {"lisen", "listen"},
	    {"worker", "workers"},
	    {"wrokers", "workers"},
	    {"silence", "admission.silence"},
	    {"admission.til", "admission.ttl"},
	    {"police.source_rate", "police.source-rate"},
	    {"tl", "ttl"},
	    {"frobnicate", NULL},
	    {"", NULL},
	    {"x", NULL},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		const char *found = nearest_name(facts[i].text, names);

		if (facts[i].found)
			assert_string_equal(found, facts[i].found);
		else
			assert_null(found);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(numbers),
	    cmocka_unit_test(sizes),
	    cmocka_unit_test(durations),
	    cmocka_unit_test(what_is_written_reads_back),
	    cmocka_unit_test(addresses),
	    cmocka_unit_test(addresses_of_the_same_text_are_the_same_bytes),
	    cmocka_unit_test(unspecified_addresses),
	    cmocka_unit_test(nearest),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
