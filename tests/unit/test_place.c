// SPDX-License-Identifier: BSD-3-Clause
#include "config/machine.h"
#include "dataplane/place.h"
#include "dataplane/stage/familiar.h"
#include "dataplane/worker_room.h"
#include "shm/pages.h"
#include "tests/unit/folder.h"
#include "tests/unit/unit.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

// A machine of two nodes with four cores each, or what it really is.
static bool two_nodes;

// NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): the linker's names
int __real_numa_available(void);
int __wrap_numa_available(void);
int __real_numa_max_node(void);
int __wrap_numa_max_node(void);
int __real_numa_node_of_cpu(int cpu);
int __wrap_numa_node_of_cpu(int cpu);

int __wrap_numa_available(void)
{
	return two_nodes ? 0 : __real_numa_available();
}

int __wrap_numa_max_node(void)
{
	return two_nodes ? 1 : __real_numa_max_node();
}

int __wrap_numa_node_of_cpu(int cpu)
{
	return two_nodes ? cpu / 4 : __real_numa_node_of_cpu(cpu);
}
// NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp)

// Whatever cores are asked for, also such that are not there: the memory is as good as before.
static void memory_stays(void **state)
{
	static const struct config_cpus asked[] = {
	    {.count = 0},
	    {.count = 1, .at = {0}},
	    {.count = 2, .at = {0, 1}},
	    {.count = 2, .at = {0, 4000}},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(asked); i++) {
		uint64_t size = 1;
		uint8_t *at = pages_own(&size);

		assert_non_null(at);
		assert_int_equal(size, HUGE_PAGE);
		assert_int_equal((uintptr_t)at % HUGE_PAGE, 0);
		place_between(at, size, &asked[i]);
		place_near(at, size, asked[i].count ? (int)asked[i].at[0] : -1);
		for (uint64_t k = 0; k < size; k += 4096) {
			assert_int_equal(at[k], 0);
			at[k] = 1;
		}
		munmap(at, size);
	}
}

static void cores_that_are_not_there(void **state)
{
	static const struct {
		struct config_cpus cpus;
		int absent;
	} facts[] = {
	    {{.count = 0}, -1},
	    {{.count = 2, .at = {1023, 1022}}, 1023},
	};
	struct config_cpus own = {.count = 1};
	cpu_set_t before, after;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++)
		assert_int_equal(machine_find_absent(&facts[i].cpus), facts[i].absent);
	while (!CPU_ISSET(own.at[0], &before))
		own.at[0]++;
	assert_int_equal(machine_find_absent(&own), -1);
	assert_int_equal(sched_getaffinity(0, sizeof(after), &after), 0);
	assert_true(CPU_EQUAL(&before, &after));
}

static void file_make(const char *root, const char *path, const char *text)
{
	char at[256], command[300];
	FILE *file;

	snprintf(at, sizeof(at), "%s/%s", root, path);
	*strrchr(at, '/') = 0;
	snprintf(command, sizeof(command), "mkdir -p %s", at);
	assert_int_equal(system(command), 0); // NOLINT(cert-env33-c): a name of our own
	snprintf(at, sizeof(at), "%s/%s", root, path);
	file = fopen(at, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void devices_have_nodes(void **state)
{
	static const struct {
		struct config_link link;
		int node;
	} facts[] = {
	    {{.ifname = "eth1"}, 1},
	    {{.ifname = "eth0"}, 0},
	    {{.ifname = "veth"}, -1},
	    {{.ifname = "lost"}, -1},
	    {{.device = "0000:83:00.0"}, 1},
	    {{.device = "83:00.0,representor=[0]"}, 1},
	    {{.device = "0000:84:00.0"}, -1},
	    {{.device = "net_af_xdp0,iface=eth1,start_queue=2"}, 1},
	    {{.device = "net_af_packet0,qpairs=2,iface=eth0"}, 0},
	    {{.device = "net_ring0"}, -1},
	};
	char root[FOLDER_MAX], text[64];

	(void)state;
	folder_make(root);
	file_make(root, "class/net/eth0/device/numa_node", "0\n");
	file_make(root, "class/net/eth1/device/numa_node", "1\n");
	file_make(root, "class/net/lost/device/numa_node", "-1\n");
	file_make(root, "bus/pci/devices/0000:83:00.0/numa_node", "1\n");
	file_make(root, "devices/system/node/node1/cpulist", "4-7\n");
	two_nodes = true;
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++)
		assert_int_equal(machine_find_device(root, &facts[i].link), facts[i].node);
	machine_list_cores(root, 1, text, sizeof(text));
	assert_string_equal(text, "4-7");
	machine_list_cores(root, 0, text, sizeof(text));
	assert_string_equal(text, "");
	two_nodes = false;
}

static void interfaces_that_links_take(void **state)
{
	static const struct {
		struct config_link link;
		const char *name; // NULL: none
	} facts[] = {
	    {{.ifname = "eth0", .queues = 2}, "eth0"},
	    {{.device = "net_af_xdp0,iface=eth1,start_queue=2"}, "eth1"},
	    {{.device = "net_af_packet0,qpairs=2,iface=fifteen-letters"}, "fifteen-letters"},
	    {{.device = "net_af_packet0,iface=sixteen--letters"}, NULL},
	    {{.device = "net_af_packet0,iface="}, NULL},
	    {{.device = "net_af_packet0"}, NULL},
	    {{.device = "net_tap0,iface=card"}, NULL},
	    {{.device = "net_vhost0,iface=/run/socket"}, NULL},
	    {{.device = "0000:83:00.0"}, NULL},
	};
	char name[IFNAMSIZ];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		bool found = machine_find_interface(&facts[i].link, name);

		assert_int_equal(found, facts[i].name != NULL);
		if (found)
			assert_string_equal(name, facts[i].name);
	}
}

