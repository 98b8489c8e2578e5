// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/exit_status.h"
#include "config/config.h"
#include "dataplane/handoff.h"
#include "dataplane/io/link.h"
#include "dataplane/serve.h"
#include "dataplane/worker.h"
#include "shm/kernel_memory.h"
#include "shm/memory.h"

#include <stdbool.h>

// The data plane's main thread: what it holds, and the steps from start to end. It opens links and
// memory with privileges, gives these up, starts the workers, and from then on keeps local
// addresses and links up to date and hands the memory to the control plane.

// Exit statuses: those of base/exit_status.h that the supervisor goes by, and one of our own.
enum dp_exit {
	DP_EXIT_OK = EXIT_OK,
	DP_EXIT_FAILURE = EXIT_FAILED, // memory, threads, files, privileges
	DP_EXIT_USAGE = EXIT_USAGE,
	DP_EXIT_LINK = 3, // a link could not be opened
	DP_EXIT_AGAIN = EXIT_AGAIN,
};

enum {
	COMPANION = 0, // place of the sock link in the list of links
	AWAITED_MAX = IFNAMSIZ + 5,
};

struct dp {
	int argc; // the command line, to be read again on SIGHUP
	char **argv;
	struct config config;
	bool fall_back; // go on with sock alone when another link cannot be opened
	struct memory memory;
	struct node_mapped mapped;   // of the node table
	bool adopted;		     // the memory is an earlier data plane's
	struct kernel_memory kernel; // zero without a link that relays in the kernel
	struct link *links[LINK_MAX];
	unsigned link_count;
	unsigned queues_placed; // of raw links
	// "xdp:IFACE" or "dpdk:IFACE" whose interface was missing or down when they were to be
	// opened
	char awaited[CONFIG_LINK_MAX][AWAITED_MAX];
	unsigned awaited_count;
	struct worker *workers[WORKER_MAX];
	struct handoff handoff;
	int worker_events[WORKER_MAX];
	unsigned worker_count;
	int cp_event;
	int lock, signals, netlink;
	struct server server;
};

// dp_memory.c. Adopts the memory that the supervisor kept if it fits, else makes a new one. Logs
// what it did and why. 0 or a negative errno.
int dp_memory_open(struct dp *dp);
// At start and once a second: maps what the node table has grown to, and what workers need for it.
void dp_memory_follow(struct dp *dp);

// dp_links.c. With fall_back and without the privileges for them, the links other than sock are
// taken off the configuration, which the number of workers follows.
void dp_links_reduce(struct dp *dp);
// Opens sock, then the others. Logs errors. 0 or enum dp_exit.
int dp_links_open(struct dp *dp);
// Follows addresses and interfaces. The name of a link that could be opened now, since its
// interface was made again or is no longer missing or down; NULL if there is none. That takes
// privileges, and so another start.
const char *dp_links_maintain(struct dp *dp);
void dp_links_close(struct dp *dp);
// "198.51.100.1:9001 [2001:db8::1]:9001 on sock, xdp:eth0; 2 workers": what we serve.
void dp_describe(const struct dp *dp, char *text, size_t size);
