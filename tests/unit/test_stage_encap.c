// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/stage_lab.h"

STAGE_LAB_FIXTURE

static struct dgram *relay_run(const char *from, uint32_t sender, uint32_t dest, const char *text)
{
	struct dgram *d;

	lab_begin(&lab, LAB_RAW);
	d = lab_relay(&lab, from, sender, dest, text);
	lab_run(&lab, 1);
	return d;
}

// Every header byte of what leaves.
static void headers_v4(void **state)
{
	static const uint8_t expected[] = {// Ethernet
	    2, 0, 0, 0, 0, 0xfe, 2, 0, 0, 0, 0, 1, 0x08, 0x00,
	    // IPv4: no DF, identification 77, TTL 64
	    0x45, 0, 0, 33, 0, 77, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 198, 51, 100, 2,
	    // UDP
	    0x23, 0x29, 0x0f, 0xa2, 0, 13};
	struct dgram *d;
	struct inet_udp h;

	(void)state;
	lab.env.ip_id = 77;
	d = relay_run(AT_A, NODE_A, NODE_B, "");
	h = lab_check_frame(d);
	assert_int_equal(h.vlan_tags, 0);
	memset(d->l2 + ETH_HEADER_SIZE + IPV4_OFFSET_CHECKSUM, 0, 2);
	assert_memory_equal(d->l2, expected, sizeof(expected));
	assert_int_equal(lab.env.ip_id, 78);
}

static void headers_v6(void **state)
{
	static const uint8_t expected[] = {// Ethernet
	    2, 0, 0, 0, 0, 0xfe, 2, 0, 0, 0, 0, 1, 0x86, 0xdd,
	    // IPv6: hop limit 64
	    0x60, 0, 0, 0, 0, 13, 17, 64,
	    // 2001:db8::1, 2001:db8:1::3
	    0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, //
	    0x20, 0x01, 0x0d, 0xb8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, //
	    0x23, 0x29, 0x0f, 0xa3, 0, 13};
	struct dgram *d;

	(void)state;
	d = relay_run(AT_A, NODE_A, NODE_SIX, "");
	lab_check_frame(d);
	assert_memory_equal(d->l2, expected, sizeof(expected));
}

// Workers count in steps of their number, each from its own start: no two give out the same.
static void identification(void **state)
{
	(void)state;
	lab.env.ip_id = 65534;
	lab.env.ip_id_step = 3;
	lab_begin(&lab, LAB_RAW);
	for (int i = 0; i < 3; i++)
		lab_relay(&lab, AT_A, NODE_A, i == 1 ? NODE_SIX : NODE_B, "x");
	lab_run(&lab, 1);
	lab.env.ip_id_step = 1;
	for (int i = 0; i < 3; i += 2) // an IPv6 packet has none
		assert_int_equal(
		    load_be16(lab.b.d[i].l2 + ETH_HEADER_SIZE + IPV4_OFFSET_ID), i ? 1 : 65534);
	assert_int_equal(lab.env.ip_id, 4);
}

static void vlan(void **state)
{
	struct dgram *d = relay_run(AT_A, NODE_A, NODE_TAGGED, "tagged");
	struct inet_udp h = lab_check_frame(d);

	(void)state;
	assert_int_equal(h.vlan_tags, 1);
	assert_int_equal(h.vlan[0], LAB_VLAN_ID);
}

static void ttl(void **state)
{
	static const struct {
		uint64_t setting;
		uint8_t ttl;
	} facts[] = {{1, 1}, {64, 64}, {255, 255}, {0, 64}, {256, 64}, {UINT64_MAX, 64}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		struct dgram *d;

		lab.env.set.ttl = facts[i].setting;
		d = relay_run(AT_A, NODE_A, NODE_B, "x");
		assert_int_equal(d->l2[ETH_HEADER_SIZE + IPV4_OFFSET_TTL], facts[i].ttl);
		d = relay_run(AT_A, NODE_A, NODE_SIX, "x");
		assert_int_equal(d->l2[ETH_HEADER_SIZE + IPV6_OFFSET_HOPS], facts[i].ttl);
	}
	lab.env.set.ttl = 64;
}

