// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/unit.h"
#include "wire/endpoint.h"

#include <arpa/inet.h>

static void text_both_ways(void **state)
{
	static const char *const facts[] = {
	    "192.0.2.1:9001",
	    "0.0.0.0:0",
	    "255.255.255.255:65535",
	    "[2001:db8::1]:9001",
	    "[::]:9001",
	    "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		struct endpoint e;
		char text[ENDPOINT_TEXT_MAX];

		assert_int_equal(endpoint_parse(facts[i], 0, &e), 0);
		assert_int_equal(endpoint_format(&e, text, sizeof(text)), strlen(facts[i]));
		assert_string_equal(text, facts[i]);
		assert_int_equal(endpoint_format(&e, text, strlen(facts[i])), -ENOBUFS);
	}
}

static void text_accepted(void **state)
{
	static const struct {
		const char *text;
		uint16_t default_port;
		const char *printed;
	} facts[] = {
	    {"192.0.2.1", 9001, "192.0.2.1:9001"},
	    {"192.0.2.1:5", 9001, "192.0.2.1:5"},
	    {"::1", 9001, "[::1]:9001"},
	    {"[::1]", 9001, "[::1]:9001"},
	    {"[::1]:5", 9001, "[::1]:5"},
	    {"2001:db8::9001", 7, "[2001:db8::9001]:7"},
	    {"[::ffff:192.0.2.1]:5", 0, "192.0.2.1:5"},
	    {"::ffff:192.0.2.1", 5, "192.0.2.1:5"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		struct endpoint e;
		char text[ENDPOINT_TEXT_MAX];

		assert_int_equal(endpoint_parse(facts[i].text, facts[i].default_port, &e), 0);
		assert_true(endpoint_format(&e, text, sizeof(text)) > 0);
		assert_string_equal(text, facts[i].printed);
	}
}

static void text_refused(void **state)
{
	static const struct {
		const char *text;
		uint16_t default_port;
	} facts[] = {
	    {"", 9001},
	    {":", 9001},
	    {":9001", 9001},
	    {"192.0.2.1", 0},
	    {"192.0.2.1:", 9001},
	    {"192.0.2.1:65536", 9001},
	    {"192.0.2.1:4294967297", 9001},
	    {"192.0.2.1:-1", 9001},
	    {"192.0.2.1: 1", 9001},
	    {"192.0.2.1:1x", 9001},
	    {"192.0.2.256:1", 9001},
	    {"192.0.2:1", 9001},
	    {"example.org:1", 9001},
	    {"2001:db8::1", 0},
	    {"[2001:db8::1]", 0},
	    {"[2001:db8::1", 9001},
	    {"[2001:db8::1]x", 9001},
	    {"[2001:db8::1]:", 9001},
	    {"[192.0.2.1]:5", 9001},
	    {"[]:5", 9001},
	    {"1:2:3", 9001},
	    {"0000:0000:0000:0000:0000:0000:0000:0000:0000:0000", 9001},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		struct endpoint e = {.port = 77};

		if (endpoint_parse(facts[i].text, facts[i].default_port, &e) != -EINVAL)
			fail_msg("accepted %s", facts[i].text);
		assert_int_equal(e.port, 77);
	}
}

static void compare(void **state)
{
	struct endpoint a = endpoint_from_v4(inet_addr("192.0.2.1"), 5);
	struct endpoint b = endpoint_from_v4(inet_addr("192.0.2.1"), 6);
	struct endpoint c = endpoint_from_v4(inet_addr("192.0.2.2"), 5);
	uint8_t v6[16] = {0x20, 0x01, [15] = 1};
	struct endpoint d = endpoint_from_v6(v6, 5);
	(void)state;

	assert_true(endpoint_equal(&a, &a));
	assert_false(endpoint_equal(&a, &b));
	assert_true(endpoint_same_addr(&a, &b));
	assert_false(endpoint_same_addr(&a, &c));
	assert_true(endpoint_is_v4(&a));
	assert_false(endpoint_is_v4(&d));
	assert_int_equal(endpoint_v4(&a), inet_addr("192.0.2.1"));
	for (int i = 0; i < 16; i++) {
		struct endpoint e = d;
		e.addr[i] ^= 0x80;
		assert_false(endpoint_same_addr(&d, &e));
	}
	for (int i = 0; i < 12; i++) {
		struct endpoint e = a;
		e.addr[i] ^= 1;
		assert_false(endpoint_is_v4(&e));
	}
}

static void public_ones(void **state)
{
	static const struct {
		const char *text;
		bool is;
	} facts[] = {
	    {"198.51.100.7:1", true},
	    {"8.8.8.8:1", true},
	    {"172.32.0.1:1", true},
	    {"[2001:db8::1]:1", true},
	    {"[3fff::1]:1", true},
	    {"0.1.2.3:1", false},
	    {"10.0.0.1:1", false},
	    {"172.16.0.1:1", false},
	    {"172.31.9.9:1", false},
	    {"192.168.1.1:1", false},
	    {"100.64.0.1:1", false},
	    {"100.127.0.1:1", false},
	    {"127.0.0.1:1", false},
	    {"169.254.1.1:1", false},
	    {"224.0.0.1:1", false},
	    {"255.255.255.255:1", false},
	    {"[::1]:1", false},
	    {"[fe80::1]:1", false},
	    {"[fd00::1]:1", false},
	    {"[ff02::1]:1", false},
	    {"100.128.0.1:1", true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		struct endpoint e;

		assert_int_equal(endpoint_parse(facts[i].text, 0, &e), 0);
		if (endpoint_is_public(&e) != facts[i].is)
			fail_msg("%s", facts[i].text);
	}
}

static void special(void **state)
{
	static const struct {
		const char *text;
		bool unspecified, loopback;
	} facts[] = {
	    {"0.0.0.0:9001", true, false},
	    {"[::]:9001", true, false},
	    {"0.0.0.1:9001", false, false},
	    {"[::1]:9001", false, true},
	    {"[::2]:9001", false, false},
	    {"[1::1]:9001", false, false},
	    {"127.0.0.1:1", false, true},
	    {"127.255.0.9:1", false, true},
	    {"128.0.0.1:1", false, false},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		struct endpoint e;
		assert_int_equal(endpoint_parse(facts[i].text, 0, &e), 0);
		assert_int_equal(endpoint_is_unspecified(&e), facts[i].unspecified);
		assert_int_equal(endpoint_is_loopback(&e), facts[i].loopback);
	}
}

static void sockaddr_both_ways(void **state)
{
	static const char *const texts[] = {"192.0.2.1:9001", "[2001:db8::1]:9001", "[::]:1"};
	static const socklen_t lengths[] = {
	    sizeof(struct sockaddr_in), sizeof(struct sockaddr_in6), sizeof(struct sockaddr_in6)};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct endpoint e, back;
		struct sockaddr_storage ss;
		struct sockaddr_in6 in6;
		socklen_t len;

		assert_int_equal(endpoint_parse(texts[i], 0, &e), 0);
		len = endpoint_to_sockaddr(&e, &ss);
		assert_int_equal(len, lengths[i]);
		assert_int_equal(endpoint_from_sockaddr((struct sockaddr *)&ss, len, &back), 0);
		assert_true(endpoint_equal(&e, &back));
		assert_int_equal(
		    endpoint_from_sockaddr((struct sockaddr *)&ss, len - 1, &back), -EMSGSIZE);
		endpoint_to_sockaddr_in6(&e, &in6);
		assert_int_equal(in6.sin6_family, AF_INET6);
		assert_int_equal(
		    endpoint_from_sockaddr((struct sockaddr *)&in6, sizeof(in6), &back), 0);
		assert_true(endpoint_equal(&e, &back));
	}
}

static void sockaddr_refused(void **state)
{
	struct sockaddr_storage ss = {.ss_family = AF_UNIX};
	struct endpoint e;
	(void)state;

	assert_int_equal(
	    endpoint_from_sockaddr((struct sockaddr *)&ss, sizeof(ss), &e), -EAFNOSUPPORT);
	assert_int_equal(endpoint_from_sockaddr((struct sockaddr *)&ss, 1, &e), -EMSGSIZE);
}

static void networks(void **state)
{
	static const struct {
		const char *first, *second;
		bool same;
	} facts[] = {
	    {"192.0.2.1:1", "192.0.2.255:2", true},
	    {"192.0.2.1:1", "192.0.3.1:1", false},
	    {"[2001:db8:7::1]:1", "[2001:db8:7:ffff::2]:1", true},
	    {"[2001:db8:7::1]:1", "[2001:db8:8::1]:1", false},
	    {"192.0.2.1:1", "[2001:db8:7::1]:1", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		struct endpoint a, b;

		assert_int_equal(endpoint_parse(facts[i].first, 1, &a), 0);
		assert_int_equal(endpoint_parse(facts[i].second, 1, &b), 0);
		assert_int_equal(endpoint_same_network(&a, &b), facts[i].same);
		a = endpoint_network(&a);
		assert_int_equal(endpoint_same_network(&a, &b), facts[i].same);
		assert_int_equal(a.port, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(text_both_ways),
	    cmocka_unit_test(text_accepted),
	    cmocka_unit_test(text_refused),
	    cmocka_unit_test(compare),
	    cmocka_unit_test(special),
	    cmocka_unit_test(public_ones),
	    cmocka_unit_test(sockaddr_both_ways),
	    cmocka_unit_test(sockaddr_refused),
	    cmocka_unit_test(networks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
