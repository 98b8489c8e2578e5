// SPDX-License-Identifier: BSD-3-Clause
// Blocks written out by hand from draft-ietf-opsawg-pcapng sections 4.1 to 4.3.
#include "tests/unit/unit.h"
#include "tests/unit/vectors.h"
#include "wire/pcapng.h"

static void assert_block(const uint8_t *buf, int len, const char *hex)
{
	struct vector wanted = vector_from_hex(hex);

	assert_int_equal(len, wanted.len);
	assert_memory_equal(buf, wanted.data, wanted.len);
}

static void section(void **state)
{
	uint8_t buf[256];
	(void)state;

	assert_block(buf, pcapng_section_build(buf, sizeof(buf), NULL),
	    "0a0d0d0a 20000000 4d3c2b1a 01000000 ffffffffffffffff 00000000 20000000");
	assert_block(buf, pcapng_section_build(buf, sizeof(buf), "fairway"),
	    "0a0d0d0a 2c000000 4d3c2b1a 01000000 ffffffffffffffff"
	    "04000700 66616972 77617900 00000000 2c000000");
}

static void interface(void **state)
{
	uint8_t buf[256];
	(void)state;

	assert_block(buf, pcapng_interface_build(buf, sizeof(buf), PCAPNG_LINK_RAW, 65535, "sock"),
	    "01000000 28000000 65000000 ffff0000 02000400 736f636b"
	    "09000100 09000000 00000000 28000000");
}

static void packet(void **state)
{
	struct pcapng_packet p = {
	    .interface = 1,
	    .time = 0x0102030405060708,
	    .data = (const uint8_t *)"\1\0\0\0\7",
	    .captured_len = 5,
	    .original_len = 9,
	    .direction = PCAPNG_INBOUND,
	    .comment = "drop: short",
	};
	uint8_t buf[256];
	(void)state;

	assert_block(buf, pcapng_packet_build(buf, sizeof(buf), &p),
	    "06000000 44000000 01000000 04030201 08070605 05000000 09000000"
	    "01000000 07000000 02000400 01000000"
	    "01000b00 64726f703a2073686f727400 00000000 44000000");
	p.comment = NULL;
	p.direction = PCAPNG_UNKNOWN;
	p.data = NULL;
	p.captured_len = 0;
	assert_block(buf, pcapng_packet_build(buf, sizeof(buf), &p),
	    "06000000 24000000 01000000 04030201 08070605 00000000 09000000 00000000 24000000");
}

static void no_room(void **state)
{
	struct pcapng_packet p = {
	    .data = (const uint8_t *)"abcde",
	    .captured_len = 5,
	    .original_len = 5,
	    .comment = "x",
	};
	uint8_t buf[256];
	int len = pcapng_packet_build(buf, sizeof(buf), &p);
	(void)state;

	for (int cap = 0; cap < len; cap++) {
		uint8_t *small = exact_copy(buf, (size_t)cap);
		assert_int_equal(pcapng_packet_build(small, (size_t)cap, &p), -ENOBUFS);
		assert_int_equal(pcapng_section_build(small, (size_t)(cap % 28), "a"), -ENOBUFS);
		assert_int_equal(
		    pcapng_interface_build(small, (size_t)(cap % 24), PCAPNG_LINK_RAW, 0, "a"),
		    -ENOBUFS);
		free(small);
	}
	assert_int_equal(pcapng_packet_build(buf, (size_t)len, &p), len);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(section),
	    cmocka_unit_test(interface),
	    cmocka_unit_test(packet),
	    cmocka_unit_test(no_room),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