// The largest packet that fits the egress, or any IPv6 path, goes out raw, one byte more by the
// companion.
static void mtu(void **state)
{
	static const struct {
		uint32_t dest;
		unsigned frame; // bytes; the deliver header has 5 or 9
		unsigned link;
	} facts[] = {
	    {NODE_B, LAB_MTU - 28 - 5, LAB_RAW},
	    {NODE_B, LAB_MTU - 28 - 5 + 1, LAB_SOCK},
	    {NODE_EX, LAB_MTU - 28 - 9, LAB_RAW},
	    {NODE_EX, LAB_MTU - 28 - 9 + 1, LAB_SOCK},
	    {NODE_SIX, IPV6_PATH_MTU - 48 - 5, LAB_RAW},
	    {NODE_SIX, IPV6_PATH_MTU - 48 - 5 + 1, LAB_SOCK},
	};
	char text[LAB_MTU + 1];

	(void)state;
	memset(text, 'm', sizeof(text));
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		struct dgram *d;

		text[facts[i].frame] = 0;
		d = relay_run(AT_A, NODE_A, facts[i].dest, text);
		text[facts[i].frame] = 'm';
		assert_int_equal(d->out_link, facts[i].link);
		if (facts[i].link == LAB_RAW)
			lab_check_frame(d);
	}
}

// The kernel routes what we cannot address: no source of that family, wildcard, next hop withdrawn.
static void companion(void **state)
{
	nexthop_word word = lab.memory.nexthops[LAB_NEXTHOP];
	struct endpoint at = lab.memory.locals[LAB_V4].at;

	(void)state;
	lab.memory.nexthops[LAB_NEXTHOP] = 0;
	assert_int_equal(relay_run(AT_A, NODE_A, NODE_B, "x")->out_link, LAB_SOCK);
	lab.memory.nexthops[LAB_NEXTHOP] = word;
	assert_int_equal(relay_run(AT_A, NODE_A, NODE_B, "x")->out_link, LAB_RAW);
	lab.env.links[LAB_RAW + 1].raw = false; // an egress of a link where we have no queue
	lab.memory.egress[0].link = LAB_RAW + 1;
	assert_int_equal(relay_run(AT_A, NODE_A, NODE_B, "x")->out_link, LAB_SOCK);
	lab.memory.egress[0].link = LAB_RAW;
	lab.memory.locals[LAB_V4].at = lab_endpoint("0.0.0.0:9001");
	assert_int_equal(relay_run(AT_SIX, NODE_SIX, NODE_B, "x")->out_link, LAB_SOCK);
	lab.memory.locals[LAB_V4].at = lab.memory.locals[LAB_V6].at;
	assert_int_equal(relay_run(AT_SIX, NODE_SIX, NODE_B, "x")->out_link, LAB_SOCK);
	lab.memory.locals[LAB_V4].at = at;
}

struct journey {
	const char *from;
	uint32_t sender, dest;
};

static const struct journey journeys[] = {
    {AT_A, NODE_A, NODE_B},	// 4 to 4
    {AT_A, NODE_A, NODE_EX},	// 4 to 4, 0x09
    {AT_A, NODE_A, NODE_FAR},	// 4 to 4, 0x05 unchanged
    {AT_A, NODE_A, NODE_SIX},	// 4 to 6
    {AT_SIX, NODE_SIX, NODE_B}, // 6 to 4
    {AT_SIX, NODE_SIX, NODE_SIX},
};

static struct dgram *journey_begin(const struct journey *j, const uint8_t *frame, size_t len)
{
	struct beacon_relay relay = {
	    .sender = j->sender, .dest = j->dest, .frame = frame, .frame_len = len};
	uint8_t payload[2048];
	int n = beacon_relay_build(payload, sizeof(payload), BEACON_RELAY, &relay);

