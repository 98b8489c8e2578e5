// SPDX-License-Identifier: BSD-3-Clause
#include "base/random.h"
#include "tests/unit/unit.h"
#include "tests/unit/vectors.h"
#include "wire/inet.h"

#define FILE_NAME "inet.txt"

// RFC 1071 as written: 16-bit big-endian words, one after the other.
static uint16_t naive_sum(uint32_t sum, const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i += 2) {
		sum += (uint32_t)p[i] << 8 | (i + 1 < len ? p[i + 1] : 0);
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return (uint16_t)sum;
}

static void fill(uint8_t *p, size_t len, uint64_t *seed)
{
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)(random_next(seed) >> 56);
}

static void sum_of_rfc1071(void **state)
{
	struct vector v = vector_from_hex("0001 f203 f4f5 f6f7");
	(void)state;

	assert_int_equal(csum_fold(csum_add(0, v.data, v.len)), htobe16(0xddf2));
}

static void sum_agrees_with_naive_twin(void **state)
{
	uint8_t data[1600];
	uint64_t seed = 1;
	(void)state;

	for (size_t len = 0; len <= 1500; len++) {
		size_t shift = len % 17;
		size_t cut = len / 3 & ~(size_t)1;
		uint16_t wanted;

		fill(data, sizeof(data), &seed);
		wanted = htobe16(naive_sum(0, data + shift, len));
		assert_int_equal(csum_fold(csum_add(0, data + shift, len)), wanted);
		uint64_t parts =
		    csum_add(csum_add(0, data + shift, cut), data + shift + cut, len - cut);
		assert_int_equal(csum_fold(parts), wanted);
	}
}

static void fold_extremes(void **state)
{
	static uint8_t ones[65536];
	(void)state;

	memset(ones, 0xff, sizeof(ones));
	assert_int_equal(csum_fold(0), 0);
	assert_int_equal(csum_fold(UINT64_MAX), 0xffff);
	assert_int_equal(csum_fold(0x10000), 1);
	assert_int_equal(csum_fold(csum_add(0, ones, sizeof(ones))), 0xffff);
}

static void fold_is_that_of_rfc1071(void **state)
{
	uint64_t seed = 1;
	(void)state;

	for (int i = 0; i < 100000; i++) {
		uint64_t sum = random_next(&seed);
		uint64_t twin = sum >>= random_below(&seed, 64);

		while (twin >> 16)
			twin = (twin & 0xffff) + (twin >> 16);
		assert_int_equal(csum_fold(sum), twin);
	}
}

// Of random datagrams: the sum that is made is taken for right, and no longer after one flipped
// bit.
static void made_sums_hold(void **state)
{
	uint64_t seed = 7;
	(void)state;

	for (int round = 0; round < 100000; round++) {
		size_t len = UDP_HEADER_SIZE + random_below(&seed, 57);
		uint64_t pseudo = (uint32_t)random_next(&seed);
		uint8_t data[64];
		uint16_t check;

		fill(data, sizeof(data), &seed);
		if (round % 4 == 0) {
			memset(data, 0, sizeof(data));
			pseudo = round % 8 ? 0 : 0xffff;
		}
		check = udp_checksum(pseudo, data, len);
		assert_int_not_equal(check, 0);
		memcpy(data + UDP_OFFSET_CHECKSUM, &check, sizeof(check));
		assert_true(udp_checksum_ok(pseudo, data, len));
		data[random_below(&seed, (uint32_t)len)] ^= (uint8_t)(1 << random_below(&seed, 8));
		assert_false(udp_checksum_ok(pseudo, data, len));
	}
}

static void frames_with_udp(void **state)
{
	static const struct {
		const char *name;
		struct inet_udp where;
	} facts[] = {
	    {"ipv4", {14, 34, 42, 4, 28, {0}, 0}},
	    {"ipv6", {14, 54, 62, 6, 28, {0}, 0}},
	    {"vlan-ipv4", {18, 38, 46, 4, 28, {0x6007}, 1}},
	    {"vlan-ipv6", {18, 58, 66, 6, 28, {7}, 1}},
	    {"qinq-ipv4", {22, 42, 50, 4, 28, {100, 7}, 2}},
	    {"options-ipv4", {14, 38, 46, 4, 28, {0}, 0}},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		struct vector v = vector_load(FILE_NAME, facts[i].name);
		struct inet_udp w = {0};

		assert_int_equal(inet_udp_parse(v.data, v.len, &w), 0);
		assert_int_equal(w.l3, facts[i].where.l3);
		assert_int_equal(w.l4, facts[i].where.l4);
		assert_int_equal(w.payload, facts[i].where.payload);
		assert_int_equal(w.version, facts[i].where.version);
		assert_int_equal(w.udp_len, facts[i].where.udp_len);
		assert_int_equal(w.vlan_tags, facts[i].where.vlan_tags);
		assert_memory_equal(w.vlan, facts[i].where.vlan, 2u * w.vlan_tags);
		for (size_t len = 0; len < v.len; len++) {
			uint8_t *copy = exact_copy(v.data, len);
			assert_int_equal(inet_udp_parse(copy, len, &w), -EMSGSIZE);
			free(copy);
		}
		// Ethernet padding does not belong to the datagram
		assert_int_equal(inet_udp_parse(v.data, v.len + 18, &w), 0);
		assert_int_equal(w.udp_len, 28);
	}
}

