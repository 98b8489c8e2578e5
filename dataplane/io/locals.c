// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/io/locals.h"

#include <errno.h>

int locals_find(const struct local *locals, const struct endpoint *at)
{
	for (int i = 0; i < LOCAL_MAX; i++) {
		if (local_is_valid(&locals[i]) && endpoint_equal(&locals[i].at, at))
			return i;
	}
	return -ENOENT;
}

int locals_add(struct local *locals, const struct endpoint *at, unsigned limit)
{
	int found = locals_find(locals, at);

	if (found >= 0)
		return found;
	for (unsigned i = 0; i < limit && i < LOCAL_MAX; i++) {
		if (local_is_valid(&locals[i]))
			continue;
		locals[i].at = *at;
		locals[i].extra = 0;
		__atomic_store_n(&locals[i].valid, 1, __ATOMIC_RELEASE);
		return (int)i;
	}
	return -ENOSPC;
}
