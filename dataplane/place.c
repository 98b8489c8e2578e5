// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/place.h"

#include "config/machine.h"

#include <numa.h>

void place_near(void *at, size_t size, int cpu)
{
	int node = machine_node(cpu);

	if (node >= 0)
		numa_tonode_memory(at, size, node);
}

void place_between(void *at, size_t size, const struct config_cpus *cpus)
{
	struct bitmask *nodes;
	int node = -1;

	if (cpus->count == 0 || machine_node((int)cpus->at[0]) < 0)
		return;
	nodes = numa_allocate_nodemask();
	for (unsigned i = 0; i < cpus->count; i++) {
		node = machine_node((int)cpus->at[i]);
		if (node >= 0)
			numa_bitmask_setbit(nodes, (unsigned)node);
	}
	if (numa_bitmask_weight(nodes) > 1)
		numa_interleave_memory(at, size, nodes);
	else
		place_near(at, size, (int)cpus->at[0]);
	numa_free_nodemask(nodes);
}

void place_prefer(int node)
{
	if (numa_available() < 0)
		return;
	if (node >= 0)
		numa_set_preferred(node);
	else
		numa_set_localalloc();
}
