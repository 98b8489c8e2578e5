// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/io/locals.h"
#include "dataplane/stage/stage.h"
#include "wire/beacon.h"
#include "wire/inet.h"
#include "wire/stun.h"

enum {
	STUN_CLASS_INDICATION = 0x10, // in the second byte; responses differ in the first
};

// `hint` is the previous datagram's local index: nearly always this one's too.
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

// An address that an answer cannot go to: port 0, unspecified, multicast, IPv4 broadcast and 240/4,
// link-local IPv6, which means nothing without an interface.
static inline bool source_is_invalid(const struct endpoint *e, bool v4)
{
	if (e->port == 0)
		return true;
	if (v4)
		return (uint8_t)(e->addr[12] - 1) >= 224 - 1;
	return e->addr[0] == 0xff || endpoint_is_link_local(e) || endpoint_is_unspecified(e);
}

// Derives what the payload adds to the UDP sum from the received checksum, without reading the
// payload, so that damage done on the way is still seen by the next receiver.
static inline enum drop classify_checksum(
    struct dgram *d, struct tally *tally, const struct inet_udp *h, uint64_t pseudo)
{
	const uint8_t *udp = d->l2 + h->l4;
	uint16_t check;

	memcpy(&check, udp + UDP_OFFSET_CHECKSUM, sizeof(check));
	if (check == 0) {
		if (h->version == 6)
			return DROP_UDP_CHECKSUM;
		d->flags |= DGRAM_F_NO_CSUM;
		return DROP_NONE;
	}
	if (udp_checksum_is_partial(pseudo, check) && !udp_checksum_ok(pseudo, udp, h->udp_len)) {
		d->payload_sum = csum_add(0, d->data, d->len);
		tally_count(tally, COUNTER_CHECKSUM_COMPLETED, 1);
		return DROP_NONE;
	}
	d->payload_sum = csum_negate(csum_add(pseudo, udp, UDP_HEADER_SIZE));
	return DROP_NONE;
}

// Almost every header is without options: five words, two of which the caller has loaded.
static inline bool ipv4_sum_ok(const uint8_t *ip, size_t size, uint64_t addresses)
{
	uint64_t sum = csum_add(addresses, ip, IPV4_OFFSET_SRC);

	if (size > IPV4_HEADER_SIZE)
		sum = csum_add(sum, ip + IPV4_HEADER_SIZE, size - IPV4_HEADER_SIZE);
	return csum_same(sum, 0xffff);
}

// Addresses, TTL and header checksum. Returns the sum of the pseudo header in `pseudo`.
static inline enum drop classify_ipv4(struct dgram *d, const struct stage_env *env,
    const struct inet_udp *h, uint64_t *pseudo, unsigned hint)
{
	const uint8_t *ip = d->l2 + h->l3;
	const uint8_t *udp = d->l2 + h->l4;
	uint32_t from, to;
	int local;

	memcpy(&from, ip + IPV4_OFFSET_SRC, sizeof(from));
	memcpy(&to, ip + IPV4_OFFSET_DST, sizeof(to));
	if (!ipv4_sum_ok(ip, (size_t)(h->l4 - h->l3), (uint64_t)from + to))
		return DROP_IP_CHECKSUM;
	endpoint_set_v4(&d->src, from, load_be16(udp + UDP_OFFSET_SRC));
	*pseudo = udp4_pseudo_sum(from, to, h->udp_len);
	d->ttl = ip[IPV4_OFFSET_TTL];
	if (d->ttl == 0)
		return DROP_TTL_EXPIRED;
	local = local_find4(env->locals, to, load_be16(udp + UDP_OFFSET_DST), hint);
	d->local = (uint8_t)local;
	return local < 0 ? DROP_NOT_UDP : DROP_NONE;
}

static inline enum drop classify_ipv6(struct dgram *d, const struct stage_env *env,
    const struct inet_udp *h, uint64_t *pseudo, unsigned hint)
{
	const uint8_t *ip = d->l2 + h->l3;
	const uint8_t *udp = d->l2 + h->l4;
	const uint8_t *from = ip + IPV6_OFFSET_SRC, *to = ip + IPV6_OFFSET_DST;
	int local;

	d->src = endpoint_from_v6(from, load_be16(udp + UDP_OFFSET_SRC));
	*pseudo = udp6_pseudo_sum(from, to, h->udp_len);
	d->ttl = ip[IPV6_OFFSET_HOPS];
	if (d->ttl == 0)
		return DROP_TTL_EXPIRED;
	local = local_find6(env->locals, to, load_be16(udp + UDP_OFFSET_DST), hint);
	d->local = (uint8_t)local;
	return local < 0 ? DROP_NOT_UDP : DROP_NONE;
}

static inline __attribute__((always_inline)) enum drop classify_headers(
    struct dgram *d, struct stage_env *env, const struct inet_udp *h, unsigned hint)
{
	const bool v4 = h->version == 4;
	uint64_t pseudo;
	enum drop why;

	d->data = d->l2 + h->payload;
	d->len = d->rx_len = h->udp_len - UDP_HEADER_SIZE;
	why =
	    v4 ? classify_ipv4(d, env, h, &pseudo, hint) : classify_ipv6(d, env, h, &pseudo, hint);
	if (!why)
		why = classify_checksum(d, &env->tally, h, pseudo);
	if (!why && source_is_invalid(&d->src, v4))
		why = DROP_SOURCE_INVALID;
	return why;
}

