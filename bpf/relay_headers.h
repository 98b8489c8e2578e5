// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
#pragma once

// Headers of the common relay datagram: what arrives is looked at and left as it is, what leaves is
// built where the frame's headers were.

#include "bpf/steer.h"
#include "shm/kernel_layout.h"
#include "wire/constants.h"

enum {
	UP = -1,     // not ours to decide: the engine gets it
	ABSENT = -2, // as UP, and only because one of its nodes is not in the tables
	IPV4_FIRST = 0x45,
	IPV6_FIRST = 0x60,
	HEADERS_V4 = sizeof(struct ethhdr) + sizeof(struct iphdr) + sizeof(struct udphdr),
	HEADERS_V6 = sizeof(struct ethhdr) + sizeof(struct ipv6hdr) + sizeof(struct udphdr),
	SUM_CHUNK = 512, // bytes that bpf_csum_diff takes at once
	SUM_MAX = 4 * SUM_CHUNK - 1,
	UDP_SUM_NONE = 0xffff, // sent in place of 0, which says that there is none (RFC 768)
};

// A relay datagram. Ids and lengths in host order, the rest as in a header.
struct relay {
	struct steer_address from, to;
	uint32_t sender, dest;
	uint32_t udp_len;     // received
	uint32_t payload_sum; // what the payload adds to the UDP sum, RFC 1071
	uint32_t padding;     // bytes behind the datagram, as of short frames (IEEE 802.3)
	uint8_t v4;	      // received over IPv4
	uint8_t no_sum;	      // received without UDP checksum
	uint8_t completed;    // a local sender left the checksum to be completed
};

// Packets have no alignment.
static __always_inline uint32_t load_u32(const void *at)
{
	return *(const uint32_t *)at;
}

static __always_inline void store_u32(void *at, uint32_t value)
{
	*(uint32_t *)at = value;
}

// Sum of up to SUM_MAX bytes. A function of its own: the verifier walks it once for each family.
static __attribute__((noinline)) uint32_t sum_bytes(struct xdp_md *ctx, uint32_t offset)
{
	void *at = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	int64_t sum = 0;

	if (offset > HEADERS_V6)
		return 0;
	at += offset;
#pragma unroll
	for (int i = 0; i < SUM_MAX / SUM_CHUNK; i++) {
		if (at + SUM_CHUNK > end)
			break;
		sum = bpf_csum_diff(NULL, 0, at, SUM_CHUNK, (uint32_t)sum);
		at += SUM_CHUNK;
	}
#pragma unroll
	for (int size = SUM_CHUNK / 2; size >= 4; size /= 2) {
		if (at + size > end)
			continue;
		sum = bpf_csum_diff(NULL, 0, at, size, (uint32_t)sum);
		at += size;
	}
	if (at + 2 <= end) {
		sum += *(uint16_t *)at;
		at += 2;
	}
	if (at + 1 <= end)
		sum += *(uint8_t *)at;
	return sum_fold(sum);
}

// Derives what the payload adds to the UDP sum from the received checksum, so that damage done on
// the way is still seen by the next receiver. `pseudo`: addresses, protocol and length.
static __always_inline int relay_sum(
    struct xdp_md *ctx, struct relay *r, const struct udphdr *udp, uint64_t pseudo)
{
	uint64_t header = pseudo + udp->source + udp->dest + udp->len + udp->check;

	if (udp->check == 0) {
		if (state.generic)
			return UP;
		r->no_sum = 1;
		return r->v4 ? 0 : DROP_UDP_CHECKSUM;
	}
	if (udp->check != sum_fold(pseudo)) {
		r->payload_sum = (uint16_t)~sum_fold(header);
		return 0;
	}
	// Left half done by a local sender, or a whole one that looks like it.
	if (state.generic || r->udp_len > SUM_MAX || r->padding)
		return UP;
	r->payload_sum = sum_bytes(ctx, r->v4 ? HEADERS_V4 : HEADERS_V6);
	r->completed = sum_fold(header + r->payload_sum) != 0xffff;
	return 0;
}

// Type and ids, behind the UDP header.
static __always_inline int relay_message(struct relay *r, const struct udphdr *udp)
{
	const void *m = udp + 1;

	r->sender = bpf_ntohl(load_u32(m + 1));
	r->dest = bpf_ntohl(load_u32(m + 5));
	return r->sender && r->dest ? 0 : DROP_NODE_ZERO;
}

