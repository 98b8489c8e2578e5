// SPDX-License-Identifier: BSD-3-Clause
// The short cut for usual frames, held against the general code: over whole frames with each bit
// turned, each length, values at the edges and random ones, with sums that are right or not.
#include "base/random.h"
#include "tests/unit/classify_twice.h"

STAGE_LAB_FIXTURE

enum {
	FRAME_MAX = 256,
	IP = ETH_HEADER_SIZE,
	UDP = IP + IPV4_HEADER_SIZE,
	MESSAGE = UDP + UDP_HEADER_SIZE,
	ROUNDS = 200000
};

struct frame {
	uint8_t bytes[FRAME_MAX];
	size_t len;
};

static unsigned taken, judged;

// Sums that are right for what the frame says now, as far as it is a frame.
static void sums_fix(struct frame *f)
{
	struct inet_udp h;
	uint16_t check;

	if (f->len < MESSAGE)
		return;
	check = ipv4_checksum(f->bytes + IP, IPV4_HEADER_SIZE);
	memcpy(f->bytes + IP + IPV4_OFFSET_CHECKSUM, &check, sizeof(check));
	if (inet_udp_parse(f->bytes, f->len, &h))
		return;
	check = udp_checksum(inet_udp_pseudo_sum(f->bytes, &h), f->bytes + h.l4, h.udp_len);
	memcpy(f->bytes + h.l4 + UDP_OFFSET_CHECKSUM, &check, sizeof(check));
}

static struct frame frame_make(const char *from, size_t payload)
{
	struct frame_spec spec = {
	    .ttl = 64, .from = lab_endpoint(from), .to = lab_endpoint("192.0.2.1:9001")};
	uint8_t message[FRAME_MAX] = {BEACON_RELAY, 1, 2, 3, 4, 5, 6, 7, 8};
	struct frame f = {.len = 0};
	int n;

	for (size_t i = BEACON_RELAY_SIZE; i < payload; i++)
		message[i] = (uint8_t)(i * 7);
	n = frame_build(f.bytes, sizeof(f.bytes), &spec, message, payload);
	assert_true(n > 0);
	f.len = (size_t)n;
	return f;
}

// Whether it was usual. From a block of its size, so that ASan sees a read beyond it.
static bool judge(const struct frame *f)
{
	uint8_t *copy = exact_copy(f->bytes, f->len);
	bool usual;
	const char *differs = classify_twice(&lab, copy, f->len, &usual);

	if (differs) {
		for (size_t i = 0; i < f->len; i++)
			print_message("%02x%s", f->bytes[i], i % 16 == 15 ? "\n" : " ");
		fail_msg("%s", differs);
	}
	free(copy);
	judged++;
	taken += usual;
	return usual;
}

static void sizes(void **state)
{
	(void)state;
	for (size_t payload = 0; payload < 200; payload++) {
		struct frame f = frame_make(AT_A, payload);

		assert_int_equal(judge(&f), payload >= BEACON_RELAY_SIZE);
		for (size_t cut = 0; cut < f.len; cut++) {
			struct frame cut_off = f;

			cut_off.len = cut;
			assert_false(judge(&cut_off));
		}
		f.len += 6; // padding is for the others
		assert_false(judge(&f));
	}
}

static void bits(void **state)
{
	const struct frame whole = frame_make(AT_A, 40);

	(void)state;
	for (size_t bit = 0; bit < 8 * whole.len; bit++)
		for (int fixed = 0; fixed < 2; fixed++) {
			struct frame f = whole;

			f.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
			if (fixed)
				sums_fix(&f);
			judge(&f);
		}
}

