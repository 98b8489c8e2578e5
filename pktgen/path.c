// SPDX-License-Identifier: BSD-3-Clause
#include "pktgen/path.h"

#include "wire/inet.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { TTL = 64 };

int path_init(struct path *p, const struct options *o, char *error)
{
	uint8_t *ip = p->headers + ETH_HEADER_SIZE;

	if (!endpoint_is_v4(&o->to) || !endpoint_is_v4(&o->network)) {
		snprintf(error, BACKEND_ERROR_MAX,
		    "this link simulates IPv4 nodes: give IPv4 addresses, or --link sock");
		return -EAFNOSUPPORT;
	}
	p->relay_addr = endpoint_v4(&o->to);
	p->relay_port = htobe16(o->to.port);
	p->first_addr = be32toh(endpoint_v4(&o->network));
	store_be16(p->headers + ETH_OFFSET_TYPE, ETH_TYPE_IPV4);
	ipv4_build(ip, 0, 0, p->relay_addr, TTL, 0);
	memset(ip + IPV4_OFFSET_CHECKSUM, 0, sizeof(uint16_t));
	p->ip_sum = csum_add(0, ip, IPV4_HEADER_SIZE);
	p->udp_sum = udp4_pseudo_sum(0, p->relay_addr, 0) + p->relay_port;
	return 0;
}

static inline void node_address(const struct path *p, uint32_t node, uint32_t *addr, uint16_t *port)
{
	*addr = htobe32(p->first_addr + node / PORTS_PER_ADDRESS);
	*port = htobe16((uint16_t)(FIRST_PORT + node % PORTS_PER_ADDRESS));
}

void path_node_address(const struct path *p, uint32_t node, uint32_t *addr, uint16_t *port)
{
	node_address(p, node, addr, port);
}

static uint32_t address_node(const struct path *p, const uint8_t *addr, const uint8_t *port)
{
	return (load_be32(addr) - p->first_addr) * PORTS_PER_ADDRESS + load_be16(port) - FIRST_PORT;
}

static inline uint64_t sum_word(uint64_t sum, const uint8_t *p, unsigned skip)
{
	uint64_t word;

	memcpy(&word, p, sizeof(word));
	word >>= 8 * skip;
	sum += word;
	return sum + (sum < word); // 2^64 is 1 modulo 0xffff
}

// As csum_add, which is made for longer data. Seven bytes before `p` can be read: headers.
static inline uint64_t message_sum(uint64_t sum, const uint8_t *p, size_t len)
{
	for (; len >= 8; len -= 8, p += 8)
		sum = sum_word(sum, p, 0);
	return len ? sum_word(sum, p + len - 8, 8 - (unsigned)len) : sum;
}

void path_headers_build(const struct path *p, uint8_t *frame, uint32_t node, size_t payload)
{
	uint8_t *ip = frame + ETH_HEADER_SIZE, *udp = ip + IPV4_HEADER_SIZE;
	const uint16_t udp_len = (uint16_t)(UDP_HEADER_SIZE + payload);
	const uint64_t be_len = htobe16(udp_len);
	uint16_t port, check;
	uint32_t addr;
	uint64_t sum;

	node_address(p, node, &addr, &port);
	memcpy(frame, p->headers, PATH_HEADERS);
	check = (uint16_t)~csum_fold(p->ip_sum + be_len + addr);
	store_be16(ip + IPV4_OFFSET_LENGTH, (uint16_t)(IPV4_HEADER_SIZE + udp_len));
	memcpy(ip + IPV4_OFFSET_CHECKSUM, &check, sizeof(check));
	memcpy(ip + IPV4_OFFSET_SRC, &addr, sizeof(addr));
	// of the values, not of the header just written, whose loads would wait for the stores
	sum = p->udp_sum + 2 * be_len + addr + port;
	sum = csum_fold(message_sum(sum, udp + UDP_HEADER_SIZE, payload));
	sum = sum == 0xffff ? sum : (uint16_t)~sum;
	udp_build(udp, be16toh(port), be16toh(p->relay_port), udp_len, (uint16_t)sum);
}

// Local senders on veth leave all but the pseudo header's sum to a card.
static bool sum_holds(uint64_t pseudo, const uint8_t *udp, size_t len)
{
	uint16_t check;

	memcpy(&check, udp + UDP_OFFSET_CHECKSUM, sizeof(check));
	return !check || csum_fold(message_sum(pseudo, udp, len)) == 0xffff ||
	       udp_checksum_is_partial(pseudo, check);
}

static inline bool message_take(
    const struct path *p, uint8_t *frame, const struct inet_udp *h, struct message *m)
{
	const uint8_t *ip = frame + h->l3, *udp = frame + h->l4;
	uint32_t from, to;

	memcpy(&from, ip + IPV4_OFFSET_SRC, sizeof(from));
	memcpy(&to, ip + IPV4_OFFSET_DST, sizeof(to));
	if (!sum_holds(udp4_pseudo_sum(from, to, h->udp_len), udp, h->udp_len))
		return false;
	m->data = frame + h->payload;
	m->len = h->udp_len - (uint32_t)UDP_HEADER_SIZE;
	m->place = to == p->relay_addr
		       ? address_node(p, ip + IPV4_OFFSET_SRC, udp + UDP_OFFSET_SRC)
		       : address_node(p, ip + IPV4_OFFSET_DST, udp + UDP_OFFSET_DST);
	return true;
}

bool path_message_find(const struct path *p, uint8_t *frame, size_t len, struct message *m)
{
	struct inet_udp h;

	if (inet_udp_parse_plain4(frame, len, &h)) // offsets that the compiler knows
		return message_take(p, frame, &h, m);
	return inet_udp_parse(frame, len, &h) == 0 && h.version == 4 &&
	       message_take(p, frame, &h, m);
}
