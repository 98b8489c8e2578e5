// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <stddef.h>
#include <sys/mman.h>

// Zeroed memory that costs pages only where it is used. NULL: there is none.
static inline void *pages_map(size_t size)
{
	void *p = mmap(
	    NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

// NULL is allowed.
static inline void pages_unmap(void *p, size_t size)
{
	if (p)
		munmap(p, size);
}
