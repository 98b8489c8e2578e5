// SPDX-License-Identifier: BSD-3-Clause
#include "shm/memory.h"

static uint8_t *worker_rings(const struct memory *m, uint32_t worker)
{
	return m->rings + worker * (m->punt_size + m->inject_size + m->trace_size);
}

struct ring_producer memory_punt_producer(const struct memory *m, uint32_t worker)
{
	struct worker_block *b = &m->workers[worker];

	return ring_producer_open(
	    worker_rings(m, worker), m->punt_size, &b->punt_head, &b->punt_tail);
}

struct ring_consumer memory_punt_consumer(const struct memory *m, uint32_t worker)
{
	struct worker_block *b = &m->workers[worker];

	return ring_consumer_open(
	    worker_rings(m, worker), m->punt_size, &b->punt_head, &b->punt_tail);
}

struct ring_producer memory_inject_producer(const struct memory *m, uint32_t worker)
{
	struct worker_block *b = &m->workers[worker];

	return ring_producer_open(worker_rings(m, worker) + m->punt_size, m->inject_size,
	    &b->inject_head, &b->inject_tail);
}

struct ring_consumer memory_inject_consumer(const struct memory *m, uint32_t worker)
{
	struct worker_block *b = &m->workers[worker];

	return ring_consumer_open(worker_rings(m, worker) + m->punt_size, m->inject_size,
	    &b->inject_head, &b->inject_tail);
}

struct trace_writer memory_trace_writer(const struct memory *m, uint32_t worker)
{
	return trace_writer_open(worker_rings(m, worker) + m->punt_size + m->inject_size,
	    m->trace_size, &m->workers[worker].trace_head);
}

struct trace_reader memory_trace_reader(const struct memory *m, uint32_t worker)
{
	return trace_reader_open(worker_rings(m, worker) + m->punt_size + m->inject_size,
	    m->trace_size, &m->workers[worker].trace_head);
}
