// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/stage_lab.h"

STAGE_LAB_FIXTURE

// A frame of node A to B; `edit` breaks it.
struct frame_fact {
	const char *what;
	void (*edit)(uint8_t *frame, size_t *len);
	struct frame_spec spec; // from, to: filled in where the port is 0
	enum drop drop;
};

enum { V4 = ETH_HEADER_SIZE, V4_UDP = V4 + IPV4_HEADER_SIZE };

// Keeps the IPv4 header checksum right, so that only the edit is judged.
static void header_sum(uint8_t *frame)
{
	uint16_t check = ipv4_checksum(frame + V4, IPV4_HEADER_SIZE);

	memcpy(frame + V4 + IPV4_OFFSET_CHECKSUM, &check, sizeof(check));
}

static void edit_arp(uint8_t *f, size_t *len)
{
	(void)len;
	store_be16(f + ETH_OFFSET_TYPE, 0x0806);
}

static void edit_runt(uint8_t *f, size_t *len)
{
	(void)f;
	*len = 13;
}

static void edit_cut_header(uint8_t *f, size_t *len)
{
	(void)f;
	*len = V4_UDP + 4;
}

static void edit_cut_payload(uint8_t *f, size_t *len)
{
	(void)f;
	*len -= 1;
}

static void edit_padding(uint8_t *f, size_t *len)
{
	memset(f + *len, 0, 30); // Ethernet pads to 60 bytes
	*len += 30;
}

static void edit_tcp(uint8_t *f, size_t *len)
{
	(void)len;
	f[V4 + IPV4_OFFSET_PROTOCOL] = 6;
	header_sum(f);
}

static void edit_first_fragment(uint8_t *f, size_t *len)
{
	(void)len;
	store_be16(f + V4 + IPV4_OFFSET_FRAGMENT, 0x2000);
	header_sum(f);
}

static void edit_later_fragment(uint8_t *f, size_t *len)
{
	(void)len;
	store_be16(f + V4 + IPV4_OFFSET_FRAGMENT, 185);
	header_sum(f);
}

static void edit_dont_fragment(uint8_t *f, size_t *len)
{
	(void)len;
	store_be16(f + V4 + IPV4_OFFSET_FRAGMENT, 0x4000);
	header_sum(f);
}

static void edit_ip_checksum(uint8_t *f, size_t *len)
{
	(void)len;
	f[V4 + IPV4_OFFSET_CHECKSUM] ^= 1;
}

static void edit_udp_longer(uint8_t *f, size_t *len)
{
	(void)len;
	store_be16(f + V4_UDP + UDP_OFFSET_LENGTH, 1400);
}

static void edit_udp_tiny(uint8_t *f, size_t *len)
{
	(void)len;
	store_be16(f + V4_UDP + UDP_OFFSET_LENGTH, 7);
}

static void edit_ihl(uint8_t *f, size_t *len)
{
	(void)len;
	f[V4] = 0x44;
	header_sum(f);
}

static void edit_v6_hop_by_hop(uint8_t *f, size_t *len)
{
	(void)len;
	f[ETH_HEADER_SIZE + IPV6_OFFSET_NEXT] = 0;
}

static void edit_other_port(uint8_t *f, size_t *len)
{
	(void)len;
	store_be16(f + V4_UDP + UDP_OFFSET_DST, 9002);
}

#define TO_SIX "[2001:db8::1]:9001"

static void frame_judge(const struct frame_fact *fact, const char *from, const char *to)
{
	static const uint8_t payload[] = {5, 0, 0, 0, 1, 0, 0, 0, 2, 'h', 'e', 'l', 'l', 'o'};
	struct frame_spec spec = fact->spec;
	uint8_t frame[256];
	struct dgram *d;
	size_t len;
	int n;

	spec.from = lab_endpoint(from);
	spec.to = lab_endpoint(to);
	spec.ttl = spec.ttl == 255 ? 0 : 64;
	n = frame_build(frame, sizeof(frame), &spec, payload, sizeof(payload));
	assert_true(n > 0);
	len = (size_t)n;
	if (fact->edit)
		fact->edit(frame, &len);
	lab_begin(&lab, LAB_RAW);
	d = lab_frame(&lab, frame, len);
	lab.b.now_ns = 1;
	stage_classify(&lab.b, &lab.env);
	if (d->drop != fact->drop)
		fail_msg(
		    "%s: drop %s, not %s", fact->what, drop_names[d->drop], drop_names[fact->drop]);
	if (fact->drop)
		return;
	assert_int_equal(d->verdict, VERDICT_NONE);
	assert_int_equal(d->len, sizeof(payload));
	assert_memory_equal(d->data, payload, sizeof(payload));
	assert_int_equal(d->type, BEACON_RELAY);
	assert_int_equal(d->sender, 1);
	assert_int_equal(d->dest, 2);
	assert_int_equal(d->local, endpoint_is_v4(&spec.to) ? LAB_V4 : LAB_V6);
	assert_true(endpoint_equal(&d->src, &spec.from));
}