	lab_begin(&lab, LAB_RAW);
	return lab_dgram(&lab, j->from, payload, (size_t)n);
}

enum { FRAME_RANDOM = 1200 }; // bytes, fewer in each: every path carries them

static size_t frame_random(uint8_t *frame)
{
	size_t len = (size_t)(random() % FRAME_RANDOM);

	for (size_t i = 0; i < len; i++)
		frame[i] = random() % 3 ? (uint8_t)random() : 0xff;
	return len;
}

// The updated sum equals the full one, on every way through.
static void checksums(void **state)
{
	uint8_t frame[FRAME_RANDOM];

	(void)state;
	srandom(11);
	for (int round = 0; round < 3000; round++) {
		const struct journey *j = &journeys[round % ARRAY_SIZE(journeys)];
		struct dgram *d = journey_begin(j, frame, frame_random(frame));

		lab_run(&lab, 1);
		assert_int_equal(d->verdict, VERDICT_SEND);
		assert_int_equal(d->out_link, LAB_RAW);
		lab_check_frame(d);
	}
	assert_int_equal(lab_count(&lab, COUNTER_CHECKSUM_COMPLETED), 0);
}

static bool frame_sum_ok(const struct dgram *d)
{
	struct inet_udp h = {0};

	assert_int_equal(inet_udp_parse(d->l2, d->len, &h), 0);
	return udp_checksum_ok(inet_udp_pseudo_sum(d->l2, &h), d->l2 + h.l4, h.udp_len);
}

// What was damaged on its way to us is still wrong when it leaves: one flipped bit in the frame, or
// in the UDP source port.
static void damage_stays(void **state)
{
	uint8_t frame[FRAME_RANDOM];

	(void)state;
	srandom(12);
	for (int round = 0; round < 3000; round++) {
		const struct journey *j = &journeys[round % ARRAY_SIZE(journeys)];
		size_t len = frame_random(frame), at;
		struct dgram *d;

		if (len == 0)
			continue;
		d = journey_begin(j, frame, len);
		at = d->len - 1 - (size_t)random() % len;
		if (round % 5 == 0)
			at = d->len - len - BEACON_RELAY_SIZE - UDP_HEADER_SIZE;
		d->l2[at] ^= (uint8_t)(1 << random() % 8);
		lab_run(&lab, 1);
		assert_int_equal(d->verdict, VERDICT_SEND);
		assert_false(frame_sum_ok(d));
	}
}

// No checksum over IPv4 stays none; towards IPv6, which demands one, it is computed.
static void no_checksum(void **state)
{
	static const struct {
		uint32_t dest;
		bool zero;
	} facts[] = {{NODE_B, true}, {NODE_EX, true}, {NODE_FAR, true}, {NODE_SIX, false}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		struct dgram *d = journey_begin(
		    &(struct journey){AT_A, NODE_A, facts[i].dest}, (const uint8_t *)"abc", 3);
		struct inet_udp h;
		uint16_t check;

		memset(d->l2 + ETH_HEADER_SIZE + IPV4_HEADER_SIZE + UDP_OFFSET_CHECKSUM, 0, 2);
		lab_run(&lab, 1);
		h = lab_check_frame(d);
		memcpy(&check, d->l2 + h.l4 + UDP_OFFSET_CHECKSUM, sizeof(check));
		assert_int_equal(check == 0, facts[i].zero);
	}
}

// A frame whose UDP sum comes out as zero leaves with 0xffff. Two bytes of the frame are chosen so
// that the outgoing sum is zero.
static void zero_sum(void **state)
{
	uint8_t frame[3] = {0};
	struct dgram *d = journey_begin(&journeys[0], frame, sizeof(frame));
	struct inet_udp h;
	uint16_t check;

	(void)state;
	lab_run(&lab, 1);
	h = lab_check_frame(d);
	memcpy(&check, d->l2 + h.l4 + UDP_OFFSET_CHECKSUM, sizeof(check));
	memcpy(frame + 1, &check, sizeof(check)); // the sum's missing part, at an even offset
	d = journey_begin(&journeys[0], frame, sizeof(frame));
	lab_run(&lab, 1);
	h = lab_check_frame(d);
	memcpy(&check, d->l2 + h.l4 + UDP_OFFSET_CHECKSUM, sizeof(check));
	assert_int_equal(check, 0xffff);
}