// The plain parser takes the frames that are plain, and says of them what the whole one says.
static void plain_frames(void **state)
{
	const struct vector frames[] = {vector_load(FILE_NAME, "options-ipv4"),
	    vector_load(FILE_NAME, "ipv4"), vector_load(FILE_NAME, "ipv6"),
	    vector_load(FILE_NAME, "ipv4"), vector_load(FILE_NAME, "ipv6")};
	uint64_t seed = 2;
	unsigned plain = 0;
	(void)state;

	for (int i = 0; i < 200000; i++) {
		struct vector v = frames[i % 5];
		struct inet_udp w = {0}, p = {0};
		size_t len = i % 3 ? v.len : random_below(&seed, (uint32_t)v.len);
		uint8_t *copy;
		bool taken;

		v.data[ETH_OFFSET_TYPE + random_below(&seed, 50)] ^=
		    (uint8_t)(1 << random_below(&seed, 8));
		copy = exact_copy(v.data, len);
		taken = inet_udp_parse(copy, len, &w) == 0 && !w.vlan_tags &&
			w.l4 - w.l3 == (w.version == 4 ? IPV4_HEADER_SIZE : IPV6_HEADER_SIZE);
		assert_int_equal(inet_udp_parse_plain4(copy, len, &p), taken && w.version == 4);
		if (w.version == 6 || !taken)
			assert_int_equal(inet_udp_parse_plain6(copy, len, &p), taken);
		assert_true(!taken || (p.l3 == w.l3 && p.l4 == w.l4 && p.payload == w.payload &&
					  p.version == w.version && p.udp_len == w.udp_len &&
					  p.vlan_tags == w.vlan_tags));
		plain += taken;
		free(copy);
	}
	assert_in_range(plain, 10000, 190000);
}

static void frames_without_udp(void **state)
{
	static const char *const facts[] = {
	    "triple-vlan", "fragment-first", "fragment-last", "tcp-ipv4", "hop-by-hop-ipv6", "arp"};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		struct vector v = vector_load(FILE_NAME, facts[i]);
		struct inet_udp w = {0};

		assert_int_equal(inet_udp_parse(v.data, v.len, &w), -EPROTONOSUPPORT);
	}
}

static void frames_inconsistent(void **state)
{
	static const struct {
		const char *name;
		size_t at;
		uint16_t value;
		int result;
	} facts[] = {
	    {"ipv4", 12, 0x86dd, -EBADMSG},	    // Ethernet says IPv6
	    {"ipv6", 12, 0x0800, -EBADMSG},	    // Ethernet says IPv4
	    {"ipv4", 14, 0x4400, -EBADMSG},	    // header of 16 bytes
	    {"ipv4", 14, 0x5500, -EBADMSG},	    // version 5
	    {"ipv4", 16, 19, -EBADMSG},		    // total length below the header
	    {"ipv4", 16, 27, -EBADMSG},		    // no room for UDP
	    {"ipv4", 16, 49, -EMSGSIZE},	    // longer than the frame
	    {"ipv4", 16, 65535, -EMSGSIZE},	    //
	    {"ipv4", 20, 0x2000, -EPROTONOSUPPORT}, // more fragments
	    {"ipv4", 20, 0x1fff, -EPROTONOSUPPORT}, // an offset
	    {"ipv4", 20, 0x4000, 0},		    // DF is no fragment
	    {"ipv4", 38, 7, -EBADMSG},		    // UDP length below its header
	    {"ipv4", 38, 29, -EBADMSG},		    // UDP longer than IP
	    {"ipv4", 38, 8, 0},			    // UDP shorter than IP: the rest is ignored
	    {"ipv6", 18, 7, -EBADMSG},		    // no room for UDP
	    {"ipv6", 18, 29, -EMSGSIZE},	    // longer than the frame
	    {"ipv6", 18, 0, -EBADMSG},		    // jumbogram
	    {"ipv6", 58, 29, -EBADMSG},		    // UDP longer than IP
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		struct vector v = vector_load(FILE_NAME, facts[i].name);
		struct inet_udp w = {0};

		store_be16(v.data + facts[i].at, facts[i].value);
		assert_int_equal(inet_udp_parse(v.data, v.len, &w), facts[i].result);
	}
}

