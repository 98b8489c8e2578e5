// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "config/config.h"

#include <stdbool.h>
#include <stddef.h>

// What the machine that this runs on has of what a configuration asks for. `sys` is /sys but for
// tests. Main thread, before others start and before system calls are filtered.

// How many cores the workers may run on.
unsigned machine_cores(void);
// The first of `cpus` that this machine does not have or a cpuset forbids; -1 = none.
int machine_find_absent(const struct config_cpus *cpus);
// Queues that a link will have if its device can and there are as many workers.
unsigned machine_queues(const struct config *config, const struct config_link *l);
// How many workers a configuration means here: `workers`, or what its help says of 0.
unsigned machine_workers(const struct config *config);

// The kernel's interface that a link takes, which others make: that of an xdp link, and of drivers
// of DPDK's that borrow one (net_af_packet, net_af_xdp). False: it takes none.
bool machine_find_interface(const struct config_link *l, char name[IFNAMSIZ]);
// The NUMA node of a core. -1: the machine has one node, or knows none of this core.
int machine_node(int cpu);
// The NUMA node of a link's device: an interface, also that of a virtual DPDK device (iface=NAME),
// or a PCI device. -1: one node, or unknown.
int machine_find_device(const char *sys, const struct config_link *l);
// The workers that have a link's queues: so many from the first on, after the last comes number 0.
struct machine_span {
	unsigned first, count, workers;
};

// The first of those that is pinned to a core of another node than that; -1 = none.
int machine_find_far(const struct config_cpus *cpus, struct machine_span span, int node);
// The cores of a node as "8-15,24-31"; "" when unknown.
void machine_list_cores(const char *sys, int node, char *text, size_t size);
