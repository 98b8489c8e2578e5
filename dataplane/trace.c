// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/trace.h"

#include "wire/beacon.h"

static bool trace_matches(struct tracer *t, const struct dgram *d, const struct relay_settings *s)
{
	if (s->trace_node && d->sender != s->trace_node && d->dest != s->trace_node)
		return false;
	return t->matched++ % (s->trace_sample ? s->trace_sample : 1) == 0;
}

// The payload as it was received. Stages rewrite no more than the header of what they send, and
// the descriptor still knows what stood there.
static uint16_t trace_bytes(const struct dgram *d, const struct stage_env *env, uint8_t *out)
{
	uint32_t n = d->rx_len < TRACE_CAPTURE_MAX ? d->rx_len : TRACE_CAPTURE_MAX;
	const uint8_t *end;

	if (d->verdict != VERDICT_SEND) {
		memcpy(out, d->data, n);
		return (uint16_t)n;
	}
	if (d->type != BEACON_RELAY) {
		out[0] = d->type;
		store_be32(out + 1, d->sender);
		return BEACON_DISCOVER_SIZE;
	}
	end = d->data + dgram_payload_size(d, env);
	beacon_relay_build_header(out, TRACE_CAPTURE_MAX, d->sender, d->dest);
	memcpy(
	    out + BEACON_RELAY_SIZE, end - (d->rx_len - BEACON_RELAY_SIZE), n - BEACON_RELAY_SIZE);
	return (uint16_t)n;
}

static void trace_fill(struct trace_record *r, const struct dgram *d, uint64_t now_ns)
{
	*r = (struct trace_record){
	    .rx_ns = now_ns,
	    .from = d->src,
	    .sender = d->sender,
	    .dest = d->dest,
	    .len = d->rx_len,
	    .type = d->type,
	    .local = d->local,
	    .link = d->link,
	};
	if (d->verdict == VERDICT_SEND)
		r->to = d->to;
}

void trace_capture(struct tracer *t, const struct burst *b, const struct stage_env *env)
{
	uint64_t now_ns = clock_ns(CLOCK_REALTIME);

	t->count = 0;
	t->open = 0;
	for (unsigned i = 0; i < b->count && t->count < TRACE_BURST_MAX; i++) {
		const struct dgram *d = &b->d[i];
		struct trace_item *item = &t->items[t->count];

		if (env->set.trace_drops_only && d->verdict != VERDICT_DROP) {
			t->open |= 1ULL << i;
			continue;
		}
		if (!trace_matches(t, d, &env->set))
			continue;
		trace_fill(&item->record, d, now_ns);
		item->record.captured = trace_bytes(d, env, item->bytes);
		item->d = d;
		t->count++;
	}
}

static void trace_item_emit(struct tracer *t, struct trace_item *item, struct stage_env *env)
{
	item->record.verdict = item->d->verdict;
	item->record.drop = item->d->drop;
	item->record.worker = env->worker;
	trace_write(&t->out, &item->record, item->bytes);
	tally_count(&env->tally, COUNTER_TRACED, 1);
}

void trace_emit(struct tracer *t, const struct burst *b, struct stage_env *env)
{
	for (unsigned i = 0; i < t->count; i++)
		trace_item_emit(t, &t->items[i], env);
	for (unsigned i = 0; i < b->count && t->open; i++) {
		struct trace_item item = {.d = &b->d[i]};

		if (!(t->open >> i & 1) || item.d->verdict != VERDICT_DROP ||
		    !trace_matches(t, item.d, &env->set))
			continue;
		trace_fill(&item.record, item.d, clock_ns(CLOCK_REALTIME));
		trace_item_emit(t, &item, env);
	}
	t->count = 0;
	t->open = 0;
}
