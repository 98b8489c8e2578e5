// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/worker_internal.h"
#include "shm/quiescent.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	INJECT_BURST = BURST_MAX, // injected datagrams sent in one turn
	IDLE_TURNS = 8,		  // empty turns before the worker may block
	RATE_WINDOW_NS = 10 * 1000 * 1000,
	COMPANION_REST_NS = 50 * 1000,
};

static void settings_read(struct relay_settings *to, const struct relay_settings *from)
{
	const uint64_t *src = (const uint64_t *)from;
	uint64_t *dst = (uint64_t *)to;

#pragma GCC unroll 32
	for (size_t i = 0; i < sizeof(*to) / sizeof(*dst); i++)
		dst[i] = __atomic_load_n(&src[i], __ATOMIC_RELAXED);
}

// Whether the link's tx takes the burst's datagrams and with them their buffers.
static bool sends_in_place(const struct worker *w, unsigned link)
{
	unsigned from = w->burst.link;

	return link == from || (w->buffers[link] && w->buffers[link] == w->buffers[from]);
}

static bool sending_failed(struct tally *tally, struct dgram *d)
{
	if (!d->drop)
		return false;
	d->verdict = VERDICT_DROP;
	tally->drops[d->drop]++;
	return true;
}

// Takes back what was counted of those of a list that its link refused.
static void list_uncount(struct worker *w, unsigned link, struct dgram **list, unsigned n)
{
	struct tally *tally = &w->env.tally;

	for (unsigned i = 0; i < n; i++) {
		if (!sending_failed(tally, list[i]))
			continue;
		egress_recount(&w->env, list[i], -1);
		tally->counters[COUNTER_TX_BYTES] -=
		    dgram_payload_on(list[i], w->env.links[link].raw);
	}
}

// Gives a list to the worker that has a queue of its link. That one counts what it sends.
static void worker_give(struct worker *w, unsigned link, struct dgram **list, unsigned n)
{
	struct tally *tally = &w->env.tally;

	tally_count(tally, COUNTER_HANDED_OFF, handoff_give(w->cfg.handoff, link, list, n));
	for (unsigned i = 0; i < n; i++) {
		sending_failed(tally, list[i]);
		egress_recount(&w->env, list[i], -1);
	}
}

// Sends one list, of so many bytes, and counts what became of it.
static void worker_send(
    struct worker *w, unsigned link, struct dgram **list, unsigned n, uint64_t bytes)
{
	const struct link_ops *ops = w->cfg.links[link]->ops;
	struct tally *tally = &w->env.tally;
	unsigned sent;

	if (__builtin_expect(!w->queues[link], 0)) {
		worker_give(w, link, list, n);
		return;
	}
	sent = (sends_in_place(w, link) ? ops->tx : ops->tx_copy)(w->queues[link], list, n);
	tally_count(tally, COUNTER_TX_DATAGRAMS, sent);
	tally_count(tally, COUNTER_TX_BYTES, bytes);
	if (__builtin_expect(sent < n, 0))
		list_uncount(w, link, list, n);
}

static void worker_transmit(struct worker *w)
{
	const struct link_ops *own = w->cfg.links[w->burst.link]->ops;
	struct link_queue *q = w->queues[w->burst.link];
	struct tx_lists *lists = &w->lists;

	for (uint32_t left = lists->used; left; left &= left - 1) {
		unsigned link = (unsigned)__builtin_ctz(left);

		worker_send(w, link, lists->list[link], lists->count[link], lists->bytes[link]);
		if (!sends_in_place(w, link))
			own->release(q, lists->list[link], lists->count[link]);
	}
	if (lists->released)
		own->release(q, lists->release, lists->released);
}

static unsigned worker_burst(struct worker *w, unsigned link)
{
	struct burst *b = &w->burst;
	unsigned n = w->cfg.links[link]->ops->rx(w->queues[link], b->d, BURST_MAX);
	bool trace;

	if (n == 0)
		return 0;
	b->now_ns = w->now_ns;
	b->count = (uint16_t)n;
	b->link = (uint8_t)link;
	settings_read(&w->env.set, w->settings);
	stages_run(b, &w->env, &w->lists);
	trace = w->env.set.trace_on;
	if (__builtin_expect(trace, 0))
		trace_capture(&w->tracer, b, &w->env);
	worker_transmit(w);
	if (__builtin_expect(trace, 0))
		trace_emit(&w->tracer, b, &w->env);
	if (w->env.punted) {
		w->env.punted = false;
		ring_wake(&w->block->cp_sleeping, w->cfg.cp_event_fd);
	}
	tally_flush(&w->env.tally, w->block);
	return n;
}

