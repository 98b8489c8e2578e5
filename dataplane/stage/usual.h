// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "dataplane/burst.h"
#include "dataplane/io/locals.h"
#include "dataplane/stage/headers.h"
#include "wire/constants.h"
#include "wire/inet.h"

#include <smmintrin.h>

// The usual datagram: a relay message in an IP frame without tag, options, extension headers or
// padding, to the same local address as the one before of its family. What the headers of all of
// these have in common lies in two or three times 16 bytes, which are compared at once.
// usual4_take() and usual6_take() take a datagram only if headers.h and classify.c would, and leave
// the same of it; what is rare, wrong or dropped is their business.

enum {
	USUAL_IP = ETH_HEADER_SIZE,
	USUAL_LOW = ETH_OFFSET_TYPE, // where the first 16 bytes begin

	USUAL4_UDP = USUAL_IP + IPV4_HEADER_SIZE,
	USUAL4_MESSAGE = USUAL4_UDP + UDP_HEADER_SIZE,
	USUAL4_SIZE = USUAL4_MESSAGE + BEACON_RELAY_SIZE, // and more
	USUAL4_HIGH = USUAL_LOW + 16,			  // destination to type

	USUAL6_UDP = USUAL_IP + IPV6_HEADER_SIZE,
	USUAL6_MESSAGE = USUAL6_UDP + UDP_HEADER_SIZE,
	USUAL6_SIZE = USUAL6_MESSAGE + BEACON_RELAY_SIZE,
	USUAL6_TO = USUAL_IP + IPV6_OFFSET_DST,
	USUAL6_HIGH = USUAL6_SIZE - 16, // port to node ids
};

// Which bits of a frame count.
static const uint8_t usual4_mask[USUAL4_HIGH + 16] = {
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
    [USUAL4_UDP + UDP_OFFSET_DST] = 0xff,
    [USUAL4_UDP + UDP_OFFSET_DST + 1] = 0xff,
    [USUAL4_MESSAGE] = 0xff,
};

// The destination counts whole.
static const uint8_t usual6_mask[USUAL6_SIZE] = {
    [ETH_OFFSET_TYPE] = 0xff,
    [ETH_OFFSET_TYPE + 1] = 0xff,
    [USUAL_IP] = IPV6_FIRST_MASK,
    [USUAL_IP + IPV6_OFFSET_NEXT] = 0xff,
    [USUAL6_UDP + UDP_OFFSET_DST] = 0xff,
    [USUAL6_UDP + UDP_OFFSET_DST + 1] = 0xff,
    [USUAL6_MESSAGE] = 0xff,
};

static inline __m128i usual_load(const uint8_t *at)
{
	return _mm_loadu_si128((const __m128i *)at);
}

static inline struct usual usual4_of(const struct endpoint *at, uint8_t local)
{
	uint8_t frame[USUAL4_HIGH + 16] = {0};
	uint32_t addr = endpoint_v4(at);

	store_be16(frame + ETH_OFFSET_TYPE, ETH_TYPE_IPV4);
	frame[USUAL_IP] = IPV4_FIRST;
	frame[USUAL_IP + IPV4_OFFSET_PROTOCOL] = IP_PROTOCOL_UDP;
	memcpy(frame + USUAL_IP + IPV4_OFFSET_DST, &addr, sizeof(addr));
	store_be16(frame + USUAL4_UDP + UDP_OFFSET_DST, at->port);
	frame[USUAL4_MESSAGE] = BEACON_RELAY;
	return (struct usual){
	    .low = usual_load(frame + USUAL_LOW),
	    .high = usual_load(frame + USUAL4_HIGH),
	    .sizes = USUAL_IP + UINT16_MAX + 1 - USUAL4_SIZE,
	    .local = local,
	};
}

static inline struct usual usual6_of(const struct endpoint *at, uint8_t local)
{
	uint8_t frame[USUAL6_SIZE] = {0};

	store_be16(frame + ETH_OFFSET_TYPE, ETH_TYPE_IPV6);
	frame[USUAL_IP] = IPV6_FIRST;
	frame[USUAL_IP + IPV6_OFFSET_NEXT] = IP_PROTOCOL_UDP;
	store_be16(frame + USUAL6_UDP + UDP_OFFSET_DST, at->port);
	frame[USUAL6_MESSAGE] = BEACON_RELAY;
	return (struct usual){
	    .low = usual_load(frame + USUAL_LOW),
	    .high = usual_load(frame + USUAL6_HIGH),
	    .to = usual_load(at->addr),
	    .to_sum = csum_add(htobe16(IP_PROTOCOL_UDP), at->addr, sizeof(at->addr)),
	    .sizes = USUAL6_UDP + UINT16_MAX + 1 - USUAL6_SIZE,
	    .local = local,
	};
}

// From now on frames to this local address are the usual ones of its family.
static inline void usual_learn(struct stage_env *env, uint8_t local)
{
	const struct endpoint *at = &env->locals[local % LOCAL_MAX].at;
	const bool v4 = endpoint_is_v4(at);
	struct usual *u = v4 ? &env->usual4 : &env->usual6;

	if (u->sizes == 0 || u->local != local)
		*u = v4 ? usual4_of(at, local) : usual6_of(at, local);
}

// Node ids from the end of 16 bytes: sender, destination, destination, sender.
static inline __m128i usual_nodes(__m128i end)
{
	return _mm_shuffle_epi8(
	    end, _mm_setr_epi8(11, 10, 9, 8, 15, 14, 13, 12, 15, 14, 13, 12, 11, 10, 9, 8));
}

// Whether bytes are as usual, where they count.
static inline bool usual_same(__m128i bytes, const uint8_t *mask, __m128i usual)
{
	return _mm_testz_si128(_mm_xor_si128(bytes, usual), usual_load(mask));
}

