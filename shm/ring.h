// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

// A ring of bytes from one producer to one consumer, possibly in another process. Records are
// 8-byte aligned and contiguous; the longest that always fits an empty ring is half of it, header
// included.
// Positions count bytes ever written or read. The producer writes head, the consumer tail.
//
// Neither side trusts the other's words: the worst that a damaged ring does is to lose records.

enum {
	RING_HEADER = 8, // uint32_t length, uint32_t zero
	RING_WRAP = -1,	 // as length: the rest up to the end of the ring is unused
};

struct ring_producer {
	uint8_t *data;
	uint64_t size; // a power of two
	uint64_t *head;
	const uint64_t *tail;
	uint64_t next;	    // behind the last reserved record
	uint64_t seen_tail; // tail when last looked at
};

struct ring_consumer {
	const uint8_t *data;
	uint64_t size;
	const uint64_t *head;
	uint64_t *tail;
	uint64_t next;	    // behind the last peeked record
	uint64_t seen_head; // head when last looked at
	uint64_t resets;    // times that a malformed record emptied the ring
};

static inline uint64_t ring_space(uint64_t len)
{
	return RING_HEADER + ((len + 7) & ~7ULL);
}

// Continues where an earlier producer on this memory stopped.
static inline struct ring_producer ring_producer_open(
    void *data, uint64_t size, uint64_t *head, const uint64_t *tail)
{
	struct ring_producer p = {.data = data, .size = size, .head = head, .tail = tail};

	p.next = __atomic_load_n(head, __ATOMIC_RELAXED) & ~7ULL;
	p.seen_tail = __atomic_load_n(tail, __ATOMIC_ACQUIRE);
	return p;
}

static inline struct ring_consumer ring_consumer_open(
    const void *data, uint64_t size, const uint64_t *head, uint64_t *tail)
{
	struct ring_consumer c = {.data = data, .size = size, .head = head, .tail = tail};

	c.next = __atomic_load_n(tail, __ATOMIC_RELAXED);
	c.seen_head = c.next;
	return c;
}

// Room for a record of len bytes, to be filled in and then committed, together with others
// reserved before. NULL when the ring is full or the record too long.
static inline void *ring_reserve(struct ring_producer *p, uint32_t len)
{
	uint64_t offset = p->next & (p->size - 1);
	uint64_t space = ring_space(len), skip = 0;
	uint64_t used;

	if (space > p->size / 2)
		return NULL;
	if (offset + space > p->size)
		skip = p->size - offset;
	used = p->next - p->seen_tail;
	if (used > p->size || p->size - used < skip + space) {
		p->seen_tail = __atomic_load_n(p->tail, __ATOMIC_ACQUIRE);
		used = p->next - p->seen_tail;
		if (used > p->size || p->size - used < skip + space)
			return NULL;
	}
	if (skip) {
		*(uint64_t *)(p->data + offset) = (uint32_t)RING_WRAP;
		p->next += skip;
		offset = 0;
	}
	*(uint64_t *)(p->data + offset) = len;
	p->next += space;
	return p->data + offset + RING_HEADER;
}

// Makes all reserved records visible to the consumer.
static inline void ring_commit(struct ring_producer *p)
{
	__atomic_store_n(p->head, p->next, __ATOMIC_RELEASE);
}

// After ring_commit: wakes the other side through its eventfd if it sleeps. The consumer sets its
// flag, looks at the ring once more, and only then blocks; the fence here makes one of the two see.
// 0 or a negative errno; an eventfd whose counter is full wakes it anyway.
static inline int ring_wake(const uint32_t *sleeping, int event_fd)
{
	uint64_t one = 1;

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!__atomic_load_n(sleeping, __ATOMIC_RELAXED))
		return 0;
	return write(event_fd, &one, sizeof(one)) < 0 && errno != EAGAIN ? -errno : 0;
}

// The next record, NULL when there is none. It stays in the ring until ring_release. The consumer
// copies what it decides on: the producer's process can still write there.
static inline const void *ring_peek(struct ring_consumer *c, uint32_t *len)
{
	for (int wraps = 0; wraps < 2; wraps++) {
		uint64_t offset = c->next & (c->size - 1);
		uint64_t there;
		uint32_t n;

		if (c->next == c->seen_head) {
			c->seen_head = __atomic_load_n(c->head, __ATOMIC_ACQUIRE);
			if (c->next == c->seen_head)
				return NULL;
		}
		there = c->seen_head - c->next;
		if (there > c->size || there < RING_HEADER || (c->next & 7))
			break;
		n = __atomic_load_n((const uint32_t *)(c->data + offset), __ATOMIC_RELAXED);
		if (n == (uint32_t)RING_WRAP && offset && there > c->size - offset) {
			c->next += c->size - offset;
			continue;
		}
		if (ring_space(n) > there || offset + ring_space(n) > c->size)
			break;
		c->next += ring_space(n);
		*len = n;
		return c->data + offset + RING_HEADER;
	}
	c->resets++;
	c->seen_head = __atomic_load_n(c->head, __ATOMIC_ACQUIRE) & ~7ULL;
	c->next = c->seen_head;
	__atomic_store_n(c->tail, c->next, __ATOMIC_RELEASE);
	return NULL;
}

// Gives the room of all peeked records back to the producer.
static inline void ring_release(struct ring_consumer *c)
{
	__atomic_store_n(c->tail, c->next, __ATOMIC_RELEASE);
}

// Bytes that wait in the ring, committed and not yet peeked.
static inline uint64_t ring_backlog(const struct ring_consumer *c)
{
	uint64_t n = __atomic_load_n(c->head, __ATOMIC_ACQUIRE) - c->next;

	return n > c->size ? 0 : n;
}
