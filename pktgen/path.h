// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "pktgen/backend.h"
#include "wire/inet.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

// The way between simulated nodes and the relay as headers show it, for backends that make whole
// IPv4 frames: every node has an address and port of its own, behind one station.

enum {
	PATH_HEADERS = ETH_HEADER_SIZE + IPV4_HEADER_SIZE + UDP_HEADER_SIZE,
	PORTS_PER_ADDRESS = 60000, // simulated nodes behind one address
	FIRST_PORT = 1024,
};

static_assert((int)PATH_HEADERS <= (int)MESSAGE_HEADROOM, "headers go before what is sent");

struct path {
	union {
		uint8_t headers[PATH_HEADERS]; // what all frames have in common
		struct {
			uint8_t relay_mac[6];
			uint8_t own_mac[6];
		};
	};
	uint32_t relay_addr;	  // network order
	uint16_t relay_port;	  // network order
	uint32_t first_addr;	  // of the simulated nodes, host order
	uint64_t ip_sum, udp_sum; // what these headers add to the checksums
};

// Takes the addresses from the options, and leaves the MACs alone. -EAFNOSUPPORT with a sentence in
// `error` unless IPv4.
int path_init(struct path *p, const struct options *o, char *error);

// Where node i sends from: address and port, both in network order.
static inline void path_node_address(
    const struct path *p, uint32_t node, uint32_t *addr, uint16_t *port);

// Writes the headers (PATH_HEADERS bytes) before a payload of that length from a node; the UDP
// checksum is computed over the payload.
static inline void path_headers_build(
    const struct path *p, uint8_t *frame, uint32_t node, size_t payload);

// Finds the payload of a received frame and the node it is for. A frame that comes back with the
// addresses it was sent with has reached its sender. False, as a kernel would drop it: no whole UDP
// datagram, or a wrong checksum.
static inline bool path_message_find(
    const struct path *p, uint8_t *frame, size_t len, struct message *m);
// The same for frames of any kind, more slowly.
bool path_message_find_general(const struct path *p, uint8_t *frame, size_t len, struct message *m);

// --- bodies ---

static inline void path_node_address(
    const struct path *p, uint32_t node, uint32_t *addr, uint16_t *port)
{
	*addr = htobe32(p->first_addr + node / PORTS_PER_ADDRESS);
	*port = htobe16((uint16_t)(FIRST_PORT + node % PORTS_PER_ADDRESS));
}

static inline uint32_t path_address_node(
    const struct path *p, const uint8_t *addr, const uint8_t *port)
{
	return (load_be32(addr) - p->first_addr) * PORTS_PER_ADDRESS + load_be16(port) - FIRST_PORT;
}

static inline uint64_t path_word(const uint8_t *p)
{
	uint64_t word;

	memcpy(&word, p, sizeof(word));
	return word;
}

// As csum_add, which is made for longer data. Seven bytes before `p` can be read: headers.
static inline uint64_t path_sum(uint64_t sum, const uint8_t *p, size_t len)
{
	const uint8_t *end = p + (len & ~(size_t)7);
	const unsigned rest = len & 7;

	for (; p != end; p += 8)
		sum = csum_plus(sum, path_word(p));
	return rest ? csum_plus(sum, path_word(p + rest - 8) >> (64 - 8 * rest)) : sum;
}

static inline void path_headers_build(
    const struct path *p, uint8_t *frame, uint32_t node, size_t payload)
{
	uint8_t *ip = frame + ETH_HEADER_SIZE, *udp = ip + IPV4_HEADER_SIZE;
	const uint16_t udp_len = (uint16_t)(UDP_HEADER_SIZE + payload);
	const uint64_t be_len = htobe16(udp_len);
	uint16_t port, check;
	uint32_t addr;
	uint64_t sum;

	path_node_address(p, node, &addr, &port);
	memcpy(frame, p->headers, PATH_HEADERS);
	check = (uint16_t)~csum_fold(p->ip_sum + be_len + addr);
	store_be16(ip + IPV4_OFFSET_LENGTH, (uint16_t)(IPV4_HEADER_SIZE + udp_len));
	memcpy(ip + IPV4_OFFSET_CHECKSUM, &check, sizeof(check));
	memcpy(ip + IPV4_OFFSET_SRC, &addr, sizeof(addr));
	// of the values, not of the header just written, whose loads would wait for the stores
	sum = p->udp_sum + 2 * be_len + addr + port;
	sum = csum_fold(path_sum(sum, udp + UDP_HEADER_SIZE, payload));
	sum = sum == 0xffff ? sum : (uint16_t)~sum;
	udp_build(udp, be16toh(port), be16toh(p->relay_port), udp_len, (uint16_t)sum);
}

// Local senders on veth leave all but the pseudo header's sum to a card.
static inline bool path_sum_holds(uint64_t pseudo, const uint8_t *udp, size_t len)
{
	uint16_t check;

	memcpy(&check, udp + UDP_OFFSET_CHECKSUM, sizeof(check));
	return !check || csum_is_nothing(path_sum(pseudo, udp, len)) ||
	       udp_checksum_is_partial(pseudo, check);
}

static inline bool path_message_take(
    const struct path *p, uint8_t *frame, const struct inet_udp *h, struct message *m)
{
	const uint8_t *ip = frame + h->l3, *udp = frame + h->l4;
	uint32_t from, to;

	memcpy(&from, ip + IPV4_OFFSET_SRC, sizeof(from));
	memcpy(&to, ip + IPV4_OFFSET_DST, sizeof(to));
	if (!path_sum_holds(udp4_pseudo_sum(from, to, h->udp_len), udp, h->udp_len))
		return false;
	m->data = frame + h->payload;
	m->len = h->udp_len - (uint32_t)UDP_HEADER_SIZE;
	m->place = to == p->relay_addr
		       ? path_address_node(p, ip + IPV4_OFFSET_SRC, udp + UDP_OFFSET_SRC)
		       : path_address_node(p, ip + IPV4_OFFSET_DST, udp + UDP_OFFSET_DST);
	return true;
}

static inline bool path_message_find(
    const struct path *p, uint8_t *frame, size_t len, struct message *m)
{
	struct inet_udp h;

	if (inet_udp_parse_plain4(frame, len, &h)) // offsets that the compiler knows
		return path_message_take(p, frame, &h, m);
	return path_message_find_general(p, frame, len, m);
}