// The same of the first 16, and whether the nodes are others than 0: where one is 0 four bytes
// differ, and some of the first four and of the third count.
static inline bool usual_begins(
    const uint8_t *frame, const uint8_t *mask, __m128i usual, __m128i nodes)
{
	__m128i zero = _mm_cmpeq_epi32(nodes, _mm_setzero_si128());
	__m128i differs = _mm_xor_si128(usual_load(frame + USUAL_LOW), usual);

	return _mm_testz_si128(_mm_or_si128(differs, zero), usual_load(mask + USUAL_LOW));
}

// Writes what classify does but for the source, and the node ids where the look-up wants them.
static inline void usual_write(
    struct dgram *d, const struct usual *u, unsigned message, __m128i nodes, uint32_t ids[2])
{
	d->data = d->l2 + message;
	d->len = d->rx_len = d->len - message;
	d->verdict = VERDICT_NONE;
	d->drop = DROP_NONE;
	d->flags = DGRAM_F_RAW;
	d->type = BEACON_RELAY;
	_mm_storel_epi64((__m128i *)&d->sender, nodes);
	_mm_storel_epi64((__m128i *)ids, nodes);
	d->local = u->local;
}

static inline bool usual4_take(struct dgram *d, const struct usual *u, uint32_t ids[2])
{
	const uint8_t *frame = d->l2, *ip = frame + USUAL_IP, *udp = frame + USUAL4_UDP;
	const uint32_t len = d->len;
	const uint16_t be_total = htobe16((uint16_t)(len - USUAL_IP));
	const uint16_t be_len = htobe16((uint16_t)(len - USUAL4_UDP));
	uint64_t addresses, sum;
	uint16_t be_port, udp_len, total;
	__m128i nodes;

	if (len - USUAL4_SIZE >= u->sizes)
		return false; // clang 14 does not see that all below is in the frame
	nodes = usual_nodes(usual_load(frame + USUAL4_SIZE - 16));
	// NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult)
	if (!usual_begins(frame, usual4_mask, u->low, nodes) || ip[IPV4_OFFSET_TTL] == 0 ||
	    !usual_same(usual_load(frame + USUAL4_HIGH), usual4_mask + USUAL4_HIGH, u->high) ||
	    !csum_is_nothing(ipv4_sum(ip)))
		return false;
	memcpy(&total, ip + IPV4_OFFSET_LENGTH, sizeof(total));
	memcpy(&addresses, ip + IPV4_OFFSET_SRC, sizeof(addresses));
	memcpy(&be_port, udp + UDP_OFFSET_SRC, sizeof(be_port));
	memcpy(&udp_len, udp + UDP_OFFSET_LENGTH, sizeof(udp_len));
	if (total != be_total || udp_len != be_len ||
	    !source4_is_valid((uint32_t)addresses, be_port) ||
	    !udp_sum_take(
		csum_plus(addresses, (uint64_t)be_len + htobe16(IP_PROTOCOL_UDP)), udp, &sum))
		return false;
	endpoint_set_v4(&d->src, (uint32_t)addresses, be16toh(be_port));
	usual_write(d, u, USUAL4_MESSAGE, nodes, ids);
	d->header_sum = sum;
	return true;
}

// Nearly any source: its first byte says that it is not unspecified, mapped, link-local or
// multicast.
static inline bool source6_is_usual(const uint8_t *addr, uint16_t port)
{
	return port != 0 && (uint8_t)(addr[0] - 1) < 0xfe - 1;
}

static inline bool usual6_take(struct dgram *d, const struct usual *u, uint32_t ids[2])
{
	const uint8_t *frame = d->l2, *ip = frame + USUAL_IP, *udp = frame + USUAL6_UDP;
	const uint32_t len = d->len;
	const uint16_t be_len = htobe16((uint16_t)(len - USUAL6_UDP));
	uint64_t from[2], sum;
	uint16_t be_port, udp_len, ip_len;
	__m128i to, end, nodes;

	if (len - USUAL6_SIZE >= u->sizes)
		return false; // nor here
	end = usual_load(frame + USUAL6_HIGH);
	nodes = usual_nodes(end);
	to = _mm_xor_si128(usual_load(frame + USUAL6_TO), u->to);
	// NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult)
	if (!usual_begins(frame, usual6_mask, u->low, nodes) || ip[IPV6_OFFSET_HOPS] == 0 ||
	    !_mm_testz_si128(to, to) || !usual_same(end, usual6_mask + USUAL6_HIGH, u->high))
		return false;
	memcpy(&ip_len, ip + IPV6_OFFSET_LENGTH, sizeof(ip_len));
	memcpy(from, ip + IPV6_OFFSET_SRC, sizeof(from));
	memcpy(&be_port, udp + UDP_OFFSET_SRC, sizeof(be_port));
	memcpy(&udp_len, udp + UDP_OFFSET_LENGTH, sizeof(udp_len));
	if (ip_len != be_len || udp_len != be_len ||
	    !source6_is_usual(ip + IPV6_OFFSET_SRC, be_port) ||
	    !udp_sum_take(csum_plus(csum_plus(from[0], from[1]), u->to_sum + be_len), udp, &sum))
		return false;
	endpoint_set_v6(&d->src, ip + IPV6_OFFSET_SRC, be16toh(be_port));
	usual_write(d, u, USUAL6_MESSAGE, nodes, ids);
	d->header_sum = sum;
	return true;
}

static inline bool usual_take(struct dgram *d, const struct stage_env *env, uint32_t ids[2])
{
	return usual4_take(d, &env->usual4, ids) || usual6_take(d, &env->usual6, ids);
}
