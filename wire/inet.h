// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Ethernet, IPv4, IPv6 and UDP headers, and their checksums (RFC 791, 8200, 768).
//
// Sums and checksums are in memory order (wire/csum.h): values to memcpy into a header. Other
// numbers are host order. Pure functions on the hot path, any thread.

#include "wire/bytes.h"
#include "wire/csum.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	ETH_HEADER_SIZE = 14,
	ETH_ADDR_SIZE = 6,
	ETH_OFFSET_DST = 0,
	ETH_OFFSET_SRC = 6,
	ETH_OFFSET_TYPE = 12,
	ETH_TYPE_IPV4 = 0x0800,
	ETH_TYPE_IPV6 = 0x86dd,
	ETH_TYPE_VLAN = 0x8100,	 // 802.1Q
	ETH_TYPE_SVLAN = 0x88a8, // 802.1ad
	VLAN_TAG_SIZE = 4,
	VLAN_TAGS_MAX = 2,

	IPV4_HEADER_SIZE = 20, // without options
	IPV4_FIRST = 0x45,     // version, and length of a header without options
	IPV4_OFFSET_LENGTH = 2,
	IPV4_OFFSET_ID = 4,
	IPV4_OFFSET_FRAGMENT = 6,
	IPV4_OFFSET_TTL = 8,
	IPV4_OFFSET_PROTOCOL = 9,
	IPV4_OFFSET_CHECKSUM = 10,
	IPV4_OFFSET_SRC = 12,
	IPV4_OFFSET_DST = 16,
	IPV4_FRAGMENT_MASK = 0x3fff, // more-fragments flag and offset

	IPV6_HEADER_SIZE = 40,
	IPV6_FIRST = 0x60, // version
	IPV6_FIRST_MASK = 0xf0,
	IPV6_OFFSET_LENGTH = 4,
	IPV6_OFFSET_NEXT = 6,
	IPV6_OFFSET_HOPS = 7,
	IPV6_OFFSET_SRC = 8,
	IPV6_OFFSET_DST = 24,

	IP_PROTOCOL_UDP = 17,

	UDP_HEADER_SIZE = 8,
	UDP_OFFSET_SRC = 0,
	UDP_OFFSET_DST = 2,
	UDP_OFFSET_LENGTH = 4,
	UDP_OFFSET_CHECKSUM = 6,
};

// Where the headers of one whole UDP datagram start, in bytes from the start of the frame.
struct inet_udp {
	uint8_t l3;		      // IP header
	uint8_t l4;		      // UDP header
	uint8_t payload;	      // UDP payload
	uint8_t version;	      // 4 or 6
	uint16_t udp_len;	      // UDP header and payload, from the UDP header
	uint16_t vlan[VLAN_TAGS_MAX]; // tag control information, outer first
	uint8_t vlan_tags;
};

// --- sums ---

// Of an IPv4 header without its options; it stands for zero if the header is whole and has none.
static inline uint64_t ipv4_sum(const uint8_t *header);
// header_len in bytes; the checksum field is taken as zero.
static inline uint16_t ipv4_checksum(const uint8_t *header, size_t header_len);
// Addresses in network byte order; udp_len in host order.
static inline uint64_t udp4_pseudo_sum(uint32_t src, uint32_t dst, uint16_t udp_len);
static inline uint64_t udp6_pseudo_sum(
    const uint8_t src[16], const uint8_t dst[16], uint32_t udp_len);
// That of a datagram that inet_udp_parse found in `data`.
static inline uint64_t inet_udp_pseudo_sum(const uint8_t *data, const struct inet_udp *h);
// pseudo plus the UDP header (checksum field zero) and payload: what belongs into the field. A sum
// of zero is sent as 0xffff, since zero means "no checksum" (RFC 768).
static inline uint16_t udp_checksum(uint64_t pseudo, const uint8_t *udp, size_t udp_len);
// True when the checksum in the header is right. A zero field (no checksum) is for the caller.
static inline bool udp_checksum_ok(uint64_t pseudo, const uint8_t *udp, size_t udp_len);
// True when the field holds only the sum of the pseudo header: a local sender left the rest to its
// card (CHECKSUM_PARTIAL). A whole checksum has this value by chance once in 65535.
static inline bool udp_checksum_is_partial(uint64_t pseudo, uint16_t check);

// --- headers ---

