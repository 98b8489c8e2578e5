// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/usual_frames.h"

#include "base/random.h"

enum { IP = ETH_HEADER_SIZE };

// Where a frame of a node of each family has its headers.
struct family {
	const char *from, *to;
	uint8_t udp, message, sender;
};

static const struct family v4 = {AT_A, "192.0.2.1:9001", USUAL4_UDP, USUAL4_MESSAGE, NODE_A};
static const struct family v6 = {
    AT_SIX, "[2001:db8::1]:9001", USUAL6_UDP, USUAL6_MESSAGE, NODE_SIX};

void usual_sums_fix(struct usual_frame *f)
{
	struct inet_udp h;
	uint16_t check;

	if (f->len < USUAL4_MESSAGE)
		return;
	if (load_be16(f->bytes + ETH_OFFSET_TYPE) != ETH_TYPE_IPV6) {
		check = ipv4_checksum(f->bytes + IP, IPV4_HEADER_SIZE);
		memcpy(f->bytes + IP + IPV4_OFFSET_CHECKSUM, &check, sizeof(check));
	}
	if (inet_udp_parse(f->bytes, f->len, &h))
		return;
	check = udp_checksum(inet_udp_pseudo_sum(f->bytes, &h), f->bytes + h.l4, h.udp_len);
	memcpy(f->bytes + h.l4 + UDP_OFFSET_CHECKSUM, &check, sizeof(check));
}

static struct usual_frame frame_make(const struct family *v, size_t payload)
{
	struct frame_spec spec = {
	    .ttl = 64, .from = lab_endpoint(v->from), .to = lab_endpoint(v->to)};
	uint8_t message[USUAL_FRAME_MAX] = {BEACON_RELAY, [4] = v->sender, [8] = NODE_B};
	struct usual_frame f = {.len = 0};
	int n;

	memcpy(spec.dst_mac, lab_mac, sizeof(spec.dst_mac));
	for (size_t i = BEACON_RELAY_SIZE; i < payload; i++)
		message[i] = (uint8_t)(i * 7);
	n = frame_build(f.bytes, sizeof(f.bytes), &spec, message, payload);
	assert_true(n > 0);
	f.len = (size_t)n;
	return f;
}

struct usual_frame usual_frame_make(bool six, size_t payload)
{
	return frame_make(six ? &v6 : &v4, payload);
}

unsigned usual_message_at(bool six)
{
	return six ? v6.message : v4.message;
}

void usual_each_size(struct usual_look look)
{
	for (size_t payload = 0; payload < 300; payload++) {
		struct usual_frame f = usual_frame_make(payload % 2, payload / 2);

		look.at(&f, payload / 2 >= BEACON_RELAY_SIZE, "whole");
		for (size_t cut = 0; cut < f.len; cut++) {
			struct usual_frame cut_off = f;

			cut_off.len = cut;
			look.at(&cut_off, false, "cut off");
		}
		f.len += 6; // padding is for the others
		look.at(&f, false, "padded");
	}
}

void usual_each_bit(struct usual_look look)
{
	for (int six = 0; six < 2; six++) {
		const struct usual_frame whole = usual_frame_make(six, 40);

		for (size_t bit = 0; bit < 16 * whole.len; bit++) {
			struct usual_frame f = whole;

			f.bytes[bit / 16] ^= (uint8_t)(1 << bit / 2 % 8);
			if (bit % 2)
				usual_sums_fix(&f);
			look.at(&f, EITHER, "a bit turned");
		}
	}
}

