// SPDX-License-Identifier: BSD-3-Clause
#include "base/clock.h"
#include "pktgen/pace.h"
#include "pktgen/trial.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

// A trial whose frames the backend makes and checks: one thread is in the call that sends, another
// shows progress.
struct blast {
	const struct backend *backend;
	const char *label;
	cpu_set_t processors;
	atomic_bool sending;
};

static void rest(void)
{
	const struct timespec pause = {.tv_nsec = 5 * NS_PER_MS};

	nanosleep(&pause, NULL);
}

static void *watcher(void *arg)
{
	const struct blast *s = arg;
	uint64_t shown = clock_mono_ns();

	processors_take(&s->processors, false);
	while (atomic_load(&s->sending)) {
		uint64_t sent, received;

		rest();
		if (clock_mono_ns() - shown < PROGRESS_MS * NS_PER_MS)
			continue;
		s->backend->ops->blast_count(s->backend, &sent, &received);
		progress_show(s->label, sent, received);
		shown = clock_mono_ns();
	}
	return NULL;
}

// Until all frames are there, or none has come for a while.
static void drain(const struct backend *b)
{
	uint64_t sent, received, before = 0, last = clock_mono_ns();
	const uint64_t end = last + DRAIN_MAX_MS * NS_PER_MS;

	do {
		b->ops->blast_count(b, &sent, &received);
		if (received != before)
			last = clock_mono_ns();
		before = received;
		rest();
	} while (received < sent && clock_mono_ns() - last < DRAIN_MS * NS_PER_MS && last < end);
}

int trial_blast(
    struct trial *t, struct traffic *traffic, struct backend *b, const char *label, char *error)
{
	struct blast s = {.backend = b, .label = label};
	uint64_t cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	struct pace pace;
	pthread_t thread;
	int failed;

	atomic_init(&s.sending, true);
	sched_getaffinity(0, sizeof(s.processors), &s.processors);
	failed = pthread_create(&thread, NULL, watcher, &s);
	if (failed) {
		snprintf(error, BACKEND_ERROR_MAX, "thread: %s", strerror(failed));
		return -failed;
	}
	processors_take(&s.processors, true);
	failed = b->ops->blast_prepare(b, traffic);
	pace_start(&pace, t->rate, t->seconds);
	windows_start(&t->windows, pace.start_ns, t->seconds);
	if (!failed)
		failed = b->ops->blast(b, &pace, t->windows.length_ns);
	t->sent_seconds = (double)(clock_mono_ns() - pace.start_ns) / 1e9;
	t->cpu_send_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
	atomic_store(&s.sending, false);
	sched_setaffinity(0, sizeof(s.processors), &s.processors);
	pthread_join(thread, NULL);
	if (failed) {
		snprintf(error, BACKEND_ERROR_MAX, "XDP live frames: %s", strerror(-failed));
		return failed;
	}
	drain(b);
	b->ops->blast_collect(b, t);
	progress_end(label);
	return 0;
}