static __always_inline int relay_parse_v4(struct xdp_md *ctx, struct relay *r)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct iphdr *ip = data + sizeof(struct ethhdr);
	struct udphdr *udp = (void *)(ip + 1);
	const uint8_t *type = (void *)(udp + 1), *first = (uint8_t *)&ip->saddr;
	int rc;

	if (type + BEACON_RELAY_SIZE > (uint8_t *)end || *(uint8_t *)ip != IPV4_FIRST ||
	    ip->protocol != IPPROTO_UDP || ip->frag_off & bpf_htons(FRAGMENT_MASK) ||
	    *type != BEACON_RELAY)
		return UP;
	r->udp_len = bpf_ntohs(udp->len);
	if (r->udp_len < sizeof(*udp) + BEACON_RELAY_SIZE ||
	    bpf_ntohs(ip->tot_len) != sizeof(*ip) + r->udp_len ||
	    (uint64_t)(end - (void *)udp) < r->udp_len)
		return UP;
	r->padding = end - (void *)udp - r->udp_len;
	r->v4 = 1;
	r->to.words[2] = r->from.words[2] = bpf_htonl(0xffff);
	r->to.words[3] = ip->daddr;
	r->to.port = udp->dest;
	r->from.words[3] = ip->saddr;
	r->from.port = udp->source;
	if (!is_listed(&r->to))
		return UP;
	if (sum_fold((uint64_t)load_u32(ip) + load_u32((void *)ip + 4) + load_u32((void *)ip + 8) +
		     ip->saddr + ip->daddr) != 0xffff)
		return DROP_IP_CHECKSUM;
	if (ip->ttl == 0)
		return DROP_TTL_EXPIRED;
	rc = relay_sum(
	    ctx, r, udp, (uint64_t)ip->saddr + ip->daddr + bpf_htons(IPPROTO_UDP) + udp->len);
	if (rc)
		return rc;
	// nobody can answer port 0, 0.0.0.0/8, multicast and what is above
	if (udp->source == 0 || *first == 0 || *first >= 224)
		return DROP_SOURCE_INVALID;
	return relay_message(r, udp);
}

static __always_inline int relay_parse_v6(struct xdp_md *ctx, struct relay *r)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ipv6hdr *ip = data + sizeof(struct ethhdr);
	struct udphdr *udp = (void *)(ip + 1);
	const uint8_t *type = (void *)(udp + 1);
	uint64_t pseudo = bpf_htons(IPPROTO_UDP);
	int rc;

	if (type + BEACON_RELAY_SIZE > (uint8_t *)end || (*(uint8_t *)ip & 0xf0) != IPV6_FIRST ||
	    ip->nexthdr != IPPROTO_UDP || *type != BEACON_RELAY)
		return UP;
	r->udp_len = bpf_ntohs(udp->len);
	if (r->udp_len < sizeof(*udp) + BEACON_RELAY_SIZE ||
	    bpf_ntohs(ip->payload_len) != r->udp_len || (uint64_t)(end - (void *)udp) < r->udp_len)
		return UP;
	r->padding = end - (void *)udp - r->udp_len;
	for (int i = 0; i < 4; i++) {
		r->to.words[i] = ip->daddr.s6_addr32[i];
		r->from.words[i] = ip->saddr.s6_addr32[i];
		pseudo += (uint64_t)r->to.words[i] + r->from.words[i];
	}
	r->to.port = udp->dest;
	r->from.port = udp->source;
	// ::/64 holds what is unspecified, loopback or IPv4 in disguise
	if (!is_listed(&r->to) || !(r->from.words[0] | r->from.words[1]))
		return UP;
	if (ip->hop_limit == 0)
		return DROP_TTL_EXPIRED;
	rc = relay_sum(ctx, r, udp, pseudo + udp->len);
	if (rc)
		return rc;
	// multicast and link-local
	if (udp->source == 0 || ip->saddr.s6_addr[0] == 0xff ||
	    (ip->saddr.s6_addr16[0] & bpf_htons(0xffc0)) == bpf_htons(0xfe80))
		return DROP_SOURCE_INVALID;
	return relay_message(r, udp);
}

// 0 with the datagram in r, a drop, or UP.
static __always_inline int relay_parse(struct xdp_md *ctx, struct relay *r)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;

	if ((void *)(eth + 1) > end || load_station(eth->h_dest) != state.station)
		return UP;
	if (eth->h_proto == bpf_htons(ETH_P_IP))
		return relay_parse_v4(ctx, r);
	if (eth->h_proto == bpf_htons(ETH_P_IPV6))
		return relay_parse_v6(ctx, r);
	return UP;
}

// Where a datagram goes. Addresses and ports in network order.
struct relay_out {
	struct kernel_local local; // source
	uint32_t to[4];
	uint32_t to_port;
	nexthop_word nexthop;
	uint64_t mac; // of the egress
	uint32_t ifindex;
	uint8_t v4, carry, ttl, link, flags;
	uint16_t mtu;
	uint16_t ip_id;
};

static __always_inline void put_ethernet(struct ethhdr *eth, const struct relay_out *o)
{
	void *p = eth;

	store_u32(p, (uint32_t)o->nexthop);
	store_u32(p + 4, (uint32_t)(o->nexthop >> 32 & 0xffff) | (uint32_t)o->mac << 16);
	store_u32(p + 8, (uint32_t)(o->mac >> 16));
	eth->h_proto = o->v4 ? bpf_htons(ETH_P_IP) : bpf_htons(ETH_P_IPV6);
}

