// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "config/config.h"

#include <stddef.h>

// Memory near the cores that use it, on machines with several NUMA nodes; on others, and for
// workers that are not pinned, nothing happens. Only where pages will be taken from changes, so it
// belongs before their first use. Main thread, before system calls are filtered.

// The first of `cpus` that this machine does not have or a cpuset forbids; -1 = none. Before the
// first thread starts.
int place_find_absent(const struct config_cpus *cpus);
// How many cores the workers may run on.
unsigned place_cores(void);
// Near one core; cpu -1 = any.
void place_near(void *at, size_t size, int cpu);
// Near all of them: on their node, or spread evenly over their nodes.
void place_between(void *at, size_t size, const struct config_cpus *cpus);

// The NUMA node of a link's device as `sys`, /sys but for tests, tells: an interface, also that of
// a virtual DPDK device (iface=NAME), or a PCI device. -1: one node, or unknown.
int place_device(const char *sys, const struct config_link *l);
// What this thread touches first from now on lies on that node as long as it has room there; -1:
// where the thread runs.
void place_prefer(int node);
// The first of so many workers that is pinned to a core of another node than that; -1 = none.
int place_find_far(const struct config_cpus *cpus, unsigned workers, int node);
// The cores of a node as "8-15,24-31"; "" when unknown.
void place_list_cores(const char *sys, int node, char *text, size_t size);
