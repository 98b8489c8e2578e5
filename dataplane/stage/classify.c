// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/stage/stage.h"
#include "wire/beacon.h"
#include "wire/inet.h"
#include "wire/stun.h"

enum {
	NO_LOCAL = -1,
	STUN_CLASS_INDICATION = 0x10, // in the second byte; responses differ in the first
};

static bool local_matches(const struct local *l, const struct endpoint *at)
{
	return __atomic_load_n(&l->valid, __ATOMIC_ACQUIRE) && endpoint_equal(&l->at, at);
}

// By value: the address need not be in memory where this is not called.
static __attribute__((noinline)) int local_search(const struct local *locals, struct endpoint at)
{
	for (int i = 0; i < LOCAL_MAX; i++)
		if (local_matches(&locals[i], &at))
			return i;
	return NO_LOCAL;
}

// `hint` is the previous datagram's local index: nearly always this one's too.
static inline int local_find(const struct local *locals, const struct endpoint *at, unsigned hint)
{
	if (__builtin_expect(local_matches(&locals[hint], at), 1))
		return (int)hint;
	return local_search(locals, *at);
}

// An address that an answer cannot go to: port 0, unspecified, multicast, IPv4 broadcast and 240/4.
static bool source_is_invalid(const struct endpoint *e)
{
	if (e->port == 0)
		return true;
	if (endpoint_is_v4(e))
		return e->addr[12] == 0 || e->addr[12] >= 224;
	return e->addr[0] == 0xff || endpoint_is_unspecified(e);
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
		d->payload_sum = csum_fold(csum_add(0, d->data, d->len));
		tally_count(tally, COUNTER_CHECKSUM_COMPLETED, 1);
		return DROP_NONE;
	}
	d->payload_sum = (uint16_t)~csum_fold(csum_add(pseudo, udp, UDP_HEADER_SIZE));
	return DROP_NONE;
}

// Almost every header is without options: the compiler unrolls the sum of a known size.
static inline bool ipv4_sum_ok(const uint8_t *ip, size_t size)
{
	uint64_t sum = csum_add(0, ip, IPV4_HEADER_SIZE);

	if (size > IPV4_HEADER_SIZE)
		sum = csum_add(sum, ip + IPV4_HEADER_SIZE, size - IPV4_HEADER_SIZE);
	return csum_fold(sum) == 0xffff;
}

// Addresses, TTL and IPv4 header checksum. Returns the sum of the pseudo header in `pseudo`.
static inline enum drop classify_ip(
    struct dgram *d, const struct inet_udp *h, struct endpoint *dst, uint64_t *pseudo)
{
	const uint8_t *ip = d->l2 + h->l3;
	const uint8_t *udp = d->l2 + h->l4;
	uint16_t src_port = load_be16(udp + UDP_OFFSET_SRC);
	uint16_t dst_port = load_be16(udp + UDP_OFFSET_DST);

	if (h->version == 4) {
		uint32_t from, to;

		if (!ipv4_sum_ok(ip, (size_t)(h->l4 - h->l3)))
			return DROP_IP_CHECKSUM;
		memcpy(&from, ip + IPV4_OFFSET_SRC, sizeof(from));
		memcpy(&to, ip + IPV4_OFFSET_DST, sizeof(to));
		endpoint_set_v4(&d->src, from, src_port);
		endpoint_set_v4(dst, to, dst_port);
		*pseudo = udp4_pseudo_sum(from, to, h->udp_len);
		d->ttl = ip[IPV4_OFFSET_TTL];
	} else {
		d->src = endpoint_from_v6(ip + IPV6_OFFSET_SRC, src_port);
		*dst = endpoint_from_v6(ip + IPV6_OFFSET_DST, dst_port);
		*pseudo = udp6_pseudo_sum(ip + IPV6_OFFSET_SRC, ip + IPV6_OFFSET_DST, h->udp_len);
		d->ttl = ip[IPV6_OFFSET_HOPS];
	}
	return d->ttl ? DROP_NONE : DROP_TTL_EXPIRED;
}

static inline __attribute__((always_inline)) enum drop classify_headers(
    struct dgram *d, struct stage_env *env, const struct inet_udp *h, unsigned hint)
{
	struct endpoint dst;
	uint64_t pseudo;
	enum drop why;
	int local;

	d->data = d->l2 + h->payload;
	d->len = d->rx_len = h->udp_len - UDP_HEADER_SIZE;
	why = classify_ip(d, h, &dst, &pseudo);
	if (why)
		return why;
	local = local_find(env->locals, &dst, hint);
	if (local == NO_LOCAL)
		return DROP_NOT_UDP;
	d->local = (uint8_t)local;
	return classify_checksum(d, &env->tally, h, pseudo);
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

	d->sender = 0;
	d->dest = 0;
	if (source_is_invalid(&d->src))
		return DROP_SOURCE_INVALID;
	d->type = d->len ? d->data[0] : 0;
	if (beacon_relay_parse(d->data, d->len, &relay) != 0)
		return classify_other(d);
	d->sender = relay.sender;
	d->dest = relay.dest;
	return relay.sender && relay.dest ? DROP_NONE : DROP_NODE_ZERO;
}

unsigned stage_classify(struct burst *b, struct stage_env *env)
{
	const struct dgram *end = b->d + b->count;
	const bool raw = env->links[b->link].raw;
	unsigned others = 0, hint = 0;
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
		others += d->type != BEACON_RELAY;
	}
	tally_count(&env->tally, COUNTER_RX_DATAGRAMS, b->count);
	tally_count(&env->tally, COUNTER_RX_BYTES, bytes);
	tally_count(&env->tally, COUNTER_BURSTS, 1);
	return others;
}
