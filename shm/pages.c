// SPDX-License-Identifier: BSD-3-Clause
#include "shm/pages.h"

#include <errno.h>
#include <stddef.h>
#include <sys/mman.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25 // not in Debian 12's headers, but in its kernel
#endif

static void *map_at(void *at, uint64_t size, int fd)
{
	int where = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;

	return mmap(at, size, PROT_READ | PROT_WRITE, where | MAP_FIXED, fd, 0);
}

void *pages_map(int fd, uint64_t size)
{
	uint64_t room = size + HUGE_PAGE;
	uint8_t *area =
	    mmap(NULL, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uint8_t *at;
	int err;

	if (area == MAP_FAILED)
		return NULL;
	at = area + (-(uintptr_t)area & (HUGE_PAGE - 1));
	if (map_at(at, size, fd) == MAP_FAILED) {
		err = errno;
		munmap(area, room);
		errno = err;
		return NULL;
	}
	if (at > area)
		munmap(area, (size_t)(at - area));
	munmap(at + size, (size_t)(area + room - (at + size)));
	return at;
}

void *pages_own(uint64_t *size)
{
	void *at;

	*size = (*size + HUGE_PAGE - 1) & ~(uint64_t)(HUGE_PAGE - 1);
	at = pages_map(-1, *size);
	// A kernel without them has small pages for us.
	if (at)
		madvise(at, *size, MADV_HUGEPAGE);
	return at;
}

int pages_join(void *at)
{
	uint8_t *page = (uint8_t *)at - ((uintptr_t)at & (HUGE_PAGE - 1));

	// Where nothing was written yet, there is nothing to join; adding nothing is a write that
	// disturbs nobody. The huge page comes from the memory of the small one that is there:
	// where small ones come from several nodes in turn, huge ones do so too with a step more
	// each.
	uint64_t step = (uintptr_t)page / HUGE_PAGE % (HUGE_PAGE / 4096) * 4096;

	__atomic_fetch_add((uint32_t *)(page + step), 0, __ATOMIC_RELAXED);
	return madvise(page, HUGE_PAGE, MADV_COLLAPSE) ? -errno : 0;
}

void pages_ready(void *at, uint64_t size, bool write)
{
	uintptr_t below = (uintptr_t)at % 4096;

	if (size)
		madvise((uint8_t *)at - below, size + below,
		    write ? MADV_POPULATE_WRITE : MADV_POPULATE_READ);
}
