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

bool path_message_find_general(const struct path *p, uint8_t *frame, size_t len, struct message *m)
{
	struct inet_udp h;

	return inet_udp_parse(frame, len, &h) == 0 && h.version == 4 &&
	       path_message_take(p, frame, &h, m);
}
