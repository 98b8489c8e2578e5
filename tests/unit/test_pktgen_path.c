// SPDX-License-Identifier: BSD-3-Clause
#include "pktgen/arp.h"
#include "pktgen/path.h"
#include "wire/inet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
// cmocka wants the headers above
#include <cmocka.h>

enum { PAYLOAD = 33 };

static const struct arp_station relay = {{2, 0, 0, 0, 0, 1}, 0x0100000a},
				own = {{2, 0, 0, 0, 0, 2}, 0x0200000a};

static struct path path_make(void)
{
	struct options o = {.nodes = 1};
	struct path p = {.own_mac = {2, 0, 0, 0, 0, 2}, .relay_mac = {2, 0, 0, 0, 0, 1}};
	char error[BACKEND_ERROR_MAX];

	assert_int_equal(endpoint_parse("10.0.0.1:9001", 0, &o.to), 0);
	assert_int_equal(endpoint_parse("198.18.0.1:1", 0, &o.network), 0);
	assert_int_equal(path_init(&p, &o, error), 0);
	return p;
}

static size_t frame_make(const struct path *p, uint8_t *frame, uint32_t node, size_t payload)
{
	for (size_t i = 0; i < payload; i++)
		frame[PATH_HEADERS + i] = (uint8_t)(7 * i + 1);
	path_headers_build(p, frame, node, payload);
	return PATH_HEADERS + payload;
}

static void a_node_is_found_by_its_address(void **state)
{
	static const uint32_t nodes[] = {0, 1, 59999, 60000, 60001, 1234567};
	struct path p = path_make();
	struct message m;

	(void)state;
	for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++) {
		uint8_t frame[128];
		size_t len = frame_make(&p, frame, nodes[i], PAYLOAD);

		assert_memory_equal(frame, p.relay_mac, 6);
		assert_memory_equal(frame + 6, p.own_mac, 6);
		assert_true(path_message_find(&p, frame, len, &m));
		assert_int_equal(m.place, nodes[i]); // it is as it was sent: back at its sender
		assert_int_equal(m.len, PAYLOAD);
		assert_ptr_equal(m.data, frame + PATH_HEADERS);
	}
}

// All lengths, and a payload whose checksum comes out as zero.
static void checksums_hold(void **state)
{
	struct path p = path_make();
	uint8_t frame[1600];
	struct message m;
	uint16_t check;

	(void)state;
	for (size_t payload = 0; payload < 1400; payload++) {
		size_t len = frame_make(&p, frame, 77, payload);

		assert_true(path_message_find(&p, frame, len, &m));
		check = ipv4_checksum(frame + ETH_HEADER_SIZE, IPV4_HEADER_SIZE);
		assert_memory_equal(frame + ETH_HEADER_SIZE + IPV4_OFFSET_CHECKSUM, &check, 2);
	}
	frame_make(&p, frame, 77, 2);
	memcpy(&check, frame + 40, 2);
	check = (uint16_t)csum_fold((uint64_t)check + (uint16_t)(frame[42] | frame[43] << 8));
	memcpy(frame + 42, &check, 2);
	path_headers_build(&p, frame, 77, 2);
	assert_memory_equal(frame + 40, "\xff\xff", 2);
}

static void what_is_damaged_is_not_taken(void **state)
{
	struct path p = path_make();
	uint8_t frame[128];
	size_t len = frame_make(&p, frame, 5, PAYLOAD);
	struct message m;

	(void)state;
	for (size_t i = 0; i < len; i++) {
		bool covered = i >= 26; // addresses, UDP header and payload
		frame[i] ^= 0x10;
		if (covered)
			assert_false(path_message_find(&p, frame, len, &m));
		frame[i] ^= 0x10;
	}
	assert_false(path_message_find(&p, frame, len - 1, &m));
	assert_false(path_message_find(&p, frame, 20, &m));
	frame[40] = frame[41] = 0; // sent without a checksum
	assert_true(path_message_find(&p, frame, len, &m));
}

static void ipv6_is_refused(void **state)
{
	struct options o = {.nodes = 1};
	char error[BACKEND_ERROR_MAX] = "";
	struct path p;

	(void)state;
	assert_int_equal(endpoint_parse("[fd00::1]:9001", 0, &o.to), 0);
	assert_int_equal(endpoint_parse("198.18.0.1:1", 0, &o.network), 0);
	assert_int_equal(path_init(&p, &o, error), -EAFNOSUPPORT);
	assert_non_null(strstr(error, "IPv4"));
}

static void stations_find_each_other(void **state)
{
	uint8_t request[ARP_FRAME_SIZE], reply[ARP_FRAME_SIZE];
	struct arp_station who;

	(void)state;
	arp_request_build(request, &relay, own.addr);
	assert_memory_equal(
	    request, "\xff\xff\xff\xff\xff\xff\2\0\0\0\0\1\x08\x06\0\1\x08\0\6\4\0\1", 22);
	assert_int_equal(arp_sender(&who, request, sizeof(request)), 0);
	assert_memory_equal(who.mac, relay.mac, 6);
	assert_int_equal(who.addr, relay.addr);
	assert_int_equal(arp_reply_build(reply, &own, request, sizeof(request)), 0);
	assert_memory_equal(reply, relay.mac, 6);
	assert_memory_equal(reply + 6, own.mac, 6);
	assert_memory_equal(reply + 20, "\0\2\2\0\0\0\0\2\x0a\0\0\2\2\0\0\0\0\1\x0a\0\0\1", 22);
	assert_int_equal(arp_sender(&who, reply, sizeof(reply)), 0);
	assert_int_equal(who.addr, own.addr);
}

static void others_are_not_answered(void **state)
{
	uint8_t request[ARP_FRAME_SIZE], reply[ARP_FRAME_SIZE];
	struct arp_station who;

	(void)state;
	arp_request_build(request, &relay, htobe32(0x0a000003));
	assert_int_equal(arp_reply_build(reply, &own, request, sizeof(request)), -ENOENT);
	arp_request_build(request, &relay, own.addr);
	assert_int_equal(arp_reply_build(reply, &own, request, 41), -ENOENT);
	arp_reply_build(reply, &own, request, sizeof(request));
	assert_int_equal(arp_reply_build(request, &relay, reply, sizeof(reply)), -ENOENT);
	reply[12] = 0x86;
	assert_int_equal(arp_sender(&who, reply, sizeof(reply)), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_node_is_found_by_its_address),
	    cmocka_unit_test(checksums_hold),
	    cmocka_unit_test(what_is_damaged_is_not_taken),
	    cmocka_unit_test(ipv6_is_refused),
	    cmocka_unit_test(stations_find_each_other),
	    cmocka_unit_test(others_are_not_answered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
