// SPDX-License-Identifier: BSD-3-Clause
#include "pktgen/run.h"

#include "base/clock.h"
#include "pktgen/credit.h"
#include "pktgen/pace.h"
#include "pktgen/trial.h"
#include "wire/beacon.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { RECEIVE_MAX = 1024 }; // messages taken at once

// What the two threads of a trial share. `sending`, `sent_so_far` and `received_so_far` are the
// only fields both touch.
struct session {
	struct trial *trial;
	struct traffic *traffic;
	struct backend *backend;
	struct pace pace;
	struct credit credit;
	const char *label; // NULL: no progress
	atomic_bool sending;
	atomic_uint_fast64_t sent_so_far, received_so_far;
	uint8_t *buffers;   // BATCH messages to send
	struct message *in; // RECEIVE_MAX; it and what follows is the receiver's
	uint64_t heard_ns, stopped_ns, shown_ns;
	cpu_set_t processors;
};

static size_t slot_size(const struct options *o)
{
	return MESSAGE_HEADROOM + BEACON_RELAY_SIZE + o->size;
}

static void arrivals_count(struct trial *t, uint64_t sent_at, uint64_t now, unsigned n)
{
	if (!sent_at)
		return;
	histogram_add(&t->latency, now > sent_at ? now - sent_at : 0, n);
	windows_arrived(&t->windows, sent_at, now, n);
}

static void receive_batch(struct session *s, const struct message *m, unsigned n, uint64_t now)
{
	struct trial *t = s->trial;
	uint64_t sent_at[RECEIVE_MAX];
	unsigned first = 0;

	messages_check(s->traffic, &t->check, m, n, sent_at);
	// frames that follow each other were mostly sent together
	for (unsigned i = 1; i <= n; i++) {
		if (i < n && sent_at[i] == sent_at[first])
			continue;
		arrivals_count(t, sent_at[first], now, i - first);
		first = i;
	}
}

// Nothing more is expected: all frames are there, or none came for a while. Who bounds what is on
// its way has time.
static bool is_drained(const struct session *s, uint64_t now)
{
	uint64_t silence_ms = s->credit.size ? DRAIN_MAX_MS : DRAIN_MS;

	return (s->trial->check.received >= s->trial->sent && now > s->heard_ns) ||
	       now - s->heard_ns > silence_ms * NS_PER_MS ||
	       now - s->stopped_ns > DRAIN_MAX_MS * NS_PER_MS;
}

// Takes what has come. False when sending is over and nothing more is expected.
static bool receive_turn(struct session *s, int timeout_ms)
{
	unsigned n = s->backend->ops->receive(s->backend, s->in, RECEIVE_MAX, timeout_ms);
	uint64_t now = clock_mono_ns();

	if (n) {
		receive_batch(s, s->in, n, now);
		atomic_store_explicit(
		    &s->received_so_far, s->trial->check.received, memory_order_relaxed);
		s->heard_ns = now;
	}
	if (!s->stopped_ns && !atomic_load(&s->sending))
		s->stopped_ns = now;
	if (now - s->shown_ns > PROGRESS_MS * NS_PER_MS) {
		progress_show(s->label, atomic_load_explicit(&s->sent_so_far, memory_order_relaxed),
		    s->trial->check.received);
		s->shown_ns = now;
	}
	return !s->stopped_ns || !is_drained(s, now);
}

static void *receiver(void *arg)
{
	struct session *s = arg;

	processors_take(&s->processors, false);
	while (receive_turn(s, 20))
		;
	s->trial->cpu_receive_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	return NULL;
}

static void fill_batch(
    struct session *s, struct flow **flows, unsigned n, uint64_t now, struct message *m)
{
	struct traffic *t = s->traffic;
	size_t slot = slot_size(t->o);

	if (!s->backend->ops->lend ||
	    !s->backend->ops->lend(s->backend, m, n, BEACON_RELAY_SIZE + t->o->size))
		for (unsigned i = 0; i < n; i++)
			m[i].data = s->buffers + i * slot + MESSAGE_HEADROOM;
	messages_build(t, flows, n, now, m);
}

