// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "dataplane/io/mem.h"
#include "dataplane/worker.h"
#include "shm/node_writer.h"

// Workers between two mem links, or a mem link and another, for programs that measure the path
// itself; each worker has a queue of both. Errors end the program.

enum { SOCK, RAW }; // indexes of the links
enum { RIG_WORKERS = 8 };

// MAC addresses: of the raw link, and of the router that all nodes are behind.
extern const uint8_t rig_mac[6], rig_gateway[6];

struct rig {
	struct memory memory;
	struct node_writer nodes;
	struct link sock, raw;
	struct link *links[2];
	struct link others[RIG_WORKERS]; // that gave raw their queue
	unsigned worker_count, other_count;
	struct worker *workers[RIG_WORKERS];
	int event_fd, cp_event_fd; // of all workers; nobody waits for them
};

// Creates the memory; the caller fills the tables and attaches `nodes`, then starts.
void rig_create(struct rig *rig, uint32_t node_capacity, unsigned worker_count, bool huge_pages);
// Egress 0 on the raw link, next hop `nexthop` through it.
void rig_route(struct rig *rig, unsigned nexthop);
// Another raw link than mem: before rig_start. The rig fills in what of cfg is about itself. A
// further one of the same kind gives its only queue to the next worker that has none.
void rig_raw(struct rig *rig, const struct link_ops *ops, const struct link_config *cfg);
// Opens the links, the mem links with room for `frames` datagrams in each queue, and the workers;
// police_secret as in struct worker_config.
void rig_start(struct rig *rig, uint32_t frames, const uint64_t *police_secret);
void rig_close(struct rig *rig);

// A payload as a frame that the router hands to a worker's queue of the raw link.
void rig_put(struct rig *rig, unsigned worker, const struct endpoint *from,
    const struct endpoint *to, const void *payload, size_t len);
// Takes all that a worker sent on a link; how many datagrams.
unsigned rig_take(struct rig *rig, unsigned link, unsigned worker);
