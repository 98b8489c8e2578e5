// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/stage/stage.h"

static void lists_clear(struct tx_lists *out)
{
	out->used = 0;
	out->released = 0;
}

static void list_all(struct burst *b, const struct departure *leaves, struct tx_lists *out)
{
	struct dgram **list = out->list[leaves->link];

	for (unsigned i = 0, n = b->count; i < n; i++)
		list[i] = &b->d[i];
	out->used = 1u << leaves->link;
	out->count[leaves->link] = b->count;
	out->bytes[leaves->link] = leaves->bytes;
}

static void list_append(struct dgram *d, const struct stage_env *env, struct tx_lists *out)
{
	unsigned link = d->out_link % LINK_MAX;

	if (!(out->used & 1u << link)) {
		out->used |= 1u << link;
		out->count[link] = 0;
		out->bytes[link] = 0;
	}
	out->list[link][out->count[link]++] = d;
	out->bytes[link] += dgram_payload_size(d, env);
}

// Sorts a burst by the link it leaves through. Descriptors keep their order within each list, so a
// flow stays in order.
void stage_egress(struct burst *b, struct stage_env *env, struct tx_lists *out)
{
	const struct dgram *end = b->d + b->count;

	lists_clear(out);
	if (env->departure.whole) {
		list_all(b, &env->departure, out);
		return;
	}
	for (struct dgram *d = b->d; d < end; d++) {
		if (d->verdict == VERDICT_SEND) {
			list_append(d, env, out);
			continue;
		}
		out->release[out->released++] = d;
		env->tally.drops[d->drop] += d->verdict == VERDICT_DROP;
	}
}

void egress_recount(struct stage_env *env, const struct dgram *d, int by)
{
	const uint64_t count = (uint64_t)by; // modulo 2^64, as counters are
	struct tally *t = &env->tally;

	if (d->flags & DGRAM_F_RAW && d->out_link == env->companion)
		t->counters[COUNTER_COMPANION] += count;
	if (d->type == BEACON_DISCOVER || d->type == BEACON_DISCOVER_EX) {
		t->counters[COUNTER_DISCOVER_ANSWERED] += count;
	} else if (d->flags & DGRAM_F_DELIVER) {
		t->counters[COUNTER_RELAYED] += count;
		t->counters[COUNTER_RELAYED_BYTES] += count * (d->rx_len - BEACON_RELAY_SIZE);
	} else if (d->type == BEACON_RELAY) {
		t->counters[COUNTER_FORWARDED] += count;
	}
}