// Finds the headers of a whole UDP datagram in an Ethernet frame. Returns 0, -EMSGSIZE (cut short),
// -EBADMSG (inconsistent) or -EPROTONOSUPPORT (not UDP over IP, a fragment, an IPv6 extension
// header, more than two tags). Checksums are not looked at.
static inline int inet_udp_parse(const uint8_t *data, size_t len, struct inet_udp *out);
// The same for nothing but the common frames: no tag, IPv4 without options, or IPv6. False: ask
// inet_udp_parse. For a caller that then works with offsets the compiler knows.
static inline bool inet_udp_parse_plain4(const uint8_t *data, size_t len, struct inet_udp *out);
static inline bool inet_udp_parse_plain6(const uint8_t *data, size_t len, struct inet_udp *out);

// udp_len: UDP header and payload. Addresses in network byte order. DF is not set; id is host
// order.
static inline void ipv4_build(
    uint8_t *p, uint16_t udp_len, uint32_t src, uint32_t dst, uint8_t ttl, uint16_t id);
// What the headers of IPv4 packets from one address have in common, and the rest.
struct ipv4_template {
	uint64_t sum, high; // high: bytes 8 to 15, the checksum inverted
};
static inline struct ipv4_template ipv4_template_make(uint32_t src, uint8_t ttl);
static inline void ipv4_build_from(
    uint8_t *p, const struct ipv4_template *t, uint16_t udp_len, uint32_t dst, uint16_t id);
static inline void ipv6_build(
    uint8_t *p, uint16_t udp_len, const uint8_t src[16], const uint8_t dst[16], uint8_t hops);
// Ports in host order; check as it comes from the functions above.
static inline void udp_build(
    uint8_t *p, uint16_t src_port, uint16_t dst_port, uint16_t udp_len, uint16_t check);
// Ports and length in network order.
static inline void udp_build_be(
    uint8_t *p, uint16_t src_port, uint16_t dst_port, uint16_t udp_len, uint16_t check);

// --- bodies ---

static inline uint64_t ipv4_sum(const uint8_t *header)
{
	uint64_t first, second;
	uint32_t dst;

	memcpy(&first, header, sizeof(first));
	memcpy(&second, header + IPV4_OFFSET_TTL, sizeof(second));
	memcpy(&dst, header + IPV4_OFFSET_DST, sizeof(dst));
	return csum_plus(csum_plus(first, second), dst);
}

static inline uint16_t ipv4_checksum(const uint8_t *header, size_t header_len)
{
	uint64_t sum = csum_add(0, header, IPV4_OFFSET_CHECKSUM);

	sum = csum_add(sum, header + IPV4_OFFSET_SRC, header_len - IPV4_OFFSET_SRC);
	return (uint16_t)~csum_fold(sum);
}

static inline uint64_t udp4_pseudo_sum(uint32_t src, uint32_t dst, uint16_t udp_len)
{
	return (uint64_t)src + dst + htobe16(udp_len) + htobe16(IP_PROTOCOL_UDP);
}

static inline uint64_t udp6_pseudo_sum(
    const uint8_t src[16], const uint8_t dst[16], uint32_t udp_len)
{
	uint64_t sum = csum_add(csum_add(0, src, 16), dst, 16);

	return sum + htobe32(udp_len) + htobe32(IP_PROTOCOL_UDP);
}

static inline uint64_t inet_udp_pseudo_sum(const uint8_t *data, const struct inet_udp *h)
{
	const uint8_t *ip = data + h->l3;
	uint32_t src, dst;

	if (h->version == 6)
		return udp6_pseudo_sum(ip + IPV6_OFFSET_SRC, ip + IPV6_OFFSET_DST, h->udp_len);
	memcpy(&src, ip + IPV4_OFFSET_SRC, sizeof(src));
	memcpy(&dst, ip + IPV4_OFFSET_DST, sizeof(dst));
	return udp4_pseudo_sum(src, dst, h->udp_len);
}

static inline uint16_t udp_checksum(uint64_t pseudo, const uint8_t *udp, size_t udp_len)
{
	uint64_t sum = csum_add(pseudo, udp, UDP_OFFSET_CHECKSUM);
	uint16_t check;

	sum = csum_add(sum, udp + UDP_HEADER_SIZE, udp_len - UDP_HEADER_SIZE);
	check = (uint16_t)~csum_fold(sum);
	return check ? check : 0xffff;
}

static inline bool udp_checksum_ok(uint64_t pseudo, const uint8_t *udp, size_t udp_len)
{
	return csum_fold(csum_add(pseudo, udp, udp_len)) == 0xffff;
}

static inline bool udp_checksum_is_partial(uint64_t pseudo, uint16_t check)
{
	return csum_is_nothing(csum_plus(pseudo, check ^ 0xffffu));
}

