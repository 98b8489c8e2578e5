// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "shm/layout.h"

#include <stdbool.h>
#include <string.h>

// A ring of trace records that the writer overwrites: a worker never waits for a reader. The
// position counts records ever written. A record's sequence is its position + 1 while it is whole
// and 0 while it is being written, so readers recognise what was overwritten under them.

struct trace_slot {
	uint64_t sequence;
	struct trace_record record;
	uint8_t bytes[TRACE_CAPTURE_MAX];
	uint8_t pad[384 - 8 - sizeof(struct trace_record) - TRACE_CAPTURE_MAX];
};

static_assert(sizeof(struct trace_slot) == 384, "six cache lines");

// Belongs to one worker.
struct trace_writer {
	struct trace_slot *slots;
	uint64_t count;
	uint64_t *head;
	uint64_t next;
};

// Belongs to one thread; there can be many readers.
struct trace_reader {
	const struct trace_slot *slots;
	uint64_t count;
	const uint64_t *head;
	uint64_t next;
	uint64_t missed; // records overwritten before they were read
};

static inline struct trace_writer trace_writer_open(void *data, uint64_t size, uint64_t *head)
{
	return (struct trace_writer){
	    .slots = data,
	    .count = size / sizeof(struct trace_slot),
	    .head = head,
	    .next = __atomic_load_n(head, __ATOMIC_RELAXED),
	};
}

// Starts with what is written from now on.
static inline struct trace_reader trace_reader_open(
    const void *data, uint64_t size, const uint64_t *head)
{
	return (struct trace_reader){
	    .slots = data,
	    .count = size / sizeof(struct trace_slot),
	    .head = head,
	    .next = __atomic_load_n(head, __ATOMIC_ACQUIRE),
	};
}

// Copies the record and record->captured bytes (at most TRACE_CAPTURE_MAX) of payload.
static inline void trace_write(
    struct trace_writer *w, const struct trace_record *record, const void *payload)
{
	struct trace_slot *s = &w->slots[w->next % w->count];
	size_t n = record->captured < TRACE_CAPTURE_MAX ? record->captured : TRACE_CAPTURE_MAX;

	__atomic_store_n(&s->sequence, 0, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	s->record = *record;
	s->record.captured = (uint16_t)n;
	memcpy(s->bytes, payload, n);
	__atomic_store_n(&s->sequence, ++w->next, __ATOMIC_RELEASE);
	__atomic_store_n(w->head, w->next, __ATOMIC_RELEASE);
}

// The next record; payload must hold TRACE_CAPTURE_MAX bytes. False when there is none. What was
// overwritten is skipped and counted in missed.
static inline bool trace_read(struct trace_reader *r, struct trace_record *record, uint8_t *payload)
{
	for (int tries = 0; tries < 16; tries++) {
		uint64_t head = __atomic_load_n(r->head, __ATOMIC_ACQUIRE);
		const struct trace_slot *s;

		if (head - r->next > head) {
			r->next = head;
			return false;
		}
		if (head == r->next)
			return false;
		// The slot at head may be half written already: one less than the ring holds.
		if (head - r->next > r->count - 1) {
			r->missed += head - r->next - (r->count - 1);
			r->next = head - (r->count - 1);
		}
		s = &r->slots[r->next % r->count];
		if (__atomic_load_n(&s->sequence, __ATOMIC_ACQUIRE) == r->next + 1) {
			*record = s->record;
			memcpy(payload, s->bytes, TRACE_CAPTURE_MAX);
			__atomic_thread_fence(__ATOMIC_ACQUIRE);
			if (__atomic_load_n(&s->sequence, __ATOMIC_RELAXED) == r->next + 1) {
				if (record->captured > TRACE_CAPTURE_MAX)
					record->captured = TRACE_CAPTURE_MAX;
				r->next++;
				return true;
			}
		}
		r->missed++;
		r->next++;
	}
	return false;
}
