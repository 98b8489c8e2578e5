// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/trace.h"

#include "base/clock.h"
#include "controlplane/admin_api.h"
#include "shm/kernel_writer.h"

#include <errno.h>

enum {
	TRACE_PERIOD_MS = 20,
	TRACE_BATCH = 256, // events of one worker before the next one's turn
};

static void store(uint64_t *at, uint64_t value)
{
	__atomic_store_n(at, value, __ATOMIC_RELAXED);
}

static void tell_workers(struct trace *t)
{
	struct relay_settings *s = t->memory->settings;

	store(&s->trace_node, t->node);
	store(&s->trace_sample, t->sample ? t->sample : 1);
	store(&s->trace_drops_only, t->drops_only);
	store(&s->trace_on, t->client != NULL);
	settings_published(t->memory);
	for (uint32_t w = 0; t->client && w < t->memory->worker_count; w++)
		t->readers[w] = memory_trace_reader(t->memory, w);
}

static json_t *event_json(
    const struct trace *t, const struct trace_record *r, const uint8_t *bytes, uint64_t lost)
{
	static const char *const verdicts[] = {"none", "send", "punt", "drop"};
	bool dropped = r->verdict == VERDICT_DROP && r->drop < DROP_COUNT;
	size_t n = r->captured < TRACE_CAPTURE_MAX ? r->captured : TRACE_CAPTURE_MAX;
	json_t *e = json_pack("{s:I,s:i,s:i,s:o,s:o,s:i,s:I,s:I,s:I,s:s,s:o,s:o,s:I}", "time_ns",
	    (json_int_t)r->rx_ns, "worker", r->worker, "link", r->link, "from",
	    admin_endpoint(&r->from), "to",
	    admin_endpoint(&t->memory->locals[r->local % LOCAL_MAX].at), "type", r->type, "sender",
	    (json_int_t)r->sender, "dest", (json_int_t)r->dest, "len", (json_int_t)r->len,
	    "verdict", verdicts[r->verdict <= VERDICT_DROP ? r->verdict : 0], "drop",
	    dropped ? json_string(drop_names[r->drop]) : json_null(), "payload",
	    admin_hex(bytes, n), "lost", (json_int_t)lost);

	return json_pack("{s:o}", "event", e);
}

static uint64_t lost_total(const struct trace *t)
{
	uint64_t n = t->client->lost;

	for (uint32_t w = 0; w < t->memory->worker_count; w++)
		n += t->readers[w].missed;
	return n;
}

static void on_timer(uv_timer_t *timer)
{
	struct trace *t = timer->data;
	uint64_t now_ns = clock_mono_ns();

	if (!t->memory)
		return;
	for (uint32_t w = 0; w < t->memory->worker_count; w++) {
		uint8_t bytes[TRACE_CAPTURE_MAX];
		struct trace_record r;

		for (unsigned n = 0; n < TRACE_BATCH; n++) {
			uint64_t lost;

			if (!t->client || !trace_read(&t->readers[w], &r, bytes))
				break;
			lost = lost_total(t);
			// On failure the client is gone, or has lost this event too.
			if (admin_send(
				t->client, event_json(t, &r, bytes, lost - t->told_lost), now_ns))
				t->told_lost = lost;
		}
	}
}

void trace_init(struct trace *t, uv_loop_t *loop)
{
	*t = (struct trace){.sample = 1};
	uv_timer_init(loop, &t->timer);
	t->timer.data = t;
}

int trace_start(
    struct trace *t, struct admin_client *client, uint64_t node, uint64_t sample, bool drops_only)
{
	if (t->client && t->client != client)
		return -EBUSY;
	t->client = client;
	t->node = node;
	t->sample = sample;
	t->drops_only = drops_only;
	t->told_lost = client->lost;
	if (t->memory)
		tell_workers(t);
	uv_timer_start(&t->timer, on_timer, TRACE_PERIOD_MS, TRACE_PERIOD_MS);
	return 0;
}

void trace_stop(struct trace *t, const struct admin_client *client)
{
	if (t->client != client)
		return;
	t->client = NULL;
	uv_timer_stop(&t->timer);
	if (t->memory)
		tell_workers(t);
}

void trace_attach(struct trace *t, const struct memory *m)
{
	t->memory = m;
	t->told_lost = t->client ? t->client->lost : 0;
	if (m)
		tell_workers(t);
}

json_t *admin_trace(
    struct cp *cp, struct admin_client *client, const json_t *request, struct admin_error *err)
{
	bool drops = json_is_true(json_object_get(request, "drops"));
	uint64_t node, sample;

	if (!admin_number(request, "node", 0, UINT32_MAX, &node, err) ||
	    !admin_number(request, "sample", 1, UINT32_MAX, &sample, err))
		return NULL;
	if (trace_start(&cp->trace, client, node, sample, drops) != 0)
		return admin_fail(
		    err, "end the other `fairway trace` first", "another client is tracing");
	return json_object();
}
