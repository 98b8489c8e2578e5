// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/place.h"

#include <numa.h>

// -1: the machine has one node, or knows none of this core.
static int node_of(int cpu)
{
	if (cpu < 0 || numa_available() < 0 || numa_max_node() == 0)
		return -1;
	return numa_node_of_cpu(cpu);
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