static void send_batch(struct session *s, uint32_t place, unsigned want, uint64_t now)
{
	struct trial *t = s->trial;
	struct message m[BATCH];
	struct flow *flows[BATCH];
	unsigned n =
	    flows_pick(s->traffic, s->backend->mixed ? FLOWS_ANYWHERE : place, flows, want);
	unsigned sent = 0;

	fill_batch(s, flows, n, now, m);
	if (n)
		sent = s->backend->ops->send(s->backend, m, n);
	// What is refused is built anew later: the flow's sequence must not have a hole.
	for (unsigned i = sent; i < n; i++)
		flows[i]->sent--;
	windows_sent(&t->windows, now, sent);
	s->pace.sent += sent;
	t->refused += n - sent;
	atomic_store_explicit(&s->sent_so_far, s->pace.sent, memory_order_relaxed);
}

static bool may_send(struct session *s, uint64_t now)
{
	return credit_left(&s->credit, s->pace.sent,
	    atomic_load_explicit(&s->received_so_far, memory_order_relaxed), now);
}

// Where input wakes nobody one thread does both, without waiting for either.
static void send_polled(struct session *s, unsigned batch)
{
	uint64_t now;

	while ((now = clock_mono_ns()) < s->pace.end_ns) {
		unsigned want = pace_due(&s->pace, batch, now);

		if (want && may_send(s, now))
			send_batch(s, 0, want, now);
		receive_turn(s, 0);
	}
}

static const struct timespec credit_pause = {.tv_nsec = 100000};

static void send_trial(struct session *s)
{
	uint64_t cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	struct trial *t = s->trial;
	// a batch waits for its last datagram to be due, which would be measured as latency
	unsigned batch = s->traffic->o->mode == MODE_LATENCY ? 1 : BATCH, want;
	uint32_t place = 0;

	if (s->backend->polled)
		send_polled(s, batch);
	while ((want = pace_next(&s->pace, batch))) {
		while (!may_send(s, clock_mono_ns()))
			nanosleep(&credit_pause, NULL);
		send_batch(s, place, want, clock_mono_ns());
		place = (place + 1) % s->backend->sockets;
	}
	t->sent = s->pace.sent;
	t->sent_seconds = (double)(clock_mono_ns() - s->pace.start_ns) / 1e9;
	t->cpu_send_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
	atomic_store(&s->sending, false);
}

static int trial_threads(struct session *s, char *error)
{
	pthread_t thread;
	int failed = pthread_create(&thread, NULL, receiver, s);

	if (failed) {
		snprintf(error, BACKEND_ERROR_MAX, "thread: %s", strerror(failed));
		return -failed;
	}
	processors_take(&s->processors, true);
	send_trial(s);
	sched_setaffinity(0, sizeof(s->processors), &s->processors);
	pthread_join(thread, NULL);
	return 0;
}

static int trial_polled(struct session *s)
{
	send_trial(s);
	while (receive_turn(s, 20))
		;
	return 0;
}

int trial_relay(
    struct trial *t, struct traffic *traffic, struct backend *b, const char *label, char *error)
{
	struct session s = {.trial = t,
	    .traffic = traffic,
	    .backend = b,
	    .label = label,
	    .credit.size = traffic->o->window};
	int failed = -ENOMEM;

	if (b->ops->blast && traffic->o->mode != MODE_LATENCY)
		return trial_blast(t, traffic, b, label, error);
	atomic_init(&s.sending, true);
	s.buffers = malloc(BATCH * slot_size(traffic->o));
	s.in = malloc(RECEIVE_MAX * sizeof(*s.in));
	sched_getaffinity(0, sizeof(s.processors), &s.processors);
	pace_start(&s.pace, t->rate, t->seconds);
	windows_start(&t->windows, s.pace.start_ns, t->seconds);
	s.heard_ns = s.shown_ns = s.pace.start_ns;
	if (!s.buffers || !s.in)
		snprintf(error, BACKEND_ERROR_MAX, "not enough memory for %u bytes a frame",
		    traffic->o->size);
	else
		failed = b->polled ? trial_polled(&s) : trial_threads(&s, error);
	progress_end(label);
	free(s.buffers);
	free(s.in);
	return failed;
}