static bool inject_read(struct worker *w, struct dgram *d, const void *bytes, uint32_t len)
{
	struct inject_record r;

	if (len < sizeof(r))
		return false;
	memcpy(&r, bytes, sizeof(r));
	if (r.len > len - sizeof(r) || r.local >= LOCAL_MAX)
		return false;
	*d = (struct dgram){
	    .data = (uint8_t *)bytes + sizeof(r), // tx_copy reads only
	    .len = r.len,
	    .rx_len = r.len,
	    .verdict = VERDICT_SEND,
	    .local = r.local,
	    .out_local = r.local,
	    .to = r.to,
	    .link = (uint8_t)w->cfg.companion,
	    .out_link = (uint8_t)w->cfg.companion,
	};
	return true;
}

// Sends what the control plane wants sent.
static unsigned worker_inject(struct worker *w)
{
	unsigned companion = w->cfg.companion, n = 0, taken = 0;
	struct dgram *list[INJECT_BURST];
	struct tally *tally = &w->env.tally;
	uint64_t before = tally->counters[COUNTER_TX_DATAGRAMS], sum = 0;
	const void *bytes;
	uint32_t len;

	while (taken < INJECT_BURST && (bytes = ring_peek(&w->inject, &len))) {
		taken++;
		if (inject_read(w, &w->burst.d[n], bytes, len))
			sum += w->burst.d[n].len, list[n] = &w->burst.d[n], n++;
		else
			tally->drops[DROP_TX_ERROR]++;
	}
	if (w->inject.resets) {
		tally_count(tally, COUNTER_INJECT_RESETS, w->inject.resets);
		w->inject.resets = 0;
		tally_flush(tally, w->block);
	}
	if (taken == 0)
		return 0;
	w->burst.link = LINK_MAX; // no link lent these
	worker_send(w, companion, list, n, sum);
	ring_release(&w->inject);
	tally_count(tally, COUNTER_INJECTED, tally->counters[COUNTER_TX_DATAGRAMS] - before);
	tally_flush(tally, w->block);
	return taken;
}

// Sends what another worker gave it.
static unsigned worker_take(struct worker *w, struct handoff_from *from)
{
	unsigned n = handoff_take(from, w->burst.d, BURST_MAX);
	struct tally *tally = &w->env.tally;
	struct dgram *list[BURST_MAX];
	uint64_t bytes = 0;

	if (n == 0)
		return 0;
	for (unsigned i = 0; i < n; i++) {
		list[i] = &w->burst.d[i];
		bytes += dgram_payload_on(list[i], true);
		egress_recount(&w->env, list[i], 1);
	}
	w->burst.link = LINK_MAX; // no link lent these
	worker_send(w, from->link, list, n, bytes);
	handoff_release(from);
	tally_flush(tally, w->block);
	return n;
}

static void rate_measure(struct worker *w, unsigned n)
{
	uint64_t elapsed = w->now_ns - w->window_start_ns;

	w->window_count += n;
	if (elapsed < RATE_WINDOW_NS)
		return;
	w->rate = w->window_count * NS_PER_S / elapsed;
	w->window_count = 0;
	w->window_start_ns = w->now_ns;
}

// Asking the companion is a system call, even when it has nothing: beside raw links, which cost
// none, it rests a moment then. Its input ends a sleep, and with that its rest.
static unsigned links_receive(struct worker *w)
{
	unsigned n = 0;

	for (unsigned i = 0; i < w->cfg.link_count; i++) {
		unsigned got;

		if (!w->queues[i] || w->rest_until_ns[i] > w->now_ns)
			continue;
		got = worker_burst(w, i);
		if (got == 0)
			w->rest_until_ns[i] = w->now_ns + w->rest_ns[i];
		n += got;
	}
	return n;
}

unsigned worker_turn_at(struct worker *w, uint64_t now)
{
	unsigned n;

	worker_clock(w, now);
	n = links_receive(w);
	n += worker_inject(w);
	for (unsigned i = 0; w->cfg.handoff && i < w->cfg.handoff->from_count; i++)
		n += worker_take(w, &w->cfg.handoff->from[i]);
	for (unsigned i = 0; i < w->cfg.link_count; i++)
		if (w->queues[i])
			w->cfg.links[i]->ops->flush(w->queues[i]);
	quiescent_pass(w->block);
	rate_measure(w, n);
	w->busy = n > 0;
	return n;
}

unsigned worker_turn(struct worker *w)
{
	return worker_turn_at(w, clock_mono_ns());
}

// Tells the links that the thread starts or ends.
static void links_tell(struct worker *w, bool start)
{
	for (unsigned i = 0; i < w->cfg.link_count; i++) {
		const struct link_ops *ops = w->cfg.links[i]->ops;

		if (w->queues[i] && (start ? ops->thread_start : ops->thread_end))
			(start ? ops->thread_start : ops->thread_end)(w->queues[i]);
	}
}

