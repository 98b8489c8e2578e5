// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/stage/stage.h"
#include "wire/inet.h"

enum { TTL_DEFAULT = 64 };

// Everything that the headers of one datagram are made of.
struct envelope {
	const struct local *from;
	const struct egress *egress;
	nexthop_word nexthop;
	uint8_t ip_size; // of the IP header
};

static bool envelope_find(const struct dgram *d, const struct stage_env *env, struct envelope *e)
{
	e->nexthop = __atomic_load_n(&env->nexthops[d->nexthop % NEXTHOP_MAX], __ATOMIC_RELAXED);
	if (d->nexthop == 0 || !(e->nexthop >> 56 & 1))
		return false;
	e->egress = &env->egress[(e->nexthop >> 48 & 0xff) % EGRESS_MAX];
	e->from = &env->locals[d->out_local % LOCAL_MAX];
	e->ip_size = endpoint_is_v4(&d->to) ? IPV4_HEADER_SIZE : IPV6_HEADER_SIZE;
	if (!__atomic_load_n(&e->egress->valid, __ATOMIC_ACQUIRE) ||
	    !env->links[e->egress->link % LINK_MAX].raw ||
	    e->ip_size + UDP_HEADER_SIZE + d->len > e->egress->mtu)
		return false;
	// The kernel chooses the address when ours is a wildcard or of the other family.
	return __atomic_load_n(&e->from->valid, __ATOMIC_ACQUIRE) &&
	       endpoint_is_v4(&e->from->at) == (e->ip_size == IPV4_HEADER_SIZE) &&
	       !endpoint_is_unspecified(&e->from->at);
}

// The sum is taken of the values: a load from the header would wait for the stores before it.
static uint16_t udp_sum(const struct dgram *d, const struct local *from, uint64_t pseudo)
{
	uint32_t udp_len = UDP_HEADER_SIZE + d->len;
	uint64_t sum =
	    pseudo + htobe16(from->at.port) + htobe16(d->to.port) + htobe16((uint16_t)udp_len);
	uint16_t check;

	if (d->flags & DGRAM_F_NO_CSUM && endpoint_is_v4(&d->to) && !(d->flags & DGRAM_F_FULL_CSUM))
		return 0;
	if (d->flags & (DGRAM_F_FULL_CSUM | DGRAM_F_NO_CSUM))
		sum = csum_add(sum, d->data, d->len);
	else
		sum += d->payload_sum;
	check = (uint16_t)~csum_fold(sum);
	return check ? check : 0xffff;
}

static uint8_t *eth_build(uint8_t *ip, const struct envelope *e)
{
	uint16_t type = e->ip_size == IPV4_HEADER_SIZE ? ETH_TYPE_IPV4 : ETH_TYPE_IPV6;
	uint8_t *p = ip - ETH_HEADER_SIZE - (e->egress->vlan ? VLAN_TAG_SIZE : 0);

	for (int i = 0; i < ETH_ADDR_SIZE; i++)
		p[ETH_OFFSET_DST + i] = (uint8_t)(e->nexthop >> (8 * i));
	memcpy(p + ETH_OFFSET_SRC, e->egress->mac, ETH_ADDR_SIZE);
	if (e->egress->vlan) {
		store_be16(p + ETH_OFFSET_TYPE, ETH_TYPE_VLAN);
		store_be16(p + ETH_OFFSET_TYPE + 2, e->egress->vlan);
	}
	store_be16(ip - 2, type);
	return p;
}

// Writes Ethernet, IP and UDP headers before the payload. The IP packet is a new one, of this host:
// its TTL starts anew, and DSCP and options of the received one end here. DF stays clear, so that
// routers may fragment as they do for the daemons' own datagrams; hence identification counts, in
// steps that keep the workers apart (RFC 6864 section 4.3 asks for no repeats while in flight).
static void encap_one(struct dgram *d, struct stage_env *env, const struct envelope *e)
{
	uint8_t ttl = env->set.ttl - 1 < 255 ? (uint8_t)env->set.ttl : TTL_DEFAULT;
	uint16_t udp_len = (uint16_t)(UDP_HEADER_SIZE + d->len);
	uint8_t *udp = d->data - UDP_HEADER_SIZE;
	uint8_t *ip = udp - e->ip_size;
	uint64_t pseudo;

	if (e->ip_size == IPV4_HEADER_SIZE) {
		uint32_t src = endpoint_v4(&e->from->at), dst = endpoint_v4(&d->to);

		pseudo = udp4_pseudo_sum(src, dst, udp_len);
		ipv4_build(ip, udp_len, src, dst, ttl, env->ip_id);
		env->ip_id = (uint16_t)(env->ip_id + env->ip_id_step);
	} else {
		pseudo = udp6_pseudo_sum(e->from->at.addr, d->to.addr, udp_len);
		ipv6_build(ip, udp_len, e->from->at.addr, d->to.addr, ttl);
	}
	udp_build(udp, e->from->at.port, d->to.port, udp_len, udp_sum(d, e->from, pseudo));
	d->l2 = eth_build(ip, e);
	d->len = (uint32_t)(d->data + d->len - d->l2);
	d->out_link = e->egress->link;
}

void stage_encap(struct burst *b, struct stage_env *env)
{
	uint64_t companion = 0;

	if (!env->links[b->link].raw)
		return;
	for (unsigned i = 0; i < b->count; i++) {
		struct dgram *d = &b->d[i];
		struct envelope e;

		if (d->verdict != VERDICT_SEND)
			continue;
		if (envelope_find(d, env, &e)) {
			encap_one(d, env, &e);
		} else {
			d->out_link = env->companion;
			companion++;
		}
	}
	tally_count(&env->tally, COUNTER_COMPANION, companion);
}
