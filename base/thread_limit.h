// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <errno.h>

// What to do when no thread or process could be started with this negative errno, behind what
// failed; "" when it is not for their number.
static inline const char *thread_limit_hint(int rc)
{
	return rc == -EAGAIN ? ": raise the limit of threads (pids.max, TasksMax, ulimit -u)" : "";
}
