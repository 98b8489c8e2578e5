// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "shm/memory.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// When may a writer reuse the place of a record that is no longer reachable? After every worker
// has passed a quiescent state, in which it holds nothing from the tables. Nobody waits: the
// writer takes a snapshot, and asks later whether all have passed it.

// Worker: first thing in its thread, before it touches a table.
static inline void quiescent_online(struct worker_block *b, int32_t tid)
{
	__atomic_store_n(&b->tid, tid, __ATOMIC_SEQ_CST);
	__atomic_store_n(&b->quiescent, (b->quiescent | 1) + 1, __ATOMIC_SEQ_CST);
}

// Worker: last thing in its thread.
static inline void quiescent_offline(struct worker_block *b)
{
	__atomic_store_n(&b->quiescent, b->quiescent | 1, __ATOMIC_SEQ_CST);
	__atomic_store_n(&b->tid, 0, __ATOMIC_SEQ_CST);
}

// Worker: once a loop, between two bursts. A full barrier: what the next burst reads is read after
// the writer can see the new count.
static inline void quiescent_pass(struct worker_block *b)
{
	__atomic_store_n(&b->quiescent, (b->quiescent | 1) + 1, __ATOMIC_SEQ_CST);
}

// Worker: before blocking. The odd count says that it holds nothing until quiescent_wake.
static inline void quiescent_sleep(struct worker_block *b)
{
	__atomic_store_n(&b->quiescent, b->quiescent | 1, __ATOMIC_SEQ_CST);
}

// Worker: after blocking, before it touches a table.
static inline void quiescent_wake(struct worker_block *b)
{
	quiescent_pass(b);
}

struct quiescent_snapshot {
	uint64_t boot_count;
	uint32_t count;
	uint64_t seen[WORKER_MAX];
};

// Writer: after the last store that made something unreachable.
void quiescent_take(const struct memory *m, struct quiescent_snapshot *s);
// Writer: true when no worker can still hold what was unreachable at the snapshot. Workers that do
// not run (tid 0) and a data plane that was started anew count as passed. One that was killed in
// the middle of a burst does not: its end shows in the connection, not in a pid, which would mean
// nothing to a writer in another pid namespace.
bool quiescent_passed(const struct memory *m, const struct quiescent_snapshot *s);

// Writer, at start only: what an earlier writer removed before it was killed counts as free now,
// but workers may still hold it. Waits up to two seconds until all have passed; 0 or -EBUSY.
int quiescent_wait(const struct memory *m);

// Places to reuse later: an index and what kind of place it is. Belongs to one thread of the
// writer.
struct deferred_item {
	uint32_t index;
	uint32_t kind;
};

typedef void deferred_release(void *ctx, struct deferred_item item);

// Items below `waiting` became unreachable before the snapshot, the others after it.
struct deferred {
	struct deferred_item *items;
	size_t count, size, waiting;
	struct quiescent_snapshot snapshot;
};

// Makes room so that the next n deferred_add cannot fail. 0 or -ENOMEM.
int deferred_reserve(struct deferred *d, size_t n);
// Room must have been reserved.
void deferred_add(struct deferred *d, uint32_t index, uint32_t kind);
// Releases what all workers have passed, and snapshots what was added since. Cheap when there is
// nothing to do; call it once a loop. Returns how many were released.
size_t deferred_run(
    struct deferred *d, const struct memory *m, deferred_release *release, void *ctx);
void deferred_free(struct deferred *d);
