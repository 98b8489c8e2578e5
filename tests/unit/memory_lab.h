// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "shm/memory.h"
#include "tests/unit/unit.h"

// A test's shared memory for so many nodes and workers, every ring of `ring_size` bytes; unmap it.
static inline void memory_lab_create(
    struct memory *m, uint32_t nodes, uint32_t workers, uint32_t ring_size)
{
	const struct memory_config config = {.node_capacity = nodes,
	    .worker_count = workers,
	    .punt_size = ring_size,
	    .inject_size = ring_size,
	    .trace_size = ring_size};
	struct memory_error err = {""};

	if (memory_create(m, &config, &err))
		fail_msg("%s", err.text);
}
