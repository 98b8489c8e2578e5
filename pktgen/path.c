// SPDX-License-Identifier: BSD-3-Clause
#include "pktgen/path.h"

#include "wire/inet.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { TTL = 64 };

int path_init(struct path *p, const struct options *o, char *error)
{
	if (!endpoint_is_v4(&o->to) || !endpoint_is_v4(&o->network)) {
		snprintf(error, BACKEND_ERROR_MAX,
		    "this link simulates IPv4 nodes: give IPv4 addresses, or --link sock");
		return -EAFNOSUPPORT;
	}
	p->relay_addr = endpoint_v4(&o->to);
	p->relay_port = htobe16(o->to.port);
	p->first_addr = be32toh(endpoint_v4(&o->network));
	return 0;
}

void path_node_address(const struct path *p, uint32_t node, uint32_t *addr, uint16_t *port)
{
	*addr = htobe32(p->first_addr + node / PORTS_PER_ADDRESS);
	*port = htobe16((uint16_t)(FIRST_PORT + node % PORTS_PER_ADDRESS));
}

static uint32_t address_node(const struct path *p, const uint8_t *addr, const uint8_t *port)
{
	return (load_be32(addr) - p->first_addr) * PORTS_PER_ADDRESS + load_be16(port) - FIRST_PORT;
}

void path_headers_build(const struct path *p, uint8_t *frame, uint32_t node, size_t payload)
{
	uint8_t *ip = frame + ETH_HEADER_SIZE, *udp = ip + IPV4_HEADER_SIZE;
	uint16_t udp_len = (uint16_t)(UDP_HEADER_SIZE + payload), port;
	uint64_t sum;
	uint32_t addr;

	path_node_address(p, node, &addr, &port);
	memcpy(frame, p->relay_mac, ETH_ADDR_SIZE);
	memcpy(frame + ETH_OFFSET_SRC, p->own_mac, ETH_ADDR_SIZE);
	store_be16(frame + ETH_OFFSET_TYPE, ETH_TYPE_IPV4);
	ipv4_build(ip, udp_len, addr, p->relay_addr, TTL, 0);
	// of the values, not of the header just written, whose loads would wait for the stores
	sum =
	    udp4_pseudo_sum(addr, p->relay_addr, udp_len) + port + p->relay_port + htobe16(udp_len);
	sum = csum_fold(csum_add(sum, udp + UDP_HEADER_SIZE, payload));
	sum = sum == 0xffff ? sum : (uint16_t)~sum;
	udp_build(udp, be16toh(port), be16toh(p->relay_port), udp_len, (uint16_t)sum);
}

// Local senders on veth leave all but the pseudo header's sum to a card.
static bool sum_holds(uint64_t pseudo, const uint8_t *udp, size_t len)
{
	uint16_t check;

	memcpy(&check, udp + UDP_OFFSET_CHECKSUM, sizeof(check));
	return !check || udp_checksum_ok(pseudo, udp, len) ||
	       udp_checksum_is_partial(pseudo, check);
}

bool path_message_find(const struct path *p, uint8_t *frame, size_t len, struct message *m)
{
	struct inet_udp h;
	const uint8_t *ip, *udp;
	uint32_t from, to;

	if (!inet_udp_parse_plain4(frame, len, &h) && inet_udp_parse(frame, len, &h))
		return false;
	ip = frame + h.l3;
	udp = frame + h.l4;
	if (h.version != 4)
		return false;
	memcpy(&from, ip + IPV4_OFFSET_SRC, sizeof(from));
	memcpy(&to, ip + IPV4_OFFSET_DST, sizeof(to));
	if (!sum_holds(udp4_pseudo_sum(from, to, h.udp_len), udp, h.udp_len))
		return false;
	m->data = frame + h.payload;
	m->len = h.udp_len - (uint32_t)UDP_HEADER_SIZE;
	m->place = to == p->relay_addr
		       ? address_node(p, ip + IPV4_OFFSET_SRC, udp + UDP_OFFSET_SRC)
		       : address_node(p, ip + IPV4_OFFSET_DST, udp + UDP_OFFSET_DST);
	return true;
}
