// SPDX-License-Identifier: BSD-3-Clause
#include "shm/quiescent.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void quiescent_take(const struct memory *m, struct quiescent_snapshot *s)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	s->boot_count = __atomic_load_n(&m->header->boot_count, __ATOMIC_ACQUIRE);
	s->count = m->worker_count;
	for (uint32_t i = 0; i < s->count; i++)
		s->seen[i] = __atomic_load_n(&m->workers[i].quiescent, __ATOMIC_ACQUIRE);
}

static bool worker_passed(const struct worker_block *b, uint64_t seen)
{
	uint64_t now = __atomic_load_n(&b->quiescent, __ATOMIC_ACQUIRE);

	return (seen & 1) || now != seen || __atomic_load_n(&b->tid, __ATOMIC_ACQUIRE) == 0;
}

bool quiescent_passed(const struct memory *m, const struct quiescent_snapshot *s)
{
	if (__atomic_load_n(&m->header->boot_count, __ATOMIC_ACQUIRE) != s->boot_count)
		return true;
	for (uint32_t i = 0; i < s->count; i++)
		if (!worker_passed(&m->workers[i], s->seen[i]))
			return false;
	return true;
}

int quiescent_wait(const struct memory *m)
{
	struct quiescent_snapshot s;

	quiescent_take(m, &s);
	for (int i = 0; i < 2000; i++) {
		struct timespec ms = {.tv_nsec = 1000000};

		if (quiescent_passed(m, &s))
			return 0;
		nanosleep(&ms, NULL);
	}
	return -EBUSY;
}

int deferred_reserve(struct deferred *d, size_t n)
{
	size_t size = d->size ? d->size : 64;
	struct deferred_item *items;

	if (d->size - d->count >= n)
		return 0;
	while (size - d->count < n)
		size *= 2;
	items = realloc(d->items, size * sizeof(*items));
	if (!items)
		return -ENOMEM;
	d->items = items;
	d->size = size;
	return 0;
}

void deferred_add(struct deferred *d, uint32_t index, uint32_t kind)
{
	if (d->count == d->size)
		abort();
	d->items[d->count++] = (struct deferred_item){.index = index, .kind = kind};
}

size_t deferred_run(
    struct deferred *d, const struct memory *m, deferred_release *release, void *ctx)
{
	size_t done = 0;

	if (d->count == 0)
		return 0;
	if (d->waiting && quiescent_passed(m, &d->snapshot)) {
		done = d->waiting;
		for (size_t i = 0; i < done; i++)
			release(ctx, d->items[i]);
		d->count -= done;
		d->waiting = 0;
		memmove(d->items, d->items + done, d->count * sizeof(d->items[0]));
	}
	if (d->waiting == 0 && d->count) {
		quiescent_take(m, &d->snapshot);
		d->waiting = d->count;
	}
	return done;
}

void deferred_free(struct deferred *d)
{
	free(d->items);
	memset(d, 0, sizeof(*d));
}