static void *worker_run(void *arg)
{
	struct worker *w = arg;

	w->rest_ns[w->cfg.companion] = w->queue_count > 1 ? COMPANION_REST_NS : 0;
	links_tell(w, true);
	quiescent_online(w->block, (int32_t)syscall(SYS_gettid));
	while (!__atomic_load_n(&w->stop, __ATOMIC_RELAXED)) {
		unsigned n = worker_turn(w);

		if (n) {
			w->idle_turns = w->nap_us = 0;
			if (n < BURST_MAX)
				worker_wait(w);
			continue;
		}
		worker_count(w, COUNTER_POLLS_EMPTY);
		if ((++w->idle_turns < IDLE_TURNS && w->busy_links) || !worker_may_sleep(w)) {
			__builtin_ia32_pause();
			continue;
		}
		worker_sleep(w);
		w->idle_turns = 0;
	}
	quiescent_offline(w->block);
	links_tell(w, false);
	return NULL;
}

static void env_open(struct worker *w)
{
	const struct memory *m = w->cfg.memory;
	struct stage_env *env = &w->env;

	env->locals = m->locals;
	env->egress = m->egress;
	env->nexthops = m->nexthops;
	env->peers = m->peers;
	env->peer_index = m->peer_index;
	env->nodes = &m->nodes;
	env->companion = (uint8_t)w->cfg.companion;
	env->worker = (uint8_t)w->cfg.index;
	env->punt = memory_punt_producer(m, w->cfg.index);
	env->ip_id = (uint16_t)w->cfg.index;
	env->ip_id_step = (uint16_t)m->worker_count;
	for (unsigned i = 0; i < w->cfg.link_count; i++) {
		struct link *link = w->cfg.links[i];

		w->queues[i] = link_queue_of(link, w->cfg.index, m->worker_count);
		w->queue_count += w->queues[i] != NULL;
		w->busy_links |= w->queues[i] && link->ops->raw && !link->quiet;
		env->links[i].raw =
		    link->ops->raw && (w->queues[i] || handoff_reaches(w->cfg.handoff, i));
		if (w->queues[i] && link->ops->buffers)
			w->buffers[i] = link->ops->buffers(w->queues[i]);
	}
}

int worker_open(struct worker **out, const struct worker_config *cfg)
{
	uint64_t secret[POLICE_SECRET_WORDS];
	struct worker_room room;
	struct worker *w;
	int rc;

	if (getrandom(secret, sizeof(secret), 0) != sizeof(secret))
		return -EIO;
	rc = worker_room_open(&room, sizeof(*w), cfg->memory->nodes.index_max, cfg->cpu);
	if (rc)
		return rc;
	w = room.own;
	w->room = room;
	w->cfg = *cfg;
	w->block = &cfg->memory->workers[cfg->index];
	w->settings = cfg->memory->settings;
	police_init(&w->env.police, &room.police, cfg->police_secret ? cfg->police_secret : secret);
	familiar_init(&w->env.familiar, room.familiar);
	env_open(w);
	w->inject = memory_inject_consumer(cfg->memory, cfg->index);
	w->tracer.out = memory_trace_writer(cfg->memory, cfg->index);
	w->now_ns = clock_mono_ns();
	w->window_start_ns = w->now_ns;
	w->block->cpu = cfg->cpu;
	*out = w;
	return 0;
}

int worker_start(struct worker *w)
{
	pthread_attr_t attr;
	char name[16];
	cpu_set_t cpus;
	int rc;

	pthread_attr_init(&attr);
	if (w->cfg.cpu >= 0) {
		CPU_ZERO(&cpus);
		CPU_SET((unsigned)w->cfg.cpu, &cpus);
		pthread_attr_setaffinity_np(&attr, sizeof(cpus), &cpus);
	}
	rc = pthread_create(&w->thread, &attr, worker_run, w);
	pthread_attr_destroy(&attr);
	if (rc)
		return -rc;
	w->started = true;
	snprintf(name, sizeof(name), "worker-%u", w->cfg.index % WORKER_MAX);
	pthread_setname_np(w->thread, name);
	return 0;
}

void worker_stop(struct worker *w)
{
	uint64_t one = 1;

	__atomic_store_n(&w->stop, 1, __ATOMIC_RELAXED);
	if (write(w->cfg.event_fd, &one, sizeof(one)) < 0)
		return; // the counter is full: it wakes anyway
}

void worker_follow(struct worker *w, uint32_t nodes)
{
	worker_room_follow(&w->room, nodes);
}

void worker_close(struct worker *w)
{
	struct worker_room room = w->room;

	if (w->started)
		pthread_join(w->thread, NULL);
	worker_room_close(&room);
}
