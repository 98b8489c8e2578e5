// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "dataplane/burst.h"
#include "dataplane/io/locals.h"
#include "dataplane/stage/headers.h"
#include "wire/constants.h"
#include "wire/inet.h"

#include <smmintrin.h>

// The usual datagram: a relay message in an IPv4 frame without tag, options or padding, to the same
// local address as the one before. What the headers of all of these have in common lies in 32
// bytes, from the EtherType to the message's type, which are compared at once. usual_take() takes a
// datagram only if headers.h and classify.c would, and leaves the same of it; what is rare, wrong
// or dropped is their business.

enum {
	USUAL_IP = ETH_HEADER_SIZE,
	USUAL_UDP = USUAL_IP + IPV4_HEADER_SIZE,
	USUAL_MESSAGE = USUAL_UDP + UDP_HEADER_SIZE,
	USUAL_SIZE = USUAL_MESSAGE + BEACON_RELAY_SIZE, // and more
	// Where the two halves of the 32 bytes begin, and the 16 bytes that end with the node ids.
	USUAL_LOW = ETH_OFFSET_TYPE,
	USUAL_HIGH = USUAL_LOW + 16,
	USUAL_NODES = USUAL_SIZE - 16,
};

struct usual {
	__m128i low, high; // bytes from USUAL_LOW and USUAL_HIGH on, under the mask
	uint8_t local;
};

// Which bits of a frame count.
static const uint8_t usual_mask[USUAL_HIGH + 16] = {
    [ETH_OFFSET_TYPE] = 0xff,
    [ETH_OFFSET_TYPE + 1] = 0xff,
    [USUAL_IP] = 0xff,
    [USUAL_IP + IPV4_OFFSET_FRAGMENT] = IPV4_FRAGMENT_MASK >> 8,
    [USUAL_IP + IPV4_OFFSET_FRAGMENT + 1] = IPV4_FRAGMENT_MASK & 0xff,
    [USUAL_IP + IPV4_OFFSET_PROTOCOL] = 0xff,
    [USUAL_IP + IPV4_OFFSET_DST] = 0xff,
    [USUAL_IP + IPV4_OFFSET_DST + 1] = 0xff,
    [USUAL_IP + IPV4_OFFSET_DST + 2] = 0xff,
    [USUAL_IP + IPV4_OFFSET_DST + 3] = 0xff,
    [USUAL_UDP + UDP_OFFSET_DST] = 0xff,
    [USUAL_UDP + UDP_OFFSET_DST + 1] = 0xff,
    [USUAL_MESSAGE] = 0xff,
};

static inline __m128i usual_load(const uint8_t *at)
{
	return _mm_loadu_si128((const __m128i *)at);
}

// Of frames to this local address. If it is not IPv4 none will do: no byte is anything else where
// the mask is 0.
static inline struct usual usual_of(const struct local *locals, uint8_t local)
{
	const struct local *l = &locals[local % LOCAL_MAX];
	uint32_t addr = endpoint_v4(&l->at);
	uint8_t frame[USUAL_HIGH + 16] = {0};

	frame[USUAL_IP + 1] = !local_is_valid(l) || !endpoint_is_v4(&l->at);
	store_be16(frame + ETH_OFFSET_TYPE, ETH_TYPE_IPV4);
	frame[USUAL_IP] = IPV4_FIRST;
	frame[USUAL_IP + IPV4_OFFSET_PROTOCOL] = IP_PROTOCOL_UDP;
	memcpy(frame + USUAL_IP + IPV4_OFFSET_DST, &addr, sizeof(addr));
	store_be16(frame + USUAL_UDP + UDP_OFFSET_DST, l->at.port);
	frame[USUAL_MESSAGE] = BEACON_RELAY;
	return (struct usual){
	    .low = usual_load(frame + USUAL_LOW),
	    .high = usual_load(frame + USUAL_HIGH),
	    .local = local % LOCAL_MAX,
	};
}

// Whether it is a relay message in such a frame, between nodes other than 0. `nodes`: their ids,
// twice.
static inline bool usual_looks(const struct usual *u, const uint8_t *frame, __m128i nodes)
{
	__m128i low = usual_load(frame + USUAL_LOW), high = usual_load(frame + USUAL_HIGH);
	__m128i differs = _mm_cmpeq_epi32(nodes, _mm_setzero_si128());

	low = _mm_xor_si128(_mm_and_si128(low, usual_load(usual_mask + USUAL_LOW)), u->low);
	high = _mm_xor_si128(_mm_and_si128(high, usual_load(usual_mask + USUAL_HIGH)), u->high);
	differs = _mm_or_si128(differs, _mm_or_si128(low, high));
	return _mm_testz_si128(differs, differs);
}

// Writes what classify does, and the node ids where the look-up wants them.
static inline bool usual_take(struct dgram *d, const struct usual *u, uint32_t ids[2])
{
	const __m128i order =
	    _mm_setr_epi8(11, 10, 9, 8, 15, 14, 13, 12, 11, 10, 9, 8, 15, 14, 13, 12);
	const uint8_t *frame = d->l2;
	const uint32_t len = d->len;
	const uint16_t be_len = htobe16((uint16_t)(len - USUAL_UDP));
	const uint8_t *ip = frame + USUAL_IP, *udp = frame + USUAL_UDP;
	uint64_t addresses, sum;
	uint16_t be_port, udp_len;
	__m128i nodes;

	if (len < USUAL_SIZE)
		return false;
	nodes = _mm_shuffle_epi8(usual_load(frame + USUAL_NODES), order);
	if (!usual_looks(u, frame, nodes) || load_be16(ip + IPV4_OFFSET_LENGTH) != len - USUAL_IP ||
	    ip[IPV4_OFFSET_TTL] == 0 || !csum_is_nothing(ipv4_sum(ip)))
		return false;
	memcpy(&addresses, ip + IPV4_OFFSET_SRC, sizeof(addresses));
	memcpy(&be_port, udp + UDP_OFFSET_SRC, sizeof(be_port));
	memcpy(&udp_len, udp + UDP_OFFSET_LENGTH, sizeof(udp_len));
	if (udp_len != be_len || !source4_is_valid((uint32_t)addresses, be_port) ||
	    !udp_sum_take(
		csum_plus(addresses, (uint64_t)be_len + htobe16(IP_PROTOCOL_UDP)), udp, &sum))
		return false;
	endpoint_set_v4(&d->src, (uint32_t)addresses, be16toh(be_port));
	d->data = d->l2 + USUAL_MESSAGE;
	d->len = d->rx_len = len - USUAL_MESSAGE;
	d->verdict = VERDICT_NONE;
	d->drop = DROP_NONE;
	d->flags = DGRAM_F_RAW;
	d->type = BEACON_RELAY;
	_mm_storel_epi64((__m128i *)&d->sender, nodes);
	_mm_storel_epi64((__m128i *)ids, nodes);
	d->local = u->local;
	d->header_sum = sum;
	return true;
}
