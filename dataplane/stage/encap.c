// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/stage/stage.h"
#include "wire/inet.h"

enum { TTL_DEFAULT = 64, ROUTE_NONE = UINT32_MAX, ETH_END = 16 };

// What the headers to one next hop from one local address have in common. Datagrams of a burst
// that follow each other mostly share it.
struct envelope {
	uint32_t route;	 // dgram.route of those that it fits
	uint32_t limit;	 // their payloads are shorter; 0: it cannot be used
	uint8_t headers; // bytes of all of them
	uint8_t ttl, link;
	uint32_t links; // bit per link that one was opened for, in this burst
	uint16_t be_port;
	const struct endpoint *from;
	uint64_t udp_rest; // what UDP header and pseudo header leave of nothing, without what is
			   // each datagram's own: destination and length
	struct ipv4_template ipv4;
	// The Ethernet header ends with eth_end, of which two bytes lie before a frame without a
	// tag, and begins with eth_start: both are written, whether it has a tag or not.
	uint8_t eth_end[ETH_END], eth_start[sizeof(uint32_t)];
};

// Returns the header's size.
static uint8_t eth_build(
    struct envelope *e, nexthop_word nexthop, const struct egress *egress, bool v4)
{
	uint8_t eth[ETH_END + ETH_HEADER_SIZE + VLAN_TAG_SIZE] = {0}, size = ETH_HEADER_SIZE;
	uint8_t *at = eth + ETH_END;

	for (int i = 0; i < ETH_ADDR_SIZE; i++)
		at[ETH_OFFSET_DST + i] = (uint8_t)(nexthop >> (8 * i));
	memcpy(at + ETH_OFFSET_SRC, egress->mac, ETH_ADDR_SIZE);
	if (egress->vlan) {
		store_be16(at + ETH_OFFSET_TYPE, ETH_TYPE_VLAN);
		store_be16(at + ETH_OFFSET_TYPE + 2, egress->vlan);
		size += VLAN_TAG_SIZE;
	}
	store_be16(at + size - 2, v4 ? ETH_TYPE_IPV4 : ETH_TYPE_IPV6);
	memcpy(e->eth_end, at + size - ETH_END, ETH_END);
	memcpy(e->eth_start, at, sizeof(e->eth_start));
	return size;
}

// Cannot be used: there is no next hop, its interface is gone, or the kernel chooses the address,
// as ours is a wildcard or of the other family.
static __attribute__((noinline)) void envelope_open(
    struct envelope *e, const struct dgram *d, const struct stage_env *env, bool v4)
{
	nexthop_word nexthop =
	    __atomic_load_n(&env->nexthops[d->nexthop % NEXTHOP_MAX], __ATOMIC_RELAXED);
	const struct egress *egress = &env->egress[nexthop_egress(nexthop)];
	const struct local *from = &env->locals[d->out_local % LOCAL_MAX];
	// Before the rest of them is read.
	const bool valid = __atomic_load_n(&egress->valid, __ATOMIC_ACQUIRE) &&
			   __atomic_load_n(&from->valid, __ATOMIC_ACQUIRE);
	const uint8_t link = egress->link % LINK_MAX;
	const uint32_t mtu = v4 || egress->mtu < IPV6_PATH_MTU ? egress->mtu : IPV6_PATH_MTU;
	const uint32_t headers = UDP_HEADER_SIZE + (v4 ? IPV4_HEADER_SIZE : IPV6_HEADER_SIZE);
	bool usable = d->nexthop && nexthop_is_valid(nexthop) && valid && env->links[link].raw &&
		      endpoint_is_v4(&from->at) == v4 && !endpoint_is_unspecified(&from->at) &&
		      mtu >= headers;

	e->route = d->route;
	e->limit = usable ? mtu - headers + 1 : 0;
	e->headers = (uint8_t)(headers + eth_build(e, nexthop, egress, v4));
	e->ttl = env->set.ttl - 1 < 255 ? (uint8_t)env->set.ttl : TTL_DEFAULT;
	e->link = link;
	e->links |= (uint32_t)usable << link;
	e->from = &from->at;
	e->be_port = htobe16(from->at.port);
	e->ipv4 = ipv4_template_make(endpoint_v4(&from->at), e->ttl);
	e->udp_rest = csum_negate(htobe16(IP_PROTOCOL_UDP) + e->be_port +
				  (v4 ? endpoint_v4(&from->at) : csum_add(0, from->at.addr, 16)));
}