static __attribute__((noinline)) enum drop classify_any(
    struct dgram *d, struct stage_env *env, unsigned hint)
{
	struct inet_udp h;
	int rc;

	if (inet_udp_parse_plain6(d->l2, d->len, &h))
		return classify_headers(d, env, &h, hint);
	rc = inet_udp_parse(d->l2, d->len, &h);
	if (rc) {
		d->rx_len = d->len;
		d->data = d->l2;
		return rc == -EPROTONOSUPPORT ? DROP_NOT_UDP : DROP_TRUNCATED;
	}
	return classify_headers(d, env, &h, hint);
}

// The common frames have code of their own, with constants for offsets.
static inline enum drop classify_frame(struct dgram *d, struct stage_env *env, unsigned hint)
{
	struct inet_udp h;

	if (__builtin_expect(inet_udp_parse_plain4(d->l2, d->len, &h), 1))
		return classify_headers(d, env, &h, hint);
	return classify_any(d, env, hint);
}

static enum drop classify_other(struct dgram *d)
{
	const uint8_t *p = d->data;
	uint32_t need;

	if (d->len == 0)
		return DROP_EMPTY;
	switch (p[0]) {
	case BEACON_DISCOVER:
	case BEACON_DISCOVER_EX:
		need = BEACON_DISCOVER_SIZE;
		break;
	case BEACON_PUNCH_REQUEST:
		need = BEACON_PUNCH_REQUEST_SIZE;
		break;
	case BEACON_RELAY:
		need = BEACON_RELAY_SIZE;
		break;
	case BEACON_SYNC:
		need = BEACON_SYNC_SIZE;
		if (d->len >= need)
			need += 4u * load_be16(p + BEACON_SYNC_SIZE - 2);
		break;
	case 0: // of a beacon message never, of a STUN request always
		if (!stun_is_message(p, d->len) || p[1] & STUN_CLASS_INDICATION)
			return DROP_UNKNOWN_TYPE;
		d->type = DGRAM_TYPE_STUN;
		return DROP_NONE;
	case 'P':
		return DROP_TUNNEL_FRAME;
	default:
		return DROP_UNKNOWN_TYPE;
	}
	if (d->len < need)
		return DROP_SHORT_MESSAGE;
	if (p[0] != BEACON_SYNC)
		d->sender = load_be32(p + 1);
	if (p[0] == BEACON_PUNCH_REQUEST) {
		d->dest = load_be32(p + 5);
		if (d->sender == 0 || d->dest == 0)
			return DROP_NODE_ZERO;
	}
	return DROP_NONE;
}

static enum drop classify_message(struct dgram *d)
{
	struct beacon_relay relay;

	if (beacon_relay_parse(d->data, d->len, &relay) != 0) {
		d->type = d->len ? d->data[0] : 0;
		d->sender = 0;
		d->dest = 0;
		return classify_other(d);
	}
	d->type = BEACON_RELAY;
	d->sender = relay.sender;
	d->dest = relay.dest;
	return relay.sender && relay.dest ? DROP_NONE : DROP_NODE_ZERO;
}

// A relayed payload is its receiver's to check; what we act on ourselves we check as hosts do (RFC
// 1122 section 4.1.3.4). On links that are not raw the kernel did.
static __attribute__((noinline)) bool payload_is_intact(const struct dgram *d)
{
	if (!(d->flags & DGRAM_F_RAW) || d->flags & DGRAM_F_NO_CSUM)
		return true;
	return csum_same(d->payload_sum, csum_add(0, d->data, d->len));
}

static inline void relay_add(struct relay_batch *r, unsigned i, struct dgram *d)
{
	r->d[i] = d;
	r->ids[2 * i] = d->sender;
	r->ids[2 * i + 1] = d->dest;
}

unsigned stage_classify(struct burst *b, struct stage_env *env)
{
	const struct dgram *end = b->d + b->count;
	const bool raw = env->links[b->link].raw;
	unsigned others = 0, relays = 0, hint = 0;
	uint64_t bytes = 0;

	for (struct dgram *d = b->d; d < end; d++) {
		enum drop why = DROP_NONE;

		d->verdict = VERDICT_NONE;
		d->drop = DROP_NONE;
		d->flags = raw ? DGRAM_F_RAW : 0;
		d->out_link = d->link;
		d->type = 0;
		if (raw) {
			if (d + 2 < end)
				__builtin_prefetch(d[2].l2);
			why = classify_frame(d, env, hint);
		} else {
			d->l2 = NULL;
			d->rx_len = d->len;
			if (source_is_invalid(&d->src, endpoint_is_v4(&d->src)))
				why = DROP_SOURCE_INVALID;
		}
		bytes += d->rx_len;
		if (!why) {
			hint = d->local;
			why = classify_message(d);
		}
		if (why) {
			dgram_drop(d, why);
			continue;
		}
		if (d->type == BEACON_RELAY)
			relay_add(&env->relay, relays++, d);
		else if (payload_is_intact(d))
			others++;
		else
			dgram_drop(d, DROP_UDP_CHECKSUM);
	}
	env->relay.count = relays;
	tally_count(&env->tally, COUNTER_RX_DATAGRAMS, b->count);
	tally_count(&env->tally, COUNTER_RX_BYTES, bytes);
	tally_count(&env->tally, COUNTER_BURSTS, 1);
	return others;
}
