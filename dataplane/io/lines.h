// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "shm/layout.h"

#include <stdlib.h>
#include <string.h>

// Zeroed memory that shares no cache line with any other, for what one worker writes all the time:
// beside what another one writes, each would wait for the other's core. NULL when there is none;
// free(3).
static inline void *lines_alloc(size_t size)
{
	size_t whole = (size + CACHE_LINE - 1) & -(size_t)CACHE_LINE;
	void *at = aligned_alloc(CACHE_LINE, whole);

	return at ? memset(at, 0, whole) : NULL;
}
