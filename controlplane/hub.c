// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/hub.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <string.h>

static int hub_send(
    void *ctx, const struct endpoint *to, uint8_t local, const void *data, size_t len)
{
	struct hub *h = ctx;
	struct inject_record *r;

	if (!h->at)
		return -EAGAIN;
	r = ring_reserve(&h->injects[h->turn], (uint32_t)(sizeof(*r) + len));
	if (!r) {
		h->stats->n[CP_INJECT_FULL]++;
		return -EAGAIN;
	}
	*r = (struct inject_record){.to = *to, .local = local, .len = (uint32_t)len};
	memcpy(r + 1, data, len);
	h->wake |= 1ULL << h->turn;
	return 0;
}

struct emitter hub_emitter(struct hub *h)
{
	return (struct emitter){.send = hub_send, .ctx = h};
}

// Publishes what was injected and wakes the workers that sleep.
static void flush_injects(struct hub *h)
{
	for (uint64_t left = h->wake; left; left &= left - 1) {
		uint32_t w = (uint32_t)__builtin_ctzll(left);
		int rc;

		ring_commit(&h->injects[w]);
		rc = ring_wake(&h->at->memory.workers[w].sleeping, h->at->worker_fds[w]);
		if (rc)
			log_warn("a worker was not woken: what it is to send waits for its next "
				 "turn",
			    kv("worker", w), kv_errno(rc));
	}
	h->wake = 0;
}

static void take_one(struct hub *h, const uint8_t *record, uint32_t len, uint64_t now_ns)
{
	struct punt_record r;
	struct punt p;

	h->stats->n[CP_PUNTS]++;
	if (len < sizeof(r)) {
		h->stats->n[CP_PUNT_BROKEN]++;
		return;
	}
	memcpy(&r, record, sizeof(r));
	if (r.len > len - sizeof(r) || r.local >= LOCAL_MAX) {
		h->stats->n[CP_PUNT_BROKEN]++;
		return;
	}
	p = (struct punt){.data = record + sizeof(r),
	    .len = r.len,
	    .from = r.from,
	    .punt_class = r.punt_class,
	    .local = r.local,
	    .unanswered = r.unanswered != 0,
	    .now_ns = now_ns};
	h->punted(h->ctx, &p);
}

// One batch from each worker. True when something is left.
static bool take_batches(struct hub *h)
{
	uint64_t now_ns = clock_mono_ns();
	bool more = false;

	for (uint32_t w = 0; w < h->at->memory.worker_count; w++) {
		struct ring_consumer *c = &h->punts[w];
		unsigned taken = 0;
		uint32_t len;
		const void *record;

		h->turn = w;
		while (taken < HUB_BATCH && (record = ring_peek(c, &len))) {
			take_one(h, record, len, now_ns);
			taken++;
		}
		if (taken)
			ring_release(c);
		if (c->resets) {
			log_error("punt ring was damaged and is emptied", kv("worker", w));
			c->resets = 0;
		}
		more |= taken == HUB_BATCH;
	}
	h->turn = 0;
	flush_injects(h);
	return more;
}

static void on_idle(uv_idle_t *idle)
{
	if (!take_batches(idle->data))
		uv_idle_stop(idle);
}

static void on_wake(uv_poll_t *poll, int status, int events)
{
	struct hub *h = poll->data;
	uint64_t count;

	(void)events;
	if (status == 0 && read(h->at->wake_fd, &count, sizeof(count)) < 0)
		return;
	uv_idle_start(&h->idle, on_idle);
}

static void set_sleeping(struct hub *h, uint32_t value)
{
	for (uint32_t w = 0; w < h->at->memory.worker_count; w++)
		__atomic_store_n(&h->at->memory.workers[w].cp_sleeping, value, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

// Before the loop blocks: says so, then looks once more, so that no punt is slept through.
static void on_prepare(uv_prepare_t *prepare)
{
	struct hub *h = prepare->data;

	flush_injects(h);
	set_sleeping(h, 1);
	for (uint32_t w = 0; w < h->at->memory.worker_count; w++)
		if (ring_backlog(&h->punts[w])) {
			uv_idle_start(&h->idle, on_idle);
			return;
		}
}

static void on_check(uv_check_t *check)
{
	set_sleeping(check->data, 0);
}

void hub_open(struct hub *h, uv_loop_t *loop, struct attachment *at)
{
	h->at = at;
	h->wake = 0;
	h->turn = 0;
	for (uint32_t w = 0; w < at->memory.worker_count; w++) {
		h->punts[w] = memory_punt_consumer(&at->memory, w);
		h->injects[w] = memory_inject_producer(&at->memory, w);
	}
	uv_poll_init(loop, &h->poll, at->wake_fd);
	uv_prepare_init(loop, &h->prepare);
	uv_check_init(loop, &h->check);
	uv_idle_init(loop, &h->idle);
	h->poll.data = h->prepare.data = h->check.data = h->idle.data = h;
	uv_poll_start(&h->poll, UV_READABLE, on_wake);
	uv_prepare_start(&h->prepare, on_prepare);
	uv_check_start(&h->check, on_check);
	uv_idle_start(&h->idle, on_idle);
}

void hub_close(struct hub *h)
{
	if (!h->at)
		return;
	uv_close((uv_handle_t *)&h->poll, NULL);
	uv_close((uv_handle_t *)&h->prepare, NULL);
	uv_close((uv_handle_t *)&h->check, NULL);
	uv_close((uv_handle_t *)&h->idle, NULL);
	h->at = NULL;
}
