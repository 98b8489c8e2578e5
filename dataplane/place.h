// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "config/config.h"

#include <stddef.h>

// Memory near the cores that use it, on machines with several NUMA nodes; on others, and for
// workers that are not pinned, nothing happens. Only where pages will be taken from changes, so it
// belongs before their first use. Main thread, before system calls are filtered.

// Near one core; cpu -1 = any.
void place_near(void *at, size_t size, int cpu);
// Near all of them: on their node, or spread evenly over their nodes.
void place_between(void *at, size_t size, const struct config_cpus *cpus);

// What this thread touches first from now on lies on that node as long as it has room there; -1:
// where the thread runs.
void place_prefer(int node);