static void frames_v4(void **state)
{
	static const struct frame_fact facts[] = {
	    {"as it should be", NULL, {.ttl = 0}, DROP_NONE},
	    {"padded by Ethernet", edit_padding, {.ttl = 0}, DROP_NONE},
	    {"one tag", NULL, {.vlan = {7}, .vlan_tags = 1}, DROP_NONE},
	    {"two tags", NULL, {.vlan = {7, 8}, .vlan_tags = 2}, DROP_NONE},
	    {"options", NULL, {.ip_options = 10}, DROP_NONE},
	    {"DF set", edit_dont_fragment, {.ttl = 0}, DROP_NONE},
	    {"no UDP checksum", NULL, {.no_checksum = 1}, DROP_NONE},
	    {"TTL 0", NULL, {.ttl = 255}, DROP_TTL_EXPIRED},
	    {"ARP", edit_arp, {.ttl = 0}, DROP_NOT_UDP},
	    {"TCP", edit_tcp, {.ttl = 0}, DROP_NOT_UDP},
	    {"first fragment", edit_first_fragment, {.ttl = 0}, DROP_NOT_UDP},
	    {"later fragment", edit_later_fragment, {.ttl = 0}, DROP_NOT_UDP},
	    {"another port", edit_other_port, {.ttl = 0}, DROP_NOT_UDP},
	    {"runt", edit_runt, {.ttl = 0}, DROP_TRUNCATED},
	    {"cut in the header", edit_cut_header, {.ttl = 0}, DROP_TRUNCATED},
	    {"cut in the payload", edit_cut_payload, {.ttl = 0}, DROP_TRUNCATED},
	    {"UDP longer than IP", edit_udp_longer, {.ttl = 0}, DROP_TRUNCATED},
	    {"UDP shorter than its header", edit_udp_tiny, {.ttl = 0}, DROP_TRUNCATED},
	    {"IP header length 16", edit_ihl, {.ttl = 0}, DROP_TRUNCATED},
	    {"IP checksum", edit_ip_checksum, {.ttl = 0}, DROP_IP_CHECKSUM},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++)
		frame_judge(&facts[i], AT_A, "192.0.2.1:9001");
}

static void frames_v6(void **state)
{
	static const struct frame_fact facts[] = {
	    {"as it should be", NULL, {.ttl = 0}, DROP_NONE},
	    {"one tag", NULL, {.vlan = {7}, .vlan_tags = 1}, DROP_NONE},
	    {"hop limit 0", NULL, {.ttl = 255}, DROP_TTL_EXPIRED},
	    {"hop-by-hop header", edit_v6_hop_by_hop, {.ttl = 0}, DROP_NOT_UDP},
	    {"cut in the payload", edit_cut_payload, {.ttl = 0}, DROP_TRUNCATED},
	    {"no UDP checksum", NULL, {.no_checksum = 1}, DROP_UDP_CHECKSUM},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++)
		frame_judge(&facts[i], AT_SIX, TO_SIX);
}

static void addresses(void **state)
{
	static const struct {
		const char *from, *to;
		enum drop drop;
	} facts[] = {
	    {"127.0.0.1:1", "192.0.2.1:9001", DROP_NONE},
	    {"198.51.100.1:0", "192.0.2.1:9001", DROP_SOURCE_INVALID},
	    {"0.0.0.0:4001", "192.0.2.1:9001", DROP_SOURCE_INVALID},
	    {"224.0.0.1:4001", "192.0.2.1:9001", DROP_SOURCE_INVALID},
	    {"255.255.255.255:4001", "192.0.2.1:9001", DROP_SOURCE_INVALID},
	    {"[::]:4001", "[2001:db8::1]:9001", DROP_SOURCE_INVALID},
	    {"[ff02::1]:4001", "[2001:db8::1]:9001", DROP_SOURCE_INVALID},
	    {"[fe80::1]:4001", "[2001:db8::1]:9001", DROP_SOURCE_INVALID},
	    {"[febf::1]:4001", "[2001:db8::1]:9001", DROP_SOURCE_INVALID},
	    {"[fec0::1]:4001", "[2001:db8::1]:9001", DROP_NONE},
	    {AT_A, "192.0.2.2:9001", DROP_NOT_UDP},
	    {AT_A, "192.0.2.1:9000", DROP_NOT_UDP},
	    {"[2001:db8::7]:4001", "[2001:db8::2]:9001", DROP_NOT_UDP},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		struct frame_fact fact = {.what = facts[i].from, .drop = facts[i].drop};

		frame_judge(&fact, facts[i].from, facts[i].to);
	}
}

