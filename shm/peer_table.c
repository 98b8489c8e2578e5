// SPDX-License-Identifier: BSD-3-Clause
#include "shm/peer_table.h"

#include "shm/kernel_writer.h"

#include <errno.h>
#include <string.h>

static void slot_store(uint16_t *slot, uint16_t value)
{
	__atomic_store_n(slot, value, __ATOMIC_RELEASE);
}

// Makes peer i reachable. 0 or -ENOSPC.
static int slot_publish(struct peer_index *x, const struct peer *p, unsigned i)
{
	uint32_t start = peer_hash(x, &p->at);

	for (unsigned n = 0; n < PEER_PROBE_MAX; n++) {
		uint16_t *slot = &x->slots[(start + n) & (PEER_SLOTS - 1)];

		if (*slot == 0 || *slot == PEER_SLOT_REMOVED) {
			slot_store(slot, (uint16_t)(i + 1));
			return 0;
		}
	}
	return -ENOSPC;
}

// Nothing is probed for beyond an empty slot, so removed slots before one can be empty too.
static void slot_remove(struct peer_index *x, uint32_t at)
{
	slot_store(&x->slots[at], PEER_SLOT_REMOVED);
	if (x->slots[(at + 1) & (PEER_SLOTS - 1)] != 0)
		return;
	for (unsigned n = 0; n < PEER_SLOTS; n++) {
		uint16_t *slot = &x->slots[(at - n) & (PEER_SLOTS - 1)];

		if (*slot != PEER_SLOT_REMOVED)
			return;
		slot_store(slot, 0);
	}
}

int peer_writer_open(struct peer_writer *w, const struct memory *m)
{
	struct peer_index *x = m->peer_index;

	memset(w, 0, sizeof(*w));
	w->memory = m;
	for (uint32_t s = 0; s < PEER_SLOTS; s++) {
		uint16_t v = x->slots[s];

		if (v == 0 || v == PEER_SLOT_REMOVED)
			continue;
		if (v > PEER_MAX || !m->peers[v - 1].valid || w->busy[v - 1])
			slot_remove(x, s);
		else
			w->busy[v - 1] = 1;
	}
	for (unsigned i = 0; i < PEER_MAX; i++) {
		struct peer *p = &m->peers[i];

		// Killed between the record and its slot; or the slot is not where its hash says.
		if (p->valid && peer_find(x, m->peers, &p->at) != (int)i)
			__atomic_store_n(&p->valid, 0, __ATOMIC_RELEASE);
	}
	for (uint32_t s = 0; s < PEER_SLOTS; s++) {
		uint16_t v = x->slots[s];

		if (v && v != PEER_SLOT_REMOVED && !m->peers[v - 1].valid) {
			slot_remove(x, s);
			w->busy[v - 1] = 0;
		}
	}
	return quiescent_wait(m);
}

void peer_writer_close(struct peer_writer *w)
{
	deferred_free(&w->deferred);
}

static void place_release(void *ctx, struct deferred_item item)
{
	struct peer_writer *w = ctx;

	w->busy[item.index] = 0;
}

void peer_writer_run(struct peer_writer *w)
{
	deferred_run(&w->deferred, w->memory, place_release, w);
}

static int place_find(struct peer_writer *w)
{
	peer_writer_run(w);
	for (int i = 0; i < PEER_MAX; i++) {
		if (!w->busy[i])
			return i;
	}
	return w->deferred.count ? -EAGAIN : -ENOSPC;
}

int peer_writer_put(struct peer_writer *w, const struct peer *p)
{
	const struct memory *m = w->memory;
	int i = peer_find(m->peer_index, m->peers, &p->at);
	struct peer *at;
	int err;

	if (i >= 0) {
		at = &m->peers[i];
		__atomic_store_n(&at->nexthop, p->nexthop, __ATOMIC_RELAXED);
		__atomic_store_n(&at->id, p->id, __ATOMIC_RELAXED);
		__atomic_store_n(&at->local, p->local, __ATOMIC_RELAXED);
		return i;
	}
	i = place_find(w);
	if (i < 0)
		return i;
	at = &m->peers[i];
	*at = (struct peer){.at = p->at, .nexthop = p->nexthop, .id = p->id, .local = p->local};
	if (m->kernel)
		kernel_peer_add(m->kernel, &p->at);
	__atomic_store_n(&at->valid, 1, __ATOMIC_RELEASE);
	err = slot_publish(m->peer_index, at, (unsigned)i);
	if (err) {
		__atomic_store_n(&at->valid, 0, __ATOMIC_RELEASE);
		return err;
	}
	w->busy[i] = 1;
	return i;
}

int peer_writer_remove(struct peer_writer *w, const struct endpoint *at)
{
	const struct memory *m = w->memory;
	struct peer_index *x = m->peer_index;
	int i = peer_find(x, m->peers, at);
	uint32_t start = peer_hash(x, at);
	int err;

	if (i < 0)
		return -ENOENT;
	err = deferred_reserve(&w->deferred, 1);
	if (err)
		return err;
	__atomic_store_n(&m->peers[i].valid, 0, __ATOMIC_RELEASE);
	for (unsigned n = 0; n < PEER_PROBE_MAX; n++) {
		uint32_t s = (start + n) & (PEER_SLOTS - 1);

		if (x->slots[s] == i + 1) {
			slot_remove(x, s);
			break;
		}
	}
	deferred_add(&w->deferred, (uint32_t)i, 0);
	return 0;
}
