// SPDX-License-Identifier: BSD-3-Clause
#include "config/machine.h"

#include <dirent.h>
#include <numa.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SOCK_WORKERS_MAX = 4 };

int machine_node(int cpu)
{
	if (cpu < 0 || numa_available() < 0 || numa_max_node() == 0)
		return -1;
	return numa_node_of_cpu(cpu);
}

unsigned machine_cores(void)
{
	cpu_set_t cpus;

	return sched_getaffinity(0, sizeof(cpus), &cpus) ? 1 : (unsigned)CPU_COUNT(&cpus);
}

int machine_find_absent(const struct config_cpus *cpus)
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

static unsigned interface_queues(const char *ifname)
{
	char path[64 + IFNAMSIZ];
	unsigned n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/class/net/%s/queues", ifname);
	dir = opendir(path);
	if (!dir)
		return 1;
	for (struct dirent *e = readdir(dir); e; e = readdir(dir))
		n += strncmp(e->d_name, "rx-", 3) == 0;
	closedir(dir);
	return n ? n : 1;
}

unsigned machine_queues(const struct config *config, const struct config_link *l)
{
	if (*l->device)
		return (unsigned)config->dpdk.queues;
	return l->queues ? l->queues : interface_queues(l->ifname);
}

unsigned machine_workers(const struct config *config)
{
	unsigned cores = machine_cores(), most = 0;

	if (config->workers)
		return (unsigned)config->workers;
	for (uint32_t i = 0; i < config->links.count; i++) {
		unsigned n = machine_queues(config, &config->links.at[i]);

		most = n > most ? n : most;
	}
	if (most == 0)
		most = SOCK_WORKERS_MAX;
	most = most < cores ? most : cores;
	return most < CONFIG_WORKER_MAX ? most : CONFIG_WORKER_MAX;
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

bool machine_find_interface(const struct config_link *l, char name[IFNAMSIZ])
{
	static const char borrows[] = "net_af_";
	const char *option = strstr(l->device, ",iface=");
	size_t len;

	if (!*l->device)
		option = l->ifname;
	else if (option && strncmp(l->device, borrows, strlen(borrows)) == 0)
		option += strlen(",iface=");
	else
		return false;
	len = strcspn(option, ",");
	if (len == 0 || len >= IFNAMSIZ)
		return false;
	memcpy(name, option, len);
	name[len] = 0;
	return true;
}

int machine_find_device(const char *sys, const struct config_link *l)
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

int machine_find_far(const struct config_cpus *cpus, struct machine_span span, int node)
{
	for (unsigned i = 0; node >= 0 && i < span.count; i++) {
		unsigned worker = (span.first + i) % span.workers;
		int own = worker < cpus->count ? machine_node((int)cpus->at[worker]) : -1;

		if (own >= 0 && own != node)
			return (int)worker;
	}
	return -1;
}

void machine_list_cores(const char *sys, int node, char *text, size_t size)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/devices/system/node/node%d/cpulist", sys, node);
	if (!line_read(path, text, size))
		*text = 0;
}
