// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/stage/stage.h"
#include "wire/inet.h"

enum { TTL_DEFAULT = 64, KEY_NONE = UINT32_MAX };

// What the headers to one next hop from one local address have in common. Datagrams of a burst
// that follow each other mostly share it.
struct envelope {
	uint32_t key;
	uint8_t ttl, link, eth_size;
	uint16_t mtu; // 0: cannot be used
	const struct endpoint *from;
	uint64_t udp_rest; // what UDP header and pseudo header leave of nothing, without what is
			   // each datagram's own: destination and length
	struct ipv4_template ipv4;
	uint8_t eth[ETH_HEADER_SIZE + VLAN_TAG_SIZE];
};

static inline uint32_t envelope_key(const struct dgram *d, bool v4)
{
	return d->nexthop | (uint32_t)d->out_local << 16 | (uint32_t)v4 << 24;
}

static void eth_build(
    struct envelope *e, nexthop_word nexthop, const struct egress *egress, bool v4)
{
	uint16_t type = v4 ? ETH_TYPE_IPV4 : ETH_TYPE_IPV6;

	for (int i = 0; i < ETH_ADDR_SIZE; i++)
		e->eth[ETH_OFFSET_DST + i] = (uint8_t)(nexthop >> (8 * i));
	memcpy(e->eth + ETH_OFFSET_SRC, egress->mac, ETH_ADDR_SIZE);
	e->eth_size = ETH_HEADER_SIZE;
	if (egress->vlan) {
		store_be16(e->eth + ETH_OFFSET_TYPE, ETH_TYPE_VLAN);
		store_be16(e->eth + ETH_OFFSET_TYPE + 2, egress->vlan);
		e->eth_size += VLAN_TAG_SIZE;
	}
	store_be16(e->eth + e->eth_size - 2, type);
}

// Cannot be used: there is no next hop, its interface is gone, or the kernel chooses the address,
// as ours is a wildcard or of the other family.
static __attribute__((noinline)) void envelope_open(
    struct envelope *e, const struct dgram *d, const struct stage_env *env, bool v4)
{
	nexthop_word nexthop =
	    __atomic_load_n(&env->nexthops[d->nexthop % NEXTHOP_MAX], __ATOMIC_RELAXED);
	const struct egress *egress = &env->egress[(nexthop >> 48 & 0xff) % EGRESS_MAX];
	const struct local *from = &env->locals[d->out_local % LOCAL_MAX];
	const uint8_t link = egress->link % LINK_MAX;
	bool usable = d->nexthop && (nexthop >> 56 & 1) &&
		      __atomic_load_n(&egress->valid, __ATOMIC_ACQUIRE) && env->links[link].raw &&
		      __atomic_load_n(&from->valid, __ATOMIC_ACQUIRE) &&
		      endpoint_is_v4(&from->at) == v4 && !endpoint_is_unspecified(&from->at);

	e->key = envelope_key(d, v4);
	e->ttl = env->set.ttl - 1 < 255 ? (uint8_t)env->set.ttl : TTL_DEFAULT;
	e->link = link;
	e->mtu = usable ? egress->mtu : 0;
	e->from = &from->at;
	e->ipv4 = ipv4_template_make(endpoint_v4(&from->at), e->ttl);
	e->udp_rest = csum_negate(htobe16(IP_PROTOCOL_UDP) + htobe16(from->at.port) +
				  (v4 ? endpoint_v4(&from->at) : csum_add(0, from->at.addr, 16)));
	eth_build(e, nexthop, egress, v4);
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
static inline void headers_build(
    struct dgram *d, struct stage_env *env, const struct envelope *e, bool v4)
{
	uint16_t udp_len = (uint16_t)(UDP_HEADER_SIZE + d->len);
	uint64_t rest = e->udp_rest - 2 * htobe16(udp_len) - htobe16(d->to.port);
	uint8_t *udp = d->data - UDP_HEADER_SIZE;
	uint8_t *ip = udp - (v4 ? IPV4_HEADER_SIZE : IPV6_HEADER_SIZE);

	if (v4) {
		uint32_t dst = endpoint_v4(&d->to);

		rest -= dst;
		ipv4_build_from(ip, &e->ipv4, udp_len, dst, env->ip_id);
		env->ip_id = (uint16_t)(env->ip_id + env->ip_id_step);
	} else {
		rest -= csum_add(0, d->to.addr, sizeof(d->to.addr));
		ipv6_build(ip, udp_len, e->from->addr, d->to.addr, e->ttl);
	}
	udp_build(udp, e->from->port, d->to.port, udp_len, udp_sum(d, rest, v4));
	d->l2 = ip - e->eth_size;
	if (__builtin_expect(e->eth_size == ETH_HEADER_SIZE, 1))
		memcpy(d->l2, e->eth, ETH_HEADER_SIZE);
	else
		memcpy(d->l2, e->eth, sizeof(e->eth));
	d->len = (uint32_t)(udp + udp_len - d->l2);
	d->out_link = e->link;
}

// False: the datagram must go through the companion. `v4` is a constant where this is called, so
// each family has code of its own.
static inline __attribute__((always_inline)) bool encap_one(
    struct dgram *d, struct stage_env *env, struct envelope *e, bool v4)
{
	uint32_t headers = UDP_HEADER_SIZE + (v4 ? IPV4_HEADER_SIZE : IPV6_HEADER_SIZE);

	if (__builtin_expect(envelope_key(d, v4) != e->key, 0))
		envelope_open(e, d, env, v4);
	if (headers + d->len > e->mtu)
		return false;
	headers_build(d, env, e, v4);
	return true;
}

void stage_encap(struct burst *b, struct stage_env *env)
{
	const struct dgram *end = b->d + b->count;
	struct envelope e = {.key = KEY_NONE, .from = &env->locals->at};
	uint64_t companion = 0;

	if (!env->links[b->link].raw)
		return;
	for (struct dgram *d = b->d; d < end; d++) {
		if (d->verdict != VERDICT_SEND)
			continue;
		if (endpoint_is_v4(&d->to) ? encap_one(d, env, &e, true)
					   : encap_one(d, env, &e, false))
			continue;
		d->out_link = env->companion;
		companion++;
	}
	tally_count(&env->tally, COUNTER_COMPANION, companion);
}
