// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/stage/headers.h"
#include "dataplane/stage/usual.h"
#include "wire/beacon.h"
#include "wire/stun.h"

enum {
	STUN_CLASS_INDICATION = 0x10, // in the second byte; responses differ in the first
};

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
	return csum_is_nothing(csum_plus(d->header_sum, csum_add(0, d->data, d->len)));
}

static inline void relay_add(struct relay_batch *r, size_t i, struct dgram *d)
{
	r->d[i] = d;
	r->ids[2 * i] = d->sender;
	r->ids[2 * i + 1] = d->dest;
}

static inline void dgram_open(struct dgram *d, uint8_t flags)
{
	d->verdict = VERDICT_NONE;
	d->drop = DROP_NONE;
	d->flags = flags;
	d->type = 0;
}

// `why`: whether it is dropped for what it came with, before anybody looked at the message.
static inline enum drop classify_judge(struct dgram *d, enum drop why)
{
	if (!why)
		why = classify_message(d);
	if (!why && d->type != BEACON_RELAY && !payload_is_intact(d))
		why = DROP_UDP_CHECKSUM;
	if (why)
		dgram_drop(d, why);
	return why;
}

static __attribute__((noinline)) enum drop classify_frame(
    struct dgram *d, struct stage_env *env, unsigned hint)
{
	dgram_open(d, DGRAM_F_RAW);
	return classify_judge(d, headers_read(d, env, hint));
}

static inline enum drop classify_payload(struct dgram *d, uint8_t link)
{
	bool invalid = source_is_invalid(&d->src, endpoint_is_v4(&d->src));

	dgram_open(d, 0);
	d->out_link = link;
	d->l2 = NULL;
	d->rx_len = d->len;
	return classify_judge(d, invalid ? DROP_SOURCE_INVALID : DROP_NONE);
}

static unsigned classify_frames(struct burst *b, struct stage_env *env, uint64_t *bytes)
{
	const struct dgram *end = b->d + b->count;
	struct relay_batch *r = &env->relay;
	unsigned others = 0, hint = 0;
	size_t relays = 0;

	for (struct dgram *d = b->d; d < end; d++) {
		if (__builtin_expect(usual_take(d, env, r->ids + 2 * relays), 1)) {
			r->d[relays++] = d;
		} else if (!classify_frame(d, env, hint)) {
			hint = d->local;
			if (d->type == BEACON_RELAY) {
				usual_learn(env, d->local);
				relay_add(r, relays++, d);
			} else {
				others++;
			}
		}
		*bytes += d->rx_len;
	}
	r->count = (unsigned)relays;
	return others;
}

static unsigned classify_payloads(struct burst *b, struct stage_env *env, uint64_t *bytes)
{
	const struct dgram *end = b->d + b->count;
	struct relay_batch *r = &env->relay;
	unsigned others = 0;
	size_t relays = 0;

	for (struct dgram *d = b->d; d < end; d++) {
		enum drop why = classify_payload(d, b->link);

		*bytes += d->rx_len;
		if (why)
			continue;
		if (d->type == BEACON_RELAY)
			relay_add(r, relays++, d);
		else
			others++;
	}
	r->count = (unsigned)relays;
	return others;
}

unsigned stage_classify(struct burst *b, struct stage_env *env)
{
	uint64_t bytes = 0;
	unsigned others = env->links[b->link].raw ? classify_frames(b, env, &bytes)
						  : classify_payloads(b, env, &bytes);

	tally_count(&env->tally, COUNTER_RX_DATAGRAMS, b->count);
	tally_count(&env->tally, COUNTER_RX_BYTES, bytes);
	tally_count(&env->tally, COUNTER_BURSTS, 1);
	return others;
}