// A field's value, and whether a frame that has it, with right sums, is usual.
static void fields(void **state)
{
	static const struct {
		const char *what;
		uint8_t at, size;
		uint32_t value;
		bool usual;
	} facts[] = {
	    {"EtherType IPv6", ETH_OFFSET_TYPE, 2, ETH_TYPE_IPV6, false},
	    {"EtherType 0", ETH_OFFSET_TYPE, 2, 0, false},
	    {"a tag", ETH_OFFSET_TYPE, 2, ETH_TYPE_VLAN, false},
	    {"header length 24", IP, 1, 0x46, false},
	    {"version 6", IP, 1, 0x65, false},
	    {"type of service", IP + 1, 1, 0xb8, true},
	    {"identification", IP + IPV4_OFFSET_ID, 2, 0xffff, true},
	    {"DF", IP + IPV4_OFFSET_FRAGMENT, 2, 0x4000, true},
	    {"the reserved flag", IP + IPV4_OFFSET_FRAGMENT, 2, 0x8000, true},
	    {"more fragments", IP + IPV4_OFFSET_FRAGMENT, 2, 0x2000, false},
	    {"a later fragment", IP + IPV4_OFFSET_FRAGMENT, 2, 1, false},
	    {"TTL 0", IP + IPV4_OFFSET_TTL, 1, 0, false},
	    {"TTL 1", IP + IPV4_OFFSET_TTL, 1, 1, true},
	    {"TTL 255", IP + IPV4_OFFSET_TTL, 1, 255, true},
	    {"TCP", IP + IPV4_OFFSET_PROTOCOL, 1, 6, false},
	    {"from 0.0.0.1", IP + IPV4_OFFSET_SRC, 4, 1, false},
	    {"from 1.0.0.0", IP + IPV4_OFFSET_SRC, 4, 0x01000000, true},
	    {"from 223.255.255.255", IP + IPV4_OFFSET_SRC, 4, 0xdfffffff, true},
	    {"from 224.0.0.0", IP + IPV4_OFFSET_SRC, 4, 0xe0000000, false},
	    {"from 255.255.255.255", IP + IPV4_OFFSET_SRC, 4, 0xffffffff, false},
	    {"to another address", IP + IPV4_OFFSET_DST, 4, 0xc0000202, false},
	    {"from port 0", UDP + UDP_OFFSET_SRC, 2, 0, false},
	    {"from port 65535", UDP + UDP_OFFSET_SRC, 2, 65535, true},
	    {"to another port", UDP + UDP_OFFSET_DST, 2, 9002, false},
	    {"Discover", MESSAGE, 1, BEACON_DISCOVER, false},
	    {"a tunnel frame", MESSAGE, 1, 'P', false},
	    {"by 0", MESSAGE + 1, 4, 0, false},
	    {"to 0", MESSAGE + 5, 4, 0, false},
	    {"by the last node", MESSAGE + 1, 4, UINT32_MAX, true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		struct frame f = frame_make(AT_A, 40);
		uint8_t value[4];

		store_be32(value, facts[i].value << (32 - 8 * facts[i].size));
		memcpy(f.bytes + facts[i].at, value, facts[i].size);
		sums_fix(&f);
		if (judge(&f) != facts[i].usual)
			fail_msg("%s: %s", facts[i].what, facts[i].usual ? "not usual" : "usual");
	}
}

// A length that both headers agree on, but not with the frame, and the other way round.
static void lengths(void **state)
{
	(void)state;
	for (int ip = -10; ip <= 10; ip++)
		for (int udp = -10; udp <= 10; udp++) {
			struct frame f = frame_make(AT_A, 40);

			store_be16(f.bytes + IP + IPV4_OFFSET_LENGTH, (uint16_t)(68 + ip));
			store_be16(f.bytes + UDP + UDP_OFFSET_LENGTH, (uint16_t)(48 + udp));
			sums_fix(&f);
			assert_int_equal(judge(&f), ip == 0 && udp == 0);
		}
}

// None, half of one, and every other one: only the general code takes what is not a whole sum.
static void checksums(void **state)
{
	struct frame f = frame_make(AT_A, 40);
	const uint16_t whole = ipv4_checksum(f.bytes + IP, IPV4_HEADER_SIZE);
	struct inet_udp h = {0};
	uint16_t partial;

	(void)state;
	assert_int_equal(inet_udp_parse(f.bytes, f.len, &h), 0);
	partial = csum_fold(inet_udp_pseudo_sum(f.bytes, &h));
	for (uint32_t check = 0; check <= UINT16_MAX; check++) {
		memcpy(f.bytes + UDP + UDP_OFFSET_CHECKSUM, &check, sizeof(uint16_t));
		assert_int_equal(judge(&f), check != 0 && check != partial);
	}
	for (uint32_t check = 0; check <= UINT16_MAX; check++) {
		memcpy(f.bytes + IP + IPV4_OFFSET_CHECKSUM, &check, sizeof(uint16_t));
		assert_int_equal(judge(&f), check == whole);
	}
}

static void random_edits(void **state)
{
	uint64_t random = 42;

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		struct frame f = frame_make(AT_A, 9 + random_below(&random, 100));

		for (uint32_t edits = random_below(&random, 4); edits; edits--) {
			uint8_t *at = &f.bytes[random_below(&random, MESSAGE + BEACON_RELAY_SIZE)];

			*at = (uint8_t)(random_below(&random, 2) ? random_next(&random) >> 56 : 0);
		}
		if (random_below(&random, 4))
			sums_fix(&f);
		judge(&f);
	}
	assert_true(taken > judged / 10 && taken < judged);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(sizes),
	    cmocka_unit_test(bits),
	    cmocka_unit_test(fields),
	    cmocka_unit_test(lengths),
	    cmocka_unit_test(checksums),
	    cmocka_unit_test(random_edits),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