// A local sender on veth leaves only the pseudo header's sum in the field.
static void half_done(void **state)
{
	uint8_t frame[FRAME_RANDOM];
	uint64_t before = lab_count(&lab, COUNTER_CHECKSUM_COMPLETED), rounds = 0;

	(void)state;
	srandom(13);
	for (int round = 0; round < 600; round++) {
		const struct journey *j = &journeys[round % ARRAY_SIZE(journeys)];
		size_t len = frame_random(frame);
		struct dgram *d = journey_begin(j, frame, len);
		uint8_t *ip = d->l2 + ETH_HEADER_SIZE, *udp;
		uint16_t udp_len = (uint16_t)(UDP_HEADER_SIZE + BEACON_RELAY_SIZE + len), partial;
		uint32_t a, b;

		memcpy(&a, ip + IPV4_OFFSET_SRC, sizeof(a));
		memcpy(&b, ip + IPV4_OFFSET_DST, sizeof(b));
		udp = ip + (ip[0] >> 4 == 4 ? IPV4_HEADER_SIZE : IPV6_HEADER_SIZE);
		partial = csum_fold(ip[0] >> 4 == 4 ? udp4_pseudo_sum(a, b, udp_len)
						    : udp6_pseudo_sum(ip + IPV6_OFFSET_SRC,
							  ip + IPV6_OFFSET_DST, udp_len));
		memcpy(udp + UDP_OFFSET_CHECKSUM, &partial, sizeof(partial));
		lab_run(&lab, 1);
		lab_check_frame(d);
		rounds++;
	}
	assert_int_equal(lab_count(&lab, COUNTER_CHECKSUM_COMPLETED) - before, rounds);
}

// A whole checksum that by chance looks half done is recognised by verifying it.
static void half_done_by_chance(void **state)
{
	uint64_t before = lab_count(&lab, COUNTER_CHECKSUM_COMPLETED);
	uint8_t frame[3] = {0};

	(void)state;
	for (unsigned try = 0; try < 65536; try++) {
		struct dgram *d;
		uint16_t check;
		const uint8_t *ip;
		uint32_t a, b;

		memcpy(frame + 1, &(uint16_t){(uint16_t)try}, 2);
		d = journey_begin(&journeys[0], frame, sizeof(frame));
		ip = d->l2 + ETH_HEADER_SIZE;
		memcpy(&a, ip + IPV4_OFFSET_SRC, sizeof(a));
		memcpy(&b, ip + IPV4_OFFSET_DST, sizeof(b));
		memcpy(&check, ip + IPV4_HEADER_SIZE + UDP_OFFSET_CHECKSUM, sizeof(check));
		if (!udp_checksum_is_partial(udp4_pseudo_sum(a, b, 8 + 9 + 3), check))
			continue;
		lab_run(&lab, 1);
		lab_check_frame(d);
		assert_int_equal(lab_count(&lab, COUNTER_CHECKSUM_COMPLETED), before);
		return;
	}
	fail_msg("no frame of 65536 has such a checksum");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(headers_v4),
	    cmocka_unit_test(headers_v6),
	    cmocka_unit_test(identification),
	    cmocka_unit_test(vlan),
	    cmocka_unit_test(ttl),
	    cmocka_unit_test(mtu),
	    cmocka_unit_test(companion),
	    cmocka_unit_test(checksums),
	    cmocka_unit_test(damage_stays),
	    cmocka_unit_test(no_checksum),
	    cmocka_unit_test(zero_sum),
	    cmocka_unit_test(half_done),
	    cmocka_unit_test(half_done_by_chance),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