// `rest`: what the headers leave of nothing without the payload. The headers that came, whose sum
// was the payload's complement, stand for it: so a fold yields the checksum, and never 0.
static inline uint16_t udp_sum(const struct dgram *d, uint64_t rest, bool v4)
{
	if (__builtin_expect(!(d->flags & (DGRAM_F_FULL_CSUM | DGRAM_F_NO_CSUM)), 1))
		return csum_fold(csum_plus(rest, d->header_sum));
	if (v4 && !(d->flags & DGRAM_F_FULL_CSUM))
		return 0;
	return csum_fold(rest + csum_negate(csum_add(0, d->data, d->len)));
}

// Writes Ethernet, IP and UDP headers before the payload. The IP packet is a new one, of this host:
// its TTL starts anew, and DSCP and options of the received one end here. DF stays clear, so that
// routers may fragment as they do for the daemons' own datagrams; hence identification counts, in
// steps that keep the workers apart (RFC 6864 section 4.3 asks for no repeats while in flight).
// IPv6 routers do not, they tell the kernel, so what may not fit a path is sent by the kernel.
static inline void headers_build(struct dgram *d, const struct envelope *e, uint16_t ip_id, bool v4)
{
	const uint16_t udp_len = (uint16_t)(UDP_HEADER_SIZE + d->len);
	const uint16_t be_len = htobe16(udp_len), be_port = htobe16(d->to.port);
	const uint32_t dst = endpoint_v4(&d->to);
	uint64_t to = be_port + (v4 ? dst : csum_add(0, d->to.addr, sizeof(d->to.addr)));
	uint8_t *udp = d->data - UDP_HEADER_SIZE;
	uint8_t *ip = udp - (v4 ? IPV4_HEADER_SIZE : IPV6_HEADER_SIZE);

	udp_build_be(
	    udp, e->be_port, be_port, be_len, udp_sum(d, e->udp_rest - be_len - be_len - to, v4));
	if (v4)
		ipv4_build_from(ip, &e->ipv4, udp_len, dst, ip_id);
	else
		ipv6_build(ip, udp_len, e->from->addr, d->to.addr, e->ttl);
	memcpy(ip - ETH_END, e->eth_end, ETH_END);
	d->l2 = udp + UDP_HEADER_SIZE - e->headers;
	d->len += e->headers;
	d->out_link = e->link;
	memcpy(d->l2, e->eth_start, sizeof(e->eth_start));
}

// False: the datagram must go through the companion. `v4` is a constant where this is called, so
// each family has code of its own.
static inline __attribute__((always_inline)) bool encap_one(
    struct dgram *d, const struct stage_env *env, struct envelope *e, uint16_t *ip_id, bool v4)
{
	if (__builtin_expect(d->route != e->route, 0))
		envelope_open(e, d, env, v4);
	if (d->len >= e->limit)
		return false;
	headers_build(d, e, *ip_id, v4);
	if (v4)
		*ip_id = (uint16_t)(*ip_id + env->ip_id_step);
	return true;
}

void stage_encap(struct burst *b, struct stage_env *env)
{
	const struct dgram *end = b->d + b->count;
	struct envelope e = {.route = ROUTE_NONE, .from = &env->locals->at};
	uint16_t ip_id = env->ip_id;
	uint64_t bytes = 0;
	unsigned companion = 0, others = 0;

	env->departure.whole = false;
	if (!env->links[b->link].raw)
		return;
	for (struct dgram *d = b->d; d < end; d++) {
		uint32_t len = d->len;

		if (d->verdict != VERDICT_SEND) {
			others++;
		} else if (d->to_v6 ? encap_one(d, env, &e, &ip_id, false)
				    : encap_one(d, env, &e, &ip_id, true)) {
			bytes += len;
		} else {
			d->out_link = env->companion;
			companion++;
		}
	}
	env->ip_id = ip_id;
	env->departure = (struct departure){
	    .whole = companion + others == 0 && (e.links & (e.links - 1)) == 0,
	    .link = e.link,
	    .bytes = bytes,
	};
	tally_count(&env->tally, COUNTER_COMPANION, companion);
}