static void checksums_of_the_frames(void **state)
{
	static const char *const facts[] = {
	    "ipv4", "ipv6", "vlan-ipv4", "qinq-ipv4", "options-ipv4"};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		struct vector v = vector_load(FILE_NAME, facts[i]);
		struct inet_udp w = {0};
		uint64_t pseudo;
		uint16_t check;
		uint32_t src, dst;

		assert_int_equal(inet_udp_parse(v.data, v.len, &w), 0);
		const uint8_t *ip = v.data + w.l3;
		uint8_t *udp = v.data + w.l4;
		if (w.version == 4) {
			memcpy(&src, ip + IPV4_OFFSET_SRC, 4);
			memcpy(&dst, ip + IPV4_OFFSET_DST, 4);
			pseudo = udp4_pseudo_sum(src, dst, w.udp_len);
			memcpy(&check, ip + IPV4_OFFSET_CHECKSUM, 2);
			assert_int_equal(ipv4_checksum(ip, w.l4 - w.l3), check);
		} else {
			pseudo =
			    udp6_pseudo_sum(ip + IPV6_OFFSET_SRC, ip + IPV6_OFFSET_DST, w.udp_len);
		}
		memcpy(&check, udp + UDP_OFFSET_CHECKSUM, 2);
		assert_int_equal(udp_checksum(pseudo, udp, w.udp_len), check);
		assert_true(udp_checksum_ok(pseudo, udp, w.udp_len));
		assert_false(udp_checksum_is_partial(pseudo, check));
		assert_true(udp_checksum_is_partial(pseudo, csum_fold(pseudo)));
		udp[9] ^= 1;
		assert_false(udp_checksum_ok(pseudo, udp, w.udp_len));
	}
}

static void build_gives_the_frames(void **state)
{
	struct vector v4 = vector_load(FILE_NAME, "ipv4"), v6 = vector_load(FILE_NAME, "ipv6");
	uint8_t buf[IPV6_HEADER_SIZE + UDP_HEADER_SIZE];
	uint8_t *ip = v4.data + ETH_HEADER_SIZE;
	uint32_t src, dst;
	uint16_t check;
	(void)state;

	memset(buf, 0xee, sizeof(buf));
	memcpy(&src, ip + IPV4_OFFSET_SRC, 4);
	memcpy(&dst, ip + IPV4_OFFSET_DST, 4);
	memcpy(&check, ip + IPV4_HEADER_SIZE + UDP_OFFSET_CHECKSUM, 2);
	ipv4_build(buf, 28, src, dst, 64, 0x1234);
	udp_build(buf + IPV4_HEADER_SIZE, 4000, 9001, 28, check);
	assert_memory_equal(buf, ip, IPV4_HEADER_SIZE + UDP_HEADER_SIZE);

	ip = v6.data + ETH_HEADER_SIZE;
	memcpy(&check, ip + IPV6_HEADER_SIZE + UDP_OFFSET_CHECKSUM, 2);
	ipv6_build(buf, 28, ip + IPV6_OFFSET_SRC, ip + IPV6_OFFSET_DST, 64);
	udp_build(buf + IPV6_HEADER_SIZE, 4000, 9001, 28, check);
	assert_memory_equal(buf, ip, IPV6_HEADER_SIZE + UDP_HEADER_SIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(sum_of_rfc1071),
	    cmocka_unit_test(sum_agrees_with_naive_twin),
	    cmocka_unit_test(fold_extremes),
	    cmocka_unit_test(fold_is_that_of_rfc1071),
	    cmocka_unit_test(plain_frames),
	    cmocka_unit_test(made_sums_hold),
	    cmocka_unit_test(frames_with_udp),
	    cmocka_unit_test(frames_without_udp),
	    cmocka_unit_test(frames_inconsistent),
	    cmocka_unit_test(checksums_of_the_frames),
	    cmocka_unit_test(build_gives_the_frames),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