static inline int inet_ipv4_parse(const uint8_t *ip, size_t len, struct inet_udp *out)
{
	size_t header = (size_t)(ip[0] & 0x0f) * 4;
	size_t total = load_be16(ip + IPV4_OFFSET_LENGTH);

	if (header < IPV4_HEADER_SIZE || total < header)
		return -EBADMSG;
	if (total > len)
		return -EMSGSIZE;
	if (load_be16(ip + IPV4_OFFSET_FRAGMENT) & IPV4_FRAGMENT_MASK)
		return -EPROTONOSUPPORT;
	if (ip[IPV4_OFFSET_PROTOCOL] != IP_PROTOCOL_UDP)
		return -EPROTONOSUPPORT;
	out->version = 4;
	out->l4 = (uint8_t)(out->l3 + header);
	return (int)(total - header);
}

static inline int inet_ipv6_parse(const uint8_t *ip, size_t len, struct inet_udp *out)
{
	size_t payload = load_be16(ip + IPV6_OFFSET_LENGTH);

	if (len < IPV6_HEADER_SIZE || payload > len - IPV6_HEADER_SIZE)
		return -EMSGSIZE;
	if (ip[IPV6_OFFSET_NEXT] != IP_PROTOCOL_UDP)
		return -EPROTONOSUPPORT;
	out->version = 6;
	out->l4 = (uint8_t)(out->l3 + IPV6_HEADER_SIZE);
	return (int)payload;
}

static inline int inet_udp_parse_at(const uint8_t *data, size_t len, struct inet_udp *out)
{
	const uint8_t *ip = data + out->l3;
	int room;

	len -= out->l3;
	if (len < IPV4_HEADER_SIZE + UDP_HEADER_SIZE)
		return -EMSGSIZE;
	if (ip[0] >> 4 == 4)
		room = inet_ipv4_parse(ip, len, out);
	else if (ip[0] >> 4 == 6)
		room = inet_ipv6_parse(ip, len, out);
	else
		return -EBADMSG;
	if (room < 0)
		return room;
	if (room < UDP_HEADER_SIZE)
		return -EBADMSG;
	out->udp_len = load_be16(data + out->l4 + UDP_OFFSET_LENGTH);
	if (out->udp_len < UDP_HEADER_SIZE || out->udp_len > room)
		return -EBADMSG;
	out->payload = (uint8_t)(out->l4 + UDP_HEADER_SIZE);
	return 0;
}

static inline int inet_udp_parse(const uint8_t *data, size_t len, struct inet_udp *out)
{
	uint8_t at = ETH_OFFSET_TYPE;
	uint16_t type;

	if (len < ETH_HEADER_SIZE)
		return -EMSGSIZE;
	type = load_be16(data + at);
	out->vlan_tags = 0;
	while (type == ETH_TYPE_VLAN || type == ETH_TYPE_SVLAN) {
		if (out->vlan_tags == VLAN_TAGS_MAX)
			return -EPROTONOSUPPORT;
		if (len < (size_t)at + 2 + VLAN_TAG_SIZE)
			return -EMSGSIZE;
		out->vlan[out->vlan_tags++] = load_be16(data + at + 2);
		at += VLAN_TAG_SIZE;
		type = load_be16(data + at);
	}
	if (type != ETH_TYPE_IPV4 && type != ETH_TYPE_IPV6)
		return -EPROTONOSUPPORT;
	out->l3 = at + 2;
	int err = inet_udp_parse_at(data, len, out);
	if (err == 0 && (type == ETH_TYPE_IPV4) != (out->version == 4))
		return -EBADMSG;
	return err;
}

// Type, version, header length, fragment and protocol are two words under masks.
static inline bool inet_udp_parse_plain4(const uint8_t *data, size_t len, struct inet_udp *out)
{
	const uint8_t *ip = data + ETH_HEADER_SIZE, *udp = ip + IPV4_HEADER_SIZE;
	uint32_t kind, rest, total;

	if (len < ETH_HEADER_SIZE + IPV4_HEADER_SIZE + UDP_HEADER_SIZE)
		return false;
	memcpy(&kind, data + ETH_OFFSET_TYPE, sizeof(kind));
	memcpy(&rest, ip + IPV4_OFFSET_FRAGMENT, sizeof(rest));
	kind = (kind ^ htobe32(ETH_TYPE_IPV4 << 16 | IPV4_FIRST << 8)) & htobe32(0xffffff00);
	rest = (rest ^ htobe32(IP_PROTOCOL_UDP)) & htobe32(IPV4_FRAGMENT_MASK << 16 | 0xff);
	if (kind | rest)
		return false;
	total = load_be16(ip + IPV4_OFFSET_LENGTH);
	out->udp_len = load_be16(udp + UDP_OFFSET_LENGTH);
	if (total > len - ETH_HEADER_SIZE || out->udp_len < UDP_HEADER_SIZE ||
	    out->udp_len + (uint32_t)IPV4_HEADER_SIZE > total)
		return false;
	out->vlan_tags = 0;
	out->version = 4;
	out->l3 = ETH_HEADER_SIZE;
	out->l4 = ETH_HEADER_SIZE + IPV4_HEADER_SIZE;
	out->payload = ETH_HEADER_SIZE + IPV4_HEADER_SIZE + UDP_HEADER_SIZE;
	return true;
}

