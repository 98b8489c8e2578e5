// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/place.h"

#include <numa.h>
#include <sched.h>

// -1: the machine has one node, or knows none of this core.
static int node_of(int cpu)
{
	if (cpu < 0 || numa_available() < 0 || numa_max_node() == 0)
		return -1;
	return numa_node_of_cpu(cpu);
}

int place_find_absent(const struct config_cpus *cpus)
{
	cpu_set_t before, one;
	int absent = -1;

	if (sched_getaffinity(0, sizeof(before), &before))
		return -1;
	for (unsigned i = 0; i < cpus->count && absent < 0; i++) {
		CPU_ZERO(&one);
		CPU_SET(cpus->at[i], &one);
		if (sched_setaffinity(0, sizeof(one), &one))
			absent = (int)cpus->at[i];
	}
	sched_setaffinity(0, sizeof(before), &before);
	return absent;
}

void place_near(void *at, size_t size, int cpu)
{
	int node = node_of(cpu);

	if (node >= 0)
		numa_tonode_memory(at, size, node);
}

void place_between(void *at, size_t size, const struct config_cpus *cpus)
{
	struct bitmask *nodes;
	int node = -1;

	if (cpus->count == 0 || node_of((int)cpus->at[0]) < 0)
		return;
	nodes = numa_allocate_nodemask();
	for (unsigned i = 0; i < cpus->count; i++) {
		node = node_of((int)cpus->at[i]);
		if (node >= 0)
			numa_bitmask_setbit(nodes, (unsigned)node);
	}
	if (numa_bitmask_weight(nodes) > 1)
		numa_interleave_memory(at, size, nodes);
	else
		place_near(at, size, (int)cpus->at[0]);
	numa_free_nodemask(nodes);
}