// Messages, over sock: the first bytes, the total length, and what classify makes of them.
static void messages(void **state)
{
	static const struct {
		const char *what;
		uint8_t bytes[12];
		uint32_t len;
		enum drop drop;
		uint8_t type;
		uint32_t sender, dest;
	} facts[] = {
	    {"nothing", {0}, 0, DROP_EMPTY, 0, 0, 0},
	    {"discover", {1, 0, 0, 0, 7}, 5, DROP_NONE, 1, 7, 0},
	    {"discover of id 0", {1, 0, 0, 0, 0}, 5, DROP_NONE, 1, 0, 0},
	    {"discover with key", {1, 0, 0, 0, 7}, 37, DROP_NONE, 1, 7, 0},
	    {"discover, short", {1, 0, 0, 0}, 4, DROP_SHORT_MESSAGE, 1, 0, 0},
	    {"discover ex", {8, 0, 0, 0, 7}, 5, DROP_NONE, 8, 7, 0},
	    {"discover ex, short", {8}, 1, DROP_SHORT_MESSAGE, 8, 0, 0},
	    {"reply", {2, 4}, 8, DROP_UNKNOWN_TYPE, 2, 0, 0},
	    {"punch", {3, 0, 0, 0, 1, 0, 0, 0, 2}, 9, DROP_NONE, 3, 1, 2},
	    {"punch, short", {3, 0, 0, 0, 1, 0, 0, 0}, 8, DROP_SHORT_MESSAGE, 3, 0, 0},
	    {"punch by 0", {3, 0, 0, 0, 0, 0, 0, 0, 2}, 9, DROP_NODE_ZERO, 3, 0, 2},
	    {"punch of 0", {3, 0, 0, 0, 1, 0, 0, 0, 0}, 9, DROP_NODE_ZERO, 3, 1, 0},
	    {"punch command", {4, 4}, 8, DROP_UNKNOWN_TYPE, 4, 0, 0},
	    {"relay, empty frame", {5, 0, 0, 0, 1, 0, 0, 0, 2}, 9, DROP_NONE, 5, 1, 2},
	    {"relay, short", {5, 0, 0, 0, 1, 0, 0, 0}, 8, DROP_SHORT_MESSAGE, 5, 0, 0},
	    {"relay by 0", {5, 0, 0, 0, 0, 0, 0, 0, 2}, 9, DROP_NODE_ZERO, 5, 0, 2},
	    {"relay to 0", {5, 0, 0, 0, 1, 0, 0, 0, 0}, 9, DROP_NODE_ZERO, 5, 1, 0},
	    {"deliver", {6, 0, 0, 0, 1}, 9, DROP_UNKNOWN_TYPE, 6, 0, 0},
	    {"sync of none", {7, 0, 0, 0, 9, 0, 0}, 7, DROP_NONE, 7, 0, 0},
	    {"sync of one", {7, 0, 0, 0, 9, 0, 1}, 11, DROP_NONE, 7, 0, 0},
	    {"sync, short", {7, 0, 0, 0, 9, 0}, 6, DROP_SHORT_MESSAGE, 7, 0, 0},
	    {"sync, one id lacks", {7, 0, 0, 0, 9, 0, 2}, 14, DROP_SHORT_MESSAGE, 7, 0, 0},
	    {"deliver dest", {9, 0, 0, 0, 1, 0, 0, 0, 2}, 9, DROP_UNKNOWN_TYPE, 9, 0, 0},
	    {"notify", {10, 1}, 2, DROP_UNKNOWN_TYPE, 10, 0, 0},
	    {"STUN", {0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42}, 20, DROP_NONE, DGRAM_TYPE_STUN, 0, 0},
	    {"STUN, short", {0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42}, 19, DROP_UNKNOWN_TYPE, 0, 0, 0},
	    {"STUN indication", {0, 0x11, 0, 0, 0x21, 0x12, 0xa4, 0x42}, 20, DROP_UNKNOWN_TYPE, 0,
		0, 0},
	    {"STUN response", {1, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42}, 20, DROP_NONE, 1, 0x01000021,
		0}, // a Discover as good as any
	    {"no cookie", {0, 1}, 20, DROP_UNKNOWN_TYPE, 0, 0, 0},
	    {"tunnel frame", {'P', 'I', 'L', 'S'}, 60, DROP_TUNNEL_FRAME, 'P', 0, 0},
	    {"garbage", {0xff}, 100, DROP_UNKNOWN_TYPE, 0xff, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		uint8_t bytes[128] = {0};
		struct dgram *d;

		memcpy(bytes, facts[i].bytes, sizeof(facts[i].bytes));
		lab_begin(&lab, LAB_SOCK);
		d = lab_payload(&lab, AT_A, LAB_V4, bytes, facts[i].len);
		stage_classify(&lab.b, &lab.env);
		if (d->drop != facts[i].drop || d->type != facts[i].type)
			fail_msg(
			    "%s: drop %s, type %u", facts[i].what, drop_names[d->drop], d->type);
		if (facts[i].drop == DROP_NONE || facts[i].drop == DROP_NODE_ZERO) {
			assert_int_equal(d->sender, facts[i].sender);
			assert_int_equal(d->dest, facts[i].dest);
		}
		assert_int_equal(d->rx_len, facts[i].len);
	}
}

// A flipped bit behind a frame's UDP header: the relay checks what it acts on itself and leaves a
// relayed payload to who receives it. Without a checksum there is nothing to check.
static void damaged_payloads(void **state)
{
	static const struct {
		const char *what, *from, *to;
		uint8_t bytes[14];
		uint8_t no_checksum;
		enum drop drop;
	} facts[] = {
	    {"discover", AT_A, "192.0.2.1:9001", {1, 0, 0, 0, 7}, 0, DROP_UDP_CHECKSUM},
	    {"discover over IPv6", AT_SIX, TO_SIX, {1, 0, 0, 0, 7}, 0, DROP_UDP_CHECKSUM},
	    {"punch", AT_A, "192.0.2.1:9001", {3, 0, 0, 0, 1, 0, 0, 0, 2}, 0, DROP_UDP_CHECKSUM},
	    {"sync", AT_A, "192.0.2.1:9001", {7, 0, 0, 0, 9, 0, 1}, 0, DROP_UDP_CHECKSUM},
	    {"relay", AT_A, "192.0.2.1:9001", {5, 0, 0, 0, 1, 0, 0, 0, 2}, 0, DROP_NONE},
	    {"no checksum", AT_A, "192.0.2.1:9001", {1, 0, 0, 0, 7}, 1, DROP_NONE},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		struct frame_spec spec = {.ttl = 9, .no_checksum = facts[i].no_checksum};
		uint8_t frame[128];
		int n;

		spec.from = lab_endpoint(facts[i].from);
		spec.to = lab_endpoint(facts[i].to);
		n = frame_build(frame, sizeof(frame), &spec, facts[i].bytes, 14);
		assert_true(n > 0);
		for (int flip = 0; flip < 2; flip++) {
			enum drop want = flip ? facts[i].drop : DROP_NONE;
			const struct dgram *d;

			frame[n - 1] ^= (uint8_t)(flip << 5);
			lab_begin(&lab, LAB_RAW);
			d = lab_frame(&lab, frame, (size_t)n);
			stage_classify(&lab.b, &lab.env);
			if (d->drop != want)
				fail_msg("%s, %s: drop %s", facts[i].what,
				    flip ? "damaged" : "whole", drop_names[d->drop]);
		}
	}
}

// Frames that a parser must survive: every truncation and random bytes of a good frame.
static void random_frames(void **state)
{
	static const uint8_t payload[] = {5, 0, 0, 0, 1, 0, 0, 0, 2, 'x'};
	struct frame_spec spec = {.ttl = 3, .vlan_tags = 1, .ip_options = 2};
	uint8_t frame[256];
	int n;

	(void)state;
	spec.from = lab_endpoint(AT_A);
	spec.to = lab_endpoint("192.0.2.1:9001");
	n = frame_build(frame, sizeof(frame), &spec, payload, sizeof(payload));
	srandom(7);
	for (int round = 0; round < 2000; round++) {
		size_t len = (size_t)(random() % (n + 1));
		uint8_t *copy = exact_copy(frame, len);
		struct dgram *d = &lab.b.d[0];

		for (int edits = 0; edits < 3 && len; edits++)
			copy[(size_t)random() % len] = (uint8_t)random();
		lab_begin(&lab, LAB_RAW);
		lab.b.count = 1;
		memset(d, 0, sizeof(*d));
		d->l2 = copy;
		d->len = (uint32_t)len;
		d->link = LAB_RAW;
		stage_classify(&lab.b, &lab.env);
		assert_true(d->verdict == VERDICT_DROP || d->verdict == VERDICT_NONE);
		assert_true(d->len <= len);
		free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(frames_v4),
	    cmocka_unit_test(frames_v6),
	    cmocka_unit_test(addresses),
	    cmocka_unit_test(messages),
	    cmocka_unit_test(damaged_payloads),
	    cmocka_unit_test(random_frames),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