static __always_inline void put_ipv4(void *ip, const struct relay_out *o, uint32_t udp_len)
{
	uint32_t first = IPV4_FIRST | (uint32_t)bpf_htons(sizeof(struct iphdr) + udp_len) << 16;
	uint32_t id = bpf_htons(o->ip_id), life = o->ttl | IPPROTO_UDP << 8;
	uint32_t from = o->local.words[3], to = o->to[3];
	uint32_t sum = ~sum_fold((uint64_t)first + id + life + from + to);

	store_u32(ip, first);
	store_u32(ip + 4, id);
	store_u32(ip + 8, life | sum << 16);
	store_u32(ip + 12, from);
	store_u32(ip + 16, to);
}

static __always_inline void put_ipv6(void *ip, const struct relay_out *o, uint32_t udp_len)
{
	store_u32(ip, IPV6_FIRST);
	store_u32(ip + 4, bpf_htons(udp_len) | IPPROTO_UDP << 16 | (uint32_t)o->ttl << 24);
	for (int i = 0; i < 4; i++) {
		store_u32(ip + 8 + 4 * i, o->local.words[i]);
		store_u32(ip + 24 + 4 * i, o->to[i]);
	}
}

// The UDP checksum of what leaves. The payload's sum follows the message's bytes that changed: the
// type, and for 0x06 the destination. As that stood at an odd offset, what it added are the halves
// of the number in host order; adding its complement takes them away.
static __always_inline uint32_t sum_out(
    const struct relay *r, const struct relay_out *o, uint32_t udp_len)
{
	uint64_t sum = r->payload_sum;

	if (r->no_sum)
		return 0;
	if (o->carry)
		sum += BEACON_RELAY_DELIVER_DEST - BEACON_RELAY;
	else
		sum += (uint64_t)(uint32_t)~r->dest + BEACON_RELAY_DELIVER - BEACON_RELAY;
	sum +=
	    bpf_htons(IPPROTO_UDP) + 2 * (uint64_t)bpf_htons(udp_len) + o->local.port + o->to_port;
	for (int i = 0; i < 4; i++)
		sum += (uint64_t)(o->v4 && i < 3 ? 0 : o->local.words[i]) +
		       (o->v4 && i < 3 ? 0 : o->to[i]);
	sum = (uint16_t)~sum_fold(sum);
	return sum ? sum : UDP_SUM_NONE;
}

// The UDP header and the deliver message's, which ends where the relay message's did.
static __always_inline void put_udp(
    void *udp, const struct relay *r, const struct relay_out *o, uint32_t udp_len)
{
	store_u32(udp, o->local.port | o->to_port << 16);
	store_u32(udp + 4, bpf_htons(udp_len) | sum_out(r, o, udp_len) << 16);
	*(uint8_t *)(udp + 8) = o->carry ? BEACON_RELAY_DELIVER_DEST : BEACON_RELAY_DELIVER;
	if (!o->carry)
		store_u32(udp + 9, bpf_htonl(r->sender));
}

static __always_inline uint32_t relay_out_udp_len(const struct relay *r, const struct relay_out *o)
{
	return r->udp_len - (o->carry ? 0 : BEACON_RELAY_SIZE - BEACON_RELAY_DELIVER_SIZE);
}

// Writes the headers of what leaves over those received. 0 or UP, with the datagram unchanged.
static __always_inline int relay_build(
    struct xdp_md *ctx, const struct relay *r, const struct relay_out *o)
{
	uint32_t udp_len = relay_out_udp_len(r, o);
	int moved = (r->v4 ? HEADERS_V4 : HEADERS_V6) - (o->v4 ? HEADERS_V4 : HEADERS_V6) +
		    (int)(r->udp_len - udp_len);
	void *data, *end;

	if (r->padding && bpf_xdp_adjust_tail(ctx, -(int)r->padding))
		return UP;
	if (moved && bpf_xdp_adjust_head(ctx, moved))
		return UP;
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	// the verifier does not know that what was as long before is so now
	if (o->v4) {
		if (data + HEADERS_V4 + BEACON_RELAY_DELIVER_SIZE > end)
			return UP;
		put_ipv4(data + sizeof(struct ethhdr), o, udp_len);
		put_udp(data + HEADERS_V4 - sizeof(struct udphdr), r, o, udp_len);
	} else {
		if (data + HEADERS_V6 + BEACON_RELAY_DELIVER_SIZE > end)
			return UP;
		put_ipv6(data + sizeof(struct ethhdr), o, udp_len);
		put_udp(data + HEADERS_V6 - sizeof(struct udphdr), r, o, udp_len);
	}
	put_ethernet(data, o);
	return 0;
}
