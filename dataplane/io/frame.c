// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/io/frame.h"

size_t frame_header_size(const struct frame_spec *s)
{
	size_t ip =
	    endpoint_is_v4(&s->to) ? IPV4_HEADER_SIZE + 4u * s->ip_options : IPV6_HEADER_SIZE;

	return ETH_HEADER_SIZE + (size_t)s->vlan_tags * VLAN_TAG_SIZE + ip + UDP_HEADER_SIZE;
}

static uint8_t *eth_write(uint8_t *p, const struct frame_spec *s, uint16_t type)
{
	memcpy(p + ETH_OFFSET_DST, s->dst_mac, ETH_ADDR_SIZE);
	memcpy(p + ETH_OFFSET_SRC, s->src_mac, ETH_ADDR_SIZE);
	p += ETH_OFFSET_TYPE;
	for (int i = 0; i < s->vlan_tags; i++) {
		store_be16(p, i + 1 < s->vlan_tags ? ETH_TYPE_SVLAN : ETH_TYPE_VLAN);
		store_be16(p + 2, s->vlan[i]);
		p += VLAN_TAG_SIZE;
	}
	store_be16(p, type);
	return p + 2;
}

static uint8_t *ip_write(uint8_t *p, const struct frame_spec *s, uint16_t udp_len, uint64_t *pseudo)
{
	uint32_t src = endpoint_v4(&s->from), dst = endpoint_v4(&s->to);
	size_t size = IPV4_HEADER_SIZE + 4u * s->ip_options;
	uint16_t check;

	if (!endpoint_is_v4(&s->to)) {
		ipv6_build(p, udp_len, s->from.addr, s->to.addr, s->ttl);
		*pseudo = udp6_pseudo_sum(s->from.addr, s->to.addr, udp_len);
		return p + IPV6_HEADER_SIZE;
	}
	ipv4_build(p, udp_len, src, dst, s->ttl, 0);
	p[0] = (uint8_t)(0x40 | size / 4);
	store_be16(p + IPV4_OFFSET_LENGTH, (uint16_t)(size + udp_len));
	memset(p + IPV4_HEADER_SIZE, 1, size - IPV4_HEADER_SIZE);
	check = ipv4_checksum(p, size);
	memcpy(p + IPV4_OFFSET_CHECKSUM, &check, sizeof(check));
	*pseudo = udp4_pseudo_sum(src, dst, udp_len);
	return p + size;
}

int frame_build(
    uint8_t *buf, size_t cap, const struct frame_spec *s, const void *payload, size_t len)
{
	uint16_t udp_len = (uint16_t)(UDP_HEADER_SIZE + len);
	bool v4 = endpoint_is_v4(&s->to);
	uint64_t pseudo;
	uint16_t check;
	uint8_t *udp;

	if (v4 != endpoint_is_v4(&s->from))
		return -EAFNOSUPPORT;
	if (frame_header_size(s) + len > cap)
		return -ENOBUFS;
	udp = ip_write(eth_write(buf, s, v4 ? ETH_TYPE_IPV4 : ETH_TYPE_IPV6), s, udp_len, &pseudo);
	udp_build(udp, s->from.port, s->to.port, udp_len, 0);
	memcpy(udp + UDP_HEADER_SIZE, payload, len);
	if (!s->no_checksum) {
		check = udp_checksum(pseudo, udp, udp_len);
		memcpy(udp + UDP_OFFSET_CHECKSUM, &check, sizeof(check));
	}
	return (int)(udp + udp_len - buf);
}
