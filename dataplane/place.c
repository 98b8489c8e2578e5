// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/place.h"

#include <numa.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// -1: the machine has one node, or knows none of this core.
static int node_of(int cpu)
{
	if (cpu < 0 || numa_available() < 0 || numa_max_node() == 0)
		return -1;
	return numa_node_of_cpu(cpu);
}

unsigned place_cores(void)
{
	cpu_set_t cpus;

	return sched_getaffinity(0, sizeof(cpus), &cpus) ? 1 : (unsigned)CPU_COUNT(&cpus);
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

static bool line_read(const char *path, char *text, size_t size)
{
	FILE *file = fopen(path, "re");
	bool found = file && fgets(text, (int)size, file);

	if (file)
		fclose(file);
	if (found)
		text[strcspn(text, "\n")] = 0;
	return found;
}

int place_device(const char *sys, const struct config_link *l)
{
	const char *option = strstr(l->device, ",iface="), *name = l->ifname;
	char path[512], text[16];
	int at = -1, len;

	if (numa_available() < 0 || numa_max_node() == 0)
		return -1;
	if (option)
		name = option + strlen(",iface=");
	else if (*l->device)
		name = l->device;
	len = (int)strcspn(name, ",");
	if (name == l->device) // "0000:03:00.0"; the domain may be left out
		snprintf(path, sizeof(path), "%s/bus/pci/devices/%s%.*s/numa_node", sys,
		    strchr(name, ':') == strrchr(name, ':') ? "0000:" : "", len, name);
	else
		snprintf(path, sizeof(path), "%s/class/net/%.*s/device/numa_node", sys, len, name);
	if (line_read(path, text, sizeof(text)))
		at = (int)strtol(text, NULL, 10); // the kernel wrote it
	return at;
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

int place_find_far(const struct config_cpus *cpus, unsigned workers, int node)
{
	for (unsigned i = 0; node >= 0 && i < workers && i < cpus->count; i++) {
		int own = node_of((int)cpus->at[i]);

		if (own >= 0 && own != node)
			return (int)i;
	}
	return -1;
}

void place_list_cores(const char *sys, int node, char *text, size_t size)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/devices/system/node/node%d/cpulist", sys, node);
	if (!line_read(path, text, size))
		*text = 0;
}