// A field's value, and whether a frame that has it, with right sums, is usual.
void usual_each_field(struct usual_look look)
{
	static const struct {
		const struct family *v;
		const char *what;
		uint8_t at, size;
		uint32_t value;
		bool usual;
	} facts[] = {
	    {&v4, "EtherType IPv6", ETH_OFFSET_TYPE, 2, ETH_TYPE_IPV6, false},
	    {&v4, "EtherType 0", ETH_OFFSET_TYPE, 2, 0, false},
	    {&v4, "a tag", ETH_OFFSET_TYPE, 2, ETH_TYPE_VLAN, false},
	    {&v4, "header length 24", IP, 1, 0x46, false},
	    {&v4, "version 6", IP, 1, 0x65, false},
	    {&v4, "type of service", IP + 1, 1, 0xb8, true},
	    {&v4, "identification", IP + IPV4_OFFSET_ID, 2, 0xffff, true},
	    {&v4, "DF", IP + IPV4_OFFSET_FRAGMENT, 2, 0x4000, true},
	    {&v4, "the reserved flag", IP + IPV4_OFFSET_FRAGMENT, 2, 0x8000, true},
	    {&v4, "more fragments", IP + IPV4_OFFSET_FRAGMENT, 2, 0x2000, false},
	    {&v4, "a later fragment", IP + IPV4_OFFSET_FRAGMENT, 2, 1, false},
	    {&v4, "TTL 0", IP + IPV4_OFFSET_TTL, 1, 0, false},
	    {&v4, "TTL 1", IP + IPV4_OFFSET_TTL, 1, 1, true},
	    {&v4, "TTL 255", IP + IPV4_OFFSET_TTL, 1, 255, true},
	    {&v4, "TCP", IP + IPV4_OFFSET_PROTOCOL, 1, 6, false},
	    {&v4, "from 0.0.0.1", IP + IPV4_OFFSET_SRC, 4, 1, false},
	    {&v4, "from 1.0.0.0", IP + IPV4_OFFSET_SRC, 4, 0x01000000, true},
	    {&v4, "from 223.255.255.255", IP + IPV4_OFFSET_SRC, 4, 0xdfffffff, true},
	    {&v4, "from 224.0.0.0", IP + IPV4_OFFSET_SRC, 4, 0xe0000000, false},
	    {&v4, "from 255.255.255.255", IP + IPV4_OFFSET_SRC, 4, 0xffffffff, false},
	    {&v4, "to another address", IP + IPV4_OFFSET_DST, 4, 0xc0000202, false},
	    {&v4, "from port 0", USUAL4_UDP + UDP_OFFSET_SRC, 2, 0, false},
	    {&v4, "from port 65535", USUAL4_UDP + UDP_OFFSET_SRC, 2, 65535, true},
	    {&v4, "to another port", USUAL4_UDP + UDP_OFFSET_DST, 2, 9002, false},
	    {&v4, "Discover", USUAL4_MESSAGE, 1, BEACON_DISCOVER, false},
	    {&v4, "a tunnel frame", USUAL4_MESSAGE, 1, 'P', false},
	    {&v4, "by 0", USUAL4_MESSAGE + 1, 4, 0, false},
	    {&v4, "to 0", USUAL4_MESSAGE + 5, 4, 0, false},
	    {&v4, "by the last node", USUAL4_MESSAGE + 1, 4, UINT32_MAX, true},
	    {&v6, "EtherType IPv4", ETH_OFFSET_TYPE, 2, ETH_TYPE_IPV4, false},
	    {&v6, "EtherType 0", ETH_OFFSET_TYPE, 2, 0, false},
	    {&v6, "a tag", ETH_OFFSET_TYPE, 2, ETH_TYPE_VLAN, false},
	    {&v6, "version 4", IP, 1, 0x45, false},
	    {&v6, "version 7", IP, 1, 0x70, false},
	    {&v6, "traffic class", IP, 2, 0x6b80, true},
	    {&v6, "flow label", IP, 4, 0x600fffff, true},
	    {&v6, "hop limit 0", IP + IPV6_OFFSET_HOPS, 1, 0, false},
	    {&v6, "hop limit 1", IP + IPV6_OFFSET_HOPS, 1, 1, true},
	    {&v6, "hop-by-hop options", IP + IPV6_OFFSET_NEXT, 1, 0, false},
	    {&v6, "a fragment", IP + IPV6_OFFSET_NEXT, 1, 44, false},
	    {&v6, "from 0001::", IP + IPV6_OFFSET_SRC, 2, 1, false},
	    {&v6, "from 0100::", IP + IPV6_OFFSET_SRC, 2, 0x0100, true},
	    {&v6, "from fd00::", IP + IPV6_OFFSET_SRC, 2, 0xfdff, true},
	    {&v6, "from fe80::", IP + IPV6_OFFSET_SRC, 2, 0xfe80, false},
	    {&v6, "from ff02::", IP + IPV6_OFFSET_SRC, 2, 0xff02, false},
	    {&v6, "to another address", IP + IPV6_OFFSET_DST + 12, 4, 2, false},
	    {&v6, "to another network", IP + IPV6_OFFSET_DST, 2, 0x2002, false},
	    {&v6, "from port 0", USUAL6_UDP + UDP_OFFSET_SRC, 2, 0, false},
	    {&v6, "from port 1", USUAL6_UDP + UDP_OFFSET_SRC, 2, 1, true},
	    {&v6, "to another port", USUAL6_UDP + UDP_OFFSET_DST, 2, 9002, false},
	    {&v6, "Discover", USUAL6_MESSAGE, 1, BEACON_DISCOVER, false},
	    {&v6, "by 0", USUAL6_MESSAGE + 1, 4, 0, false},
	    {&v6, "to 0", USUAL6_MESSAGE + 5, 4, 0, false},
	    {&v6, "to the last node", USUAL6_MESSAGE + 5, 4, UINT32_MAX, true},
	};

	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		struct usual_frame f = frame_make(facts[i].v, 40);
		uint8_t value[4];

		store_be32(value, facts[i].value << (32 - 8 * facts[i].size));
		memcpy(f.bytes + facts[i].at, value, facts[i].size);
		usual_sums_fix(&f);
		look.at(&f, facts[i].usual, facts[i].what);
	}
}

