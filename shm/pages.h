// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <stdbool.h>
#include <stdint.h>

// Huge pages under the shared memory. A look-up among a million nodes reads two random cache lines;
// with pages of 4 KiB the walk to each line's page costs about as much as the line. Transparent
// huge pages are taken one by one as the tables grow (madvise(2), MADV_COLLAPSE, Linux 6.1):
// nothing is reserved, no mount or setting is needed, and memory still follows the number of nodes.

enum { HUGE_PAGE = 2 << 20 };

// Maps a file, or nothing (fd -1), whose size is a multiple of 4096, shared with others that map
// it, so that what lies on a multiple of HUGE_PAGE in it does so in memory. NULL with errno set.
void *pages_map(int fd, uint64_t size);

// Zeroed memory of this process, huge pages where the kernel has some; rounds the size up to them.
// NULL with errno set. Given back with munmap(2).
void *pages_own(uint64_t *size);

// Makes the HUGE_PAGE around `at` one page, for every process that has it mapped. Within a mapping
// of pages_map. Others that use its bytes meanwhile wait until they are copied (some 100 us), so
// call it before its first use. 0 or a negative errno: -EINVAL: the kernel cannot; else it has no
// free 2 MiB in one piece.
int pages_join(void *at);

// Has the kernel map the pages from `at` on, so that their first use does not wait: for `write`, or
// as shared pages that are there already. Kernels before 5.14 cannot: their pages come at first
// use.
void pages_ready(void *at, uint64_t size, bool write);