static inline bool inet_udp_parse_plain6(const uint8_t *data, size_t len, struct inet_udp *out)
{
	const uint8_t *ip = data + ETH_HEADER_SIZE, *udp = ip + IPV6_HEADER_SIZE;
	uint32_t kind, size;

	if (len < ETH_HEADER_SIZE + IPV6_HEADER_SIZE + UDP_HEADER_SIZE)
		return false;
	memcpy(&kind, data + ETH_OFFSET_TYPE, sizeof(kind));
	kind =
	    (kind ^ htobe32((uint32_t)ETH_TYPE_IPV6 << 16 | IPV6_FIRST << 8)) & htobe32(0xfffff000);
	if (kind || ip[IPV6_OFFSET_NEXT] != IP_PROTOCOL_UDP)
		return false;
	size = load_be16(ip + IPV6_OFFSET_LENGTH);
	out->udp_len = load_be16(udp + UDP_OFFSET_LENGTH);
	if (size > len - ETH_HEADER_SIZE - IPV6_HEADER_SIZE || out->udp_len < UDP_HEADER_SIZE ||
	    out->udp_len > size)
		return false;
	out->vlan_tags = 0;
	out->version = 6;
	out->l3 = ETH_HEADER_SIZE;
	out->l4 = ETH_HEADER_SIZE + IPV6_HEADER_SIZE;
	out->payload = ETH_HEADER_SIZE + IPV6_HEADER_SIZE + UDP_HEADER_SIZE;
	return true;
}

static_assert(__BYTE_ORDER == __LITTLE_ENDIAN, "headers are put together in words");

static inline struct ipv4_template ipv4_template_make(uint32_t src, uint8_t ttl)
{
	const uint32_t life = ttl | IP_PROTOCOL_UDP << 8;

	return (struct ipv4_template){.sum = (uint64_t)src + IPV4_FIRST + life,
	    .high = life | 0xffffULL << 16 | (uint64_t)src << 32};
}

// Two words of eight bytes and one of four; the sum is taken of the values, not of the header just
// written, whose loads would wait for the stores.
static inline void ipv4_build_from(
    uint8_t *p, const struct ipv4_template *t, uint16_t udp_len, uint32_t dst, uint16_t id)
{
	const uint64_t total = htobe16((uint16_t)(IPV4_HEADER_SIZE + udp_len)), be_id = htobe16(id);
	uint64_t low = IPV4_FIRST | total << 16 | be_id << 32;
	uint64_t high = t->high ^ (uint64_t)csum_fold(t->sum + dst + total + be_id) << 16;

	memcpy(p, &low, sizeof(low));
	memcpy(p + IPV4_OFFSET_TTL, &high, sizeof(high));
	memcpy(p + IPV4_OFFSET_DST, &dst, sizeof(dst));
}

static inline void ipv4_build(
    uint8_t *p, uint16_t udp_len, uint32_t src, uint32_t dst, uint8_t ttl, uint16_t id)
{
	const struct ipv4_template t = ipv4_template_make(src, ttl);

	ipv4_build_from(p, &t, udp_len, dst, id);
}

static inline void ipv6_build(
    uint8_t *p, uint16_t udp_len, const uint8_t src[16], const uint8_t dst[16], uint8_t hops)
{
	store_be32(p, 6u << 28);
	store_be16(p + IPV6_OFFSET_LENGTH, udp_len);
	p[IPV6_OFFSET_NEXT] = IP_PROTOCOL_UDP;
	p[IPV6_OFFSET_HOPS] = hops;
	memcpy(p + IPV6_OFFSET_SRC, src, 16);
	memcpy(p + IPV6_OFFSET_DST, dst, 16);
}

static inline void udp_build(
    uint8_t *p, uint16_t src_port, uint16_t dst_port, uint16_t udp_len, uint16_t check)
{
	udp_build_be(p, htobe16(src_port), htobe16(dst_port), htobe16(udp_len), check);
}

static inline void udp_build_be(
    uint8_t *p, uint16_t src_port, uint16_t dst_port, uint16_t udp_len, uint16_t check)
{
	uint64_t ports = src_port | (uint32_t)dst_port << 16;
	uint64_t word = ports | (uint64_t)udp_len << 32 | (uint64_t)check << 48;

	memcpy(p, &word, sizeof(word));
}
