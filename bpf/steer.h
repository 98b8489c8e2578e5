// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
#pragma once

// What both programs of an interface do with a frame: whole UDP datagrams for the addresses that we
// serve go to AF_XDP sockets, everything else stays with the kernel: other ports, fragments, frames
// for another station or VLAN, frames too big for a buffer. A queue without a socket is the
// kernel's too, so nothing is ever black-holed.

#include "bpf/steer_shared.h"
#include "bpf/sum.h"

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>

enum { VLAN_ID_MASK = 0xfff, FRAGMENT_MASK = 0x3fff }; // more fragments, or an offset

struct vlan_tag {
	__be16 tci;
	__be16 type;
};

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, STEER_QUEUE_MAX);
	__type(key, __u32);
	__type(value, __u32);
} xsks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, STEER_COUNTER_COUNT);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

// Written by user space while the program runs.
volatile struct steer_state state;

static __always_inline void count(__u32 which)
{
	__u64 *n = bpf_map_lookup_elem(&counters, &which);

	if (n)
		*n += 1;
}

// Where a datagram goes, and what a generic program has to know of it.
struct datagram {
	struct steer_address to;
	__u64 pseudo; // sum of the addresses
};

// Both return the UDP header, or NULL unless [at, end) is a whole datagram over UDP.
static __always_inline struct udphdr *parse_ipv4(void *at, void *end, struct datagram *d)
{
	struct iphdr *ip = at;

	if ((void *)(ip + 1) > end || ip->version != 4 || ip->ihl < 5)
		return NULL;
	if (ip->protocol != IPPROTO_UDP || ip->frag_off & bpf_htons(FRAGMENT_MASK))
		return NULL;
	d->to.words[2] = bpf_htonl(0xffff);
	d->to.words[3] = ip->daddr;
	d->pseudo = (__u64)ip->saddr + ip->daddr;
	return at + ip->ihl * 4;
}

static __always_inline struct udphdr *parse_ipv6(void *at, void *end, struct datagram *d)
{
	struct ipv6hdr *ip = at;

	if ((void *)(ip + 1) > end || ip->version != 6 || ip->nexthdr != IPPROTO_UDP)
		return NULL;
	__builtin_memcpy(d->to.words, &ip->daddr, 16);
	for (int i = 0; i < 4; i++)
		d->pseudo += (__u64)ip->saddr.s6_addr32[i] + ip->daddr.s6_addr32[i];
	return (void *)(ip + 1);
}

static __always_inline __u64 load_station(const __u8 *mac)
{
	return (__u64)mac[0] | (__u64)mac[1] << 8 | (__u64)mac[2] << 16 | (__u64)mac[3] << 24 |
	       (__u64)mac[4] << 32 | (__u64)mac[5] << 40;
}

static __always_inline _Bool is_listed(const struct steer_address *to)
{
	for (__u32 i = 0; i < STEER_SERVED_MAX && i < state.served_count; i++) {
		const volatile struct steer_address *s = &state.served[i];

		if (s->port == to->port && s->words[3] == to->words[3] &&
		    s->words[2] == to->words[2] && s->words[1] == to->words[1] &&
		    s->words[0] == to->words[0])
			return 1;
	}
	return 0;
}

// The VLANs that the kernel would take; 0 is none, only a priority (IEEE 802.1Q).
static __always_inline _Bool is_our_vlan(__be16 tci)
{
	__u32 id = bpf_ntohs(tci) & VLAN_ID_MASK;

	return state.vlans[id / 64] >> id % 64 & 1;
}

// A generic program sees what the kernel merged (GRO) or a local sender did not split yet (GSO) as
// one datagram. Its checksum then covers the pseudo header only, or is left out.
static __always_inline _Bool may_be_merged(const struct udphdr *udp, __u64 sum)
{
	sum = sum_fold(sum + bpf_htons(IPPROTO_UDP) + udp->len);
	return udp->check == 0 || udp->check == sum;
}

static __always_inline _Bool is_served(struct xdp_md *ctx)
{
	void *at = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = at;
	struct datagram d = {};
	struct udphdr *udp;
	__be16 type;

	if ((void *)(eth + 1) > end || load_station(eth->h_dest) != state.station)
		return 0;
	type = eth->h_proto;
	at = eth + 1;
	if (type == bpf_htons(ETH_P_8021Q)) {
		struct vlan_tag *tag = at;

		if ((void *)(tag + 1) > end || !is_our_vlan(tag->tci))
			return 0;
		type = tag->type;
		at = tag + 1;
	}
	if (type == bpf_htons(ETH_P_IP))
		udp = parse_ipv4(at, end, &d);
	else if (type == bpf_htons(ETH_P_IPV6))
		udp = parse_ipv6(at, end, &d);
	else
		return 0;
	if (!udp || (void *)(udp + 1) > end)
		return 0;
	d.to.port = udp->dest;
	return is_listed(&d.to) && !(state.generic && may_be_merged(udp, d.pseudo));
}

static __always_inline int steer_frame(struct xdp_md *ctx)
{
	__u64 length = bpf_xdp_get_buff_len(ctx);

	if (length > state.frame_max || length != ctx->data_end - ctx->data || !is_served(ctx)) {
		count(STEER_PASSED);
		return XDP_PASS;
	}
	count(STEER_STEERED);
	return bpf_redirect_map(&xsks, ctx->rx_queue_index, XDP_PASS);
}
