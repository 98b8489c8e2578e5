// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/worker_internal.h"
#include "shm/quiescent.h"

#include <poll.h>
#include <unistd.h>

enum {
	WAIT_RATE = 20 * 1000, // datagrams a second from which the worker waits in its link
	SLEEP_MS = 1000,
	NAP_FIRST_US = 10,
	POLL_MAX = 1 + LINK_MAX * LINK_FDS_MAX,
};

// What ends a sleep: first the event descriptor, then the links'.
struct poll_list {
	struct pollfd fds[POLL_MAX];
	unsigned count;
	unsigned companion, companion_end; // those of the companion
};

static void poll_list_make(struct worker *w, struct poll_list *p)
{
	int list[POLL_MAX];
	unsigned n = 0;

	list[n++] = w->cfg.event_fd;
	for (unsigned i = 0; i < w->cfg.link_count; i++) {
		unsigned first = n;

		if (w->queues[i])
			n += w->cfg.links[i]->ops->poll_fds(w->queues[i], list + n, LINK_FDS_MAX);
		if (i == w->cfg.companion) {
			p->companion = first;
			p->companion_end = n;
		}
	}
	for (unsigned i = 0; i < n; i++)
		p->fds[i] = (struct pollfd){.fd = list[i], .events = POLLIN};
	p->count = n;
}

// When the companion is worth a system call after a sleep: at once if its input ended that.
static uint64_t companion_rest(const struct worker *w, const struct poll_list *p)
{
	for (unsigned i = p->companion; i < p->companion_end; i++)
		if (p->fds[i].revents)
			return 0;
	return clock_mono_ns() + w->rest_ns[w->cfg.companion];
}

// Microseconds that the links let it sleep: the least of all.
static unsigned nap_limit(struct worker *w)
{
	unsigned least = LINK_WAKES;

	for (unsigned i = 0; i < w->cfg.link_count; i++) {
		const struct link_ops *ops = w->cfg.links[i]->ops;
		unsigned nap = w->queues[i] && ops->nap_us ? ops->nap_us(w->queues[i]) : LINK_WAKES;

		least = nap < least ? nap : least;
	}
	return least;
}

// Where a link cannot wake us, or waits itself, sleeps grow while nothing comes.
static struct timespec sleep_limit(struct worker *w)
{
	unsigned most = nap_limit(w);

	if (most == LINK_WAKES)
		return (struct timespec){.tv_sec = SLEEP_MS / 1000};
	w->nap_us = w->nap_us < NAP_FIRST_US ? NAP_FIRST_US : 2 * w->nap_us;
	w->nap_us = w->nap_us < most ? w->nap_us : most;
	return (struct timespec){.tv_nsec = (long)(w->nap_us * NS_PER_US)};
}

bool worker_may_sleep(struct worker *w)
{
	uint64_t limit = __atomic_load_n(&w->settings->busy_rate, __ATOMIC_RELAXED);
	// Asking sockets costs a system call each time, waiting for them costs no more: without a
	// raw link, or with the kernel relaying, there is nothing to gain from polling.
	bool polling = limit == 0 || (w->busy_links && w->rate >= limit) || nap_limit(w) == 0;

	if (polling != w->block->mode)
		__atomic_store_n(&w->block->mode, polling, __ATOMIC_RELAXED);
	return !polling;
}

// Whether other threads left something to do.
static bool worker_is_asked(const struct worker *w)
{
	return ring_backlog(&w->inject) || (w->cfg.handoff && handoff_waits(w->cfg.handoff));
}

static void sleep_begin(struct worker *w)
{
	quiescent_sleep(w->block);
	__atomic_store_n(&w->block->sleeping, 1, __ATOMIC_SEQ_CST);
}

static void sleep_end(struct worker *w)
{
	__atomic_store_n(&w->block->sleeping, 0, __ATOMIC_SEQ_CST);
	quiescent_wake(w->block);
}

// Blocks in the only link itself. The control plane cannot wake it there, so only while datagrams
// come fast: the next one, or the link's limit, is soon enough for what it injects.
void worker_wait(struct worker *w)
{
	const struct link_ops *ops = w->cfg.links[w->cfg.companion]->ops;

	if (w->queue_count > 1 || !ops->wait || w->rate < WAIT_RATE || !worker_may_sleep(w))
		return;
	worker_clock(w, clock_mono_ns());
	sleep_begin(w);
	if (!worker_is_asked(w))
		ops->wait(w->queues[w->cfg.companion]);
	sleep_end(w);
}

// Blocks until a link has input, the control plane injects, another worker gives it frames, or it
// is to stop.
void worker_sleep(struct worker *w)
{
	struct timespec limit = sleep_limit(w);
	struct poll_list p;
	uint64_t wakes;

	poll_list_make(w, &p);
	sleep_begin(w);
	if (!worker_is_asked(w)) {
		worker_count(w, COUNTER_SLEEPS);
		ppoll(p.fds, p.count, &limit, NULL);
		w->rest_until_ns[w->cfg.companion] = companion_rest(w, &p);
		if (p.fds[0].revents && read(w->cfg.event_fd, &wakes, sizeof(wakes)) < 0)
			wakes = 0; // somebody else was faster: nothing to clear
	}
	sleep_end(w);
}
