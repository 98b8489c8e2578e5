// SPDX-License-Identifier: BSD-3-Clause
#include "pktgen/run.h"

#include "base/clock.h"
#include "pktgen/pace.h"
#include "pktgen/trial.h"
#include "wire/beacon.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RECEIVE_MAX = 1024 }; // messages taken at once

// What the two threads of a trial share. `sending` and `sent_so_far` are the only fields both
// touch.
struct session {
	struct trial *trial;
	struct traffic *traffic;
	struct backend *backend;
	struct pace pace;
	const char *label; // NULL: no progress
	atomic_bool sending;
	atomic_uint_fast64_t sent_so_far;
	uint8_t *buffers; // BATCH messages to send
	cpu_set_t processors;
};

static void receive_batch(
    struct session *s, const struct message *m, const uint32_t *places, unsigned n)
{
	struct trial *t = s->trial;
	uint64_t now = clock_mono_ns();

	for (unsigned i = 0; i < n; i++) {
		uint64_t sent_at =
		    flow_check(s->traffic, &t->check, places[i], m[i].data, m[i].len);

		if (!sent_at)
			continue;
		histogram_add(&t->latency, now > sent_at ? now - sent_at : 0);
		windows_arrived(&t->windows, sent_at, now);
	}
}

// Nothing more is expected: all frames are there, or none came for a while.
static bool is_drained(const struct trial *t, uint64_t now, uint64_t last, uint64_t stopped)
{
	return (t->check.received >= t->sent && now > last) || now - last > DRAIN_MS * NS_PER_MS ||
	       now - stopped > DRAIN_MAX_MS * NS_PER_MS;
}

static void *receiver(void *arg)
{
	struct session *s = arg;
	struct message *m = malloc(RECEIVE_MAX * sizeof(*m));
	uint64_t last = clock_mono_ns(), stopped = 0, shown = last;
	uint32_t *places = malloc(RECEIVE_MAX * sizeof(*places));

	processors_take(&s->processors, false);
	while (m && places) {
		unsigned n = s->backend->ops->receive(s->backend, m, places, RECEIVE_MAX, 20);
		uint64_t now = clock_mono_ns();

		if (n) {
			receive_batch(s, m, places, n);
			last = now;
		}
		if (!stopped && !atomic_load(&s->sending))
			stopped = now;
		if (stopped && is_drained(s->trial, now, last, stopped))
			break;
		if (now - shown > PROGRESS_MS * NS_PER_MS) {
			progress_show(s->label,
			    atomic_load_explicit(&s->sent_so_far, memory_order_relaxed),
			    s->trial->check.received);
			shown = now;
		}
	}
	free(m);
	free(places);
	s->trial->cpu_receive_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	return NULL;
}

// Fills a batch with trains of flows whose senders share one place.
static unsigned fill_batch(
    struct session *s, uint32_t place, unsigned want, uint64_t now, struct message *m)
{
	struct traffic *t = s->traffic;
	size_t slot = BEACON_RELAY_SIZE + t->o->size;
	unsigned n = 0;

	while (n < want) {
		struct flow *f = traffic_pick(t, place);

		if (!f)
			break;
		for (uint32_t i = 0; i < t->o->train && n < want; i++, n++) {
			uint8_t *data = s->buffers + n * slot;

			m[n] = (struct message){data, (uint32_t)flow_build(t, f, now, data)};
		}
	}
	return n;
}

// What the kernel refuses is built anew later: the flow's sequence must not have a hole.
static void unsend(struct traffic *t, const struct message *m, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		t->flows[load_be32(m[i].data + BEACON_RELAY_SIZE)].sent--;
}

static void send_trial(struct session *s)
{
	struct pace *pace = &s->pace;
	struct trial *t = s->trial;
	struct message m[BATCH];
	// a batch waits for its last datagram to be due, which would be measured as latency
	unsigned batch = s->traffic->o->mode == MODE_LATENCY ? 1 : BATCH, want;
	uint32_t place = 0;

	while ((want = pace_next(pace, batch))) {
		uint64_t now = clock_mono_ns();
		unsigned n = fill_batch(s, place, want, now, m), sent = 0;

		if (n)
			sent = s->backend->ops->send(s->backend, place, m, n);
		unsend(s->traffic, m + sent, n - sent);
		windows_sent(&t->windows, now, sent);
		pace->sent += sent;
		t->refused += n - sent;
		atomic_store_explicit(&s->sent_so_far, pace->sent, memory_order_relaxed);
		place = (place + 1) % s->backend->sockets;
	}
	t->sent = pace->sent;
}

int trial_relay(
    struct trial *t, struct traffic *traffic, struct backend *b, const char *label, char *error)
{
	struct session s = {.trial = t, .traffic = traffic, .backend = b, .label = label};
	uint64_t cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	pthread_t thread;
	int failed;

	if (b->ops->blast && traffic->o->mode != MODE_LATENCY)
		return trial_blast(t, traffic, b, label, error);
	atomic_init(&s.sending, true);
	s.buffers = malloc((size_t)BATCH * (BEACON_RELAY_SIZE + traffic->o->size));
	if (!s.buffers) {
		snprintf(error, BACKEND_ERROR_MAX, "not enough memory for %u bytes a frame",
		    traffic->o->size);
		return -ENOMEM;
	}
	sched_getaffinity(0, sizeof(s.processors), &s.processors);
	pace_start(&s.pace, t->rate, t->seconds);
	windows_start(&t->windows, s.pace.start_ns, t->seconds);
	failed = pthread_create(&thread, NULL, receiver, &s);
	if (failed) {
		snprintf(error, BACKEND_ERROR_MAX, "thread: %s", strerror(failed));
		free(s.buffers);
		return -failed;
	}
	processors_take(&s.processors, true);
	send_trial(&s);
	t->sent_seconds = (double)(clock_mono_ns() - s.pace.start_ns) / 1e9;
	t->cpu_send_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
	atomic_store(&s.sending, false);
	sched_setaffinity(0, sizeof(s.processors), &s.processors);
	pthread_join(thread, NULL);
	progress_end(label);
	free(s.buffers);
	return 0;
}
