// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "shm/layout.h"

#include <stdint.h>

// The table of local addresses and ports (struct local in shm/layout.h). Entries are only added,
// by the main thread of the data plane; readers on any thread look at `valid` first (acquire).

static inline int local_is_valid(const struct local *l)
{
	return __atomic_load_n(&l->valid, __ATOMIC_ACQUIRE) != 0;
}

// The index of exactly this address and port, or -ENOENT.
int locals_find(const struct local *locals, const struct endpoint *at);

// The index of the entry, added where the table does not have it yet and uses at most `limit`
// entries; else -ENOSPC. Main thread.
int locals_add(struct local *locals, const struct endpoint *at, unsigned limit);