void usual_each_length(struct usual_look look)
{
	for (int ip = -10; ip <= 10; ip++)
		for (int udp = -10; udp <= 10; udp++) {
			struct usual_frame f = frame_make(&v4, 40), six = frame_make(&v6, 40);

			store_be16(f.bytes + IP + IPV4_OFFSET_LENGTH, (uint16_t)(68 + ip));
			store_be16(f.bytes + v4.udp + UDP_OFFSET_LENGTH, (uint16_t)(48 + udp));
			usual_sums_fix(&f);
			look.at(&f, ip == 0 && udp == 0, "lengths");
			store_be16(six.bytes + IP + IPV6_OFFSET_LENGTH, (uint16_t)(48 + ip));
			store_be16(six.bytes + v6.udp + UDP_OFFSET_LENGTH, (uint16_t)(48 + udp));
			usual_sums_fix(&six);
			look.at(&six, ip == 0 && udp == 0, "lengths");
		}
}

void usual_each_checksum(struct usual_look look)
{
	struct usual_frame f = frame_make(&v4, 40);
	const uint16_t whole = ipv4_checksum(f.bytes + IP, IPV4_HEADER_SIZE);

	for (uint32_t check = 0; check <= UINT16_MAX; check++) {
		memcpy(f.bytes + IP + IPV4_OFFSET_CHECKSUM, &check, sizeof(uint16_t));
		look.at(&f, check == whole, "IP checksum");
	}
	for (int six = 0; six < 2; six++) {
		struct inet_udp h = {0};
		uint16_t partial;

		f = usual_frame_make(six, 40);
		assert_int_equal(inet_udp_parse(f.bytes, f.len, &h), 0);
		partial = csum_fold(inet_udp_pseudo_sum(f.bytes, &h));
		for (uint32_t check = 0; check <= UINT16_MAX; check++) {
			memcpy(f.bytes + h.l4 + UDP_OFFSET_CHECKSUM, &check, sizeof(uint16_t));
			look.at(&f, check != 0 && check != partial, "UDP checksum");
		}
	}
}

void usual_random_edits(struct usual_look look, unsigned rounds)
{
	uint64_t random = 42;

	for (unsigned round = 0; round < rounds; round++) {
		bool six = round % 2;
		struct usual_frame f = usual_frame_make(six, 9 + random_below(&random, 100));

		for (uint32_t edits = random_below(&random, 4); edits; edits--) {
			uint8_t *at = &f.bytes[random_below(
			    &random, usual_message_at(six) + BEACON_RELAY_SIZE)];

			*at = (uint8_t)(random_below(&random, 2) ? random_next(&random) >> 56 : 0);
		}
		if (random_below(&random, 4))
			usual_sums_fix(&f);
		look.at(&f, EITHER, "edited");
	}
}
