// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "dataplane/io/locals.h"
#include "dataplane/stage/stage.h"
#include "wire/inet.h"

// The headers of a received frame, whatever it is. Part of classify.

static inline bool source4_is_valid(uint32_t addr, uint16_t port)
{
	return port != 0 && (uint8_t)(addr - 1) < 224 - 1;
}

// An address that an answer cannot go to: port 0, unspecified, multicast, IPv4 broadcast and 240/4,
// link-local IPv6, which means nothing without an interface.
static inline bool source_is_invalid(const struct endpoint *e, bool v4)
{
	if (v4)
		return !source4_is_valid(endpoint_v4(e), e->port);
	return e->port == 0 || e->addr[0] == 0xff || endpoint_is_link_local(e) ||
	       endpoint_is_unspecified(e);
}

static inline int local_find4(
    const struct local *locals, uint32_t addr, uint16_t port, unsigned hint)
{
	const struct local *l = &locals[hint];
	struct endpoint at;

	if (__builtin_expect(
		local_is_valid(l) && l->at.port == port && endpoint_same_v4(&l->at, addr), 1))
		return (int)hint;
	at = endpoint_from_v4(addr, port);
	return locals_find(locals, &at);
}

static inline int local_find6(
    const struct local *locals, const uint8_t addr[16], uint16_t port, unsigned hint)
{
	const struct endpoint at = endpoint_from_v6(addr, port);

	if (__builtin_expect(
		local_is_valid(&locals[hint]) && endpoint_equal(&locals[hint].at, &at), 1))
		return (int)hint;
	return locals_find(locals, &at);
}

// The sum of UDP and pseudo header as received; the payload is not read, so that damage done on the
// way is still seen by the next receiver. False where there is no checksum, or perhaps but half of
// one.
static inline bool udp_sum_take(uint64_t pseudo, const uint8_t *udp, uint64_t *sum)
{
	uint64_t header, check;

	memcpy(&header, udp, sizeof(header));
	check = header >> (8 * UDP_OFFSET_CHECKSUM);
	*sum = csum_plus(pseudo, header);
	return check != 0 && !udp_checksum_is_partial(pseudo, (uint16_t)check);
}

// There is none, or only the pseudo header's: a local sender left the rest to its card.
static __attribute__((noinline)) enum drop udp_sum_complete(
    struct dgram *d, struct tally *tally, const struct inet_udp *h, uint64_t pseudo)
{
	const uint8_t *udp = d->l2 + h->l4;

	if (udp[UDP_OFFSET_CHECKSUM] == 0 && udp[UDP_OFFSET_CHECKSUM + 1] == 0) {
		if (h->version == 6)
			return DROP_UDP_CHECKSUM;
		d->flags |= DGRAM_F_NO_CSUM;
	} else if (!udp_checksum_ok(pseudo, udp, h->udp_len)) {
		d->header_sum = csum_negate(csum_add(0, d->data, d->len));
		tally_count(tally, COUNTER_CHECKSUM_COMPLETED, 1);
	}
	return DROP_NONE;
}

// Addresses, TTL and header checksum. Returns the sum of the pseudo header in `pseudo`.
static inline enum drop ipv4_read(struct dgram *d, const struct stage_env *env,
    const struct inet_udp *h, uint64_t *pseudo, unsigned hint)
{
	const uint8_t *ip = d->l2 + h->l3;
	const uint8_t *udp = d->l2 + h->l4;
	uint32_t from, to;
	uint64_t sum = ipv4_sum(ip);
	int local;

	memcpy(&from, ip + IPV4_OFFSET_SRC, sizeof(from));
	memcpy(&to, ip + IPV4_OFFSET_DST, sizeof(to));
	if (h->l4 - h->l3 > IPV4_HEADER_SIZE)
		sum = csum_plus(sum,
		    csum_add(0, ip + IPV4_HEADER_SIZE, (size_t)(h->l4 - h->l3 - IPV4_HEADER_SIZE)));
	if (!csum_is_nothing(sum))
		return DROP_IP_CHECKSUM;
	endpoint_set_v4(&d->src, from, load_be16(udp + UDP_OFFSET_SRC));
	*pseudo = udp4_pseudo_sum(from, to, h->udp_len);
	if (ip[IPV4_OFFSET_TTL] == 0)
		return DROP_TTL_EXPIRED;
	local = local_find4(env->locals, to, load_be16(udp + UDP_OFFSET_DST), hint);
	d->local = (uint8_t)local;
	return local < 0 ? DROP_NOT_UDP : DROP_NONE;
}

static inline enum drop ipv6_read(struct dgram *d, const struct stage_env *env,
    const struct inet_udp *h, uint64_t *pseudo, unsigned hint)
{
	const uint8_t *ip = d->l2 + h->l3;
	const uint8_t *udp = d->l2 + h->l4;
	const uint8_t *from = ip + IPV6_OFFSET_SRC, *to = ip + IPV6_OFFSET_DST;
	int local;

	d->src = endpoint_from_v6(from, load_be16(udp + UDP_OFFSET_SRC));
	*pseudo = udp6_pseudo_sum(from, to, h->udp_len);
	if (ip[IPV6_OFFSET_HOPS] == 0)
		return DROP_TTL_EXPIRED;
	local = local_find6(env->locals, to, load_be16(udp + UDP_OFFSET_DST), hint);
	d->local = (uint8_t)local;
	return local < 0 ? DROP_NOT_UDP : DROP_NONE;
}

static inline __attribute__((always_inline)) enum drop headers_take(
    struct dgram *d, struct stage_env *env, const struct inet_udp *h, unsigned hint)
{
	const bool v4 = h->version == 4;
	uint64_t pseudo;
	enum drop why;

	d->data = d->l2 + h->payload;
	d->len = d->rx_len = h->udp_len - UDP_HEADER_SIZE;
	why = v4 ? ipv4_read(d, env, h, &pseudo, hint) : ipv6_read(d, env, h, &pseudo, hint);
	if (!why && !udp_sum_take(pseudo, d->l2 + h->l4, &d->header_sum))
		why = udp_sum_complete(d, &env->tally, h, pseudo);
	if (!why && source_is_invalid(&d->src, v4))
		why = DROP_SOURCE_INVALID;
	return why;
}

// Finds and checks them: data, len, rx_len, src, local, header_sum. `hint` is the previous
// datagram's local index: nearly always this one's too. The common frames have code of their own,
// with constants for offsets.
static inline enum drop headers_read(struct dgram *d, struct stage_env *env, unsigned hint)
{
	struct inet_udp h;
	int rc;

	if (inet_udp_parse_plain4(d->l2, d->len, &h))
		return headers_take(d, env, &h, hint);
	if (inet_udp_parse_plain6(d->l2, d->len, &h))
		return headers_take(d, env, &h, hint);
	rc = inet_udp_parse(d->l2, d->len, &h);
	if (rc) {
		d->rx_len = d->len;
		d->data = d->l2;
		return rc == -EPROTONOSUPPORT ? DROP_NOT_UDP : DROP_TRUNCATED;
	}
	return headers_take(d, env, &h, hint);
}