static void workers_far_from_the_device(void **state)
{
	static const struct {
		struct config_cpus cpus;
		struct machine_span span;
		int node, far;
	} facts[] = {
	    {{.count = 2, .at = {4, 5}}, {0, 2, 2}, 1, -1},
	    {{.count = 2, .at = {4, 5}}, {0, 2, 2}, 0, 0},
	    {{.count = 2, .at = {3, 4}}, {0, 2, 2}, 0, 1},
	    {{.count = 2, .at = {3, 4}}, {0, 1, 2}, 0, -1}, // the second has no queue
	    {{.count = 2, .at = {3, 4}}, {1, 1, 2}, 0, 1},  // only the second has one
	    {{.count = 3, .at = {4, 3, 3}}, {2, 2, 3}, 0, 0},
	    {{.count = 1, .at = {3}}, {0, 2, 2}, 0, -1}, // the second is not pinned
	    {{.count = 0}, {0, 2, 2}, 1, -1},
	    {{.count = 2, .at = {4, 5}}, {0, 2, 2}, -1, -1},
	};

	(void)state;
	two_nodes = true;
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++)
		assert_int_equal(
		    machine_find_far(&facts[i].cpus, facts[i].span, facts[i].node), facts[i].far);
	two_nodes = false;
	assert_int_equal(machine_find_far(&facts[1].cpus, facts[1].span, 7), -1); // of one node
}

// A worker's memory: zeroed, no two parts overlap, and as large as said.
static void rooms(void **state)
{
	static const uint32_t index_max[] = {1, 4096, 1000000};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(index_max); i++) {
		struct worker_room r;
		uint8_t *own;

		assert_int_equal(worker_room_open(&r, 5000, index_max[i], 0), 0);
		own = r.own;
		memset(own, 1, 5000);
		assert_int_equal(r.police.sources[0].tag[0], 0);
		memset(r.police.sources, 2, SOURCE_SETS * sizeof(*r.police.sources));
		assert_int_equal(*(uint8_t *)r.familiar, 0);
		assert_int_equal(r.police.senders[0], 0);
		assert_int_equal(r.police.sender_count, index_max[i] + 1);
		r.police.senders[index_max[i]] = 3;
		assert_int_equal(own[0], 1);
		assert_int_equal(own[4999], 1);
		worker_room_close(&r);
	}
}

// How many of the pages in [at, at + size) are there.
static size_t pages_there(void *at, size_t size)
{
	size_t pages = (size + 4095) / 4096, there = 0;
	unsigned char *in = malloc(pages);

	assert_int_equal(mincore(at, size, in), 0);
	for (size_t i = 0; i < pages; i++)
		there += in[i] & 1;
	free(in);
	return there;
}

// No worker has to ask for a page that a burst needs because nodes came or sources speak.
static void pages_are_ahead(void **state)
{
	static const uint32_t nodes[] = {
	    0, 1, 40000, 40000, 20000, 500000, 1000000, UINT32_MAX / 2};
	enum { LAST = 1000000, SOURCES = SOURCE_SETS * sizeof(struct bucket_set), PER_PAGE = 1024 };
	uint32_t most = 0;
	struct worker_room r;

	(void)state;
	assert_int_equal(worker_room_open(&r, 1, LAST, -1), 0);
	assert_int_equal(pages_there(r.police.sources, SOURCES), SOURCES / 4096);
	for (size_t i = 0; i < ARRAY_SIZE(nodes); i++) {
		size_t there, all = LAST / PER_PAGE + 1;

		most = nodes[i] > most ? nodes[i] : most;
		worker_room_follow(&r, nodes[i]);
		there = pages_there(r.police.senders, (LAST + 1ULL) * sizeof(uint32_t));
		assert_true(there == all || there >= (most + ROOM_AHEAD / 2) / PER_PAGE);
		assert_true(there <= (most + ROOM_AHEAD) / PER_PAGE + 1);
	}
	assert_int_equal(pages_there(r.familiar, FAMILIAR_SIZE), 0);
	worker_room_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(memory_stays),
	    cmocka_unit_test(cores_that_are_not_there),
	    cmocka_unit_test(devices_have_nodes),
	    cmocka_unit_test(interfaces_that_links_take),
	    cmocka_unit_test(workers_far_from_the_device),
	    cmocka_unit_test(rooms),
	    cmocka_unit_test(pages_are_ahead),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
