// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "shm/node_table.h"
#include "shm/quiescent.h"

// The one writer of the node table: the control plane's main thread. Every function leaves the
// table valid for readers at each single store, so the process may die anywhere.

// An array whose elements come into use in order.
struct index_array {
	uint8_t *at;
	uint64_t bytes;	 // of all elements
	uint64_t *ready; // bytes that have memory, in the table's header
	uint32_t size;	 // of an element
};

enum { POOL_ARRAYS = 2 };

// Indexes to give out: those from `next` on were never used, `free` holds returned ones.
struct index_pool {
	uint32_t *free;
	uint32_t count, next, last;
	struct index_array arrays[POOL_ARRAYS]; // what the indexes mean; size 0 = none
};

struct node_writer {
	const struct memory *memory;
	struct node_table table;
	struct index_pool indexes, v6, overflow;
	struct index_array buckets;
	struct deferred deferred;
	uint32_t node_count, remote_count;
	bool huge_pages;	      // takes huge pages as the table grows
	struct kernel_writer *kernel; // mirrors every change, or NULL. Not owned
	// There is something to follow (node_table_follow); may be NULL.
	void (*grown)(void *ctx);
	void *grown_ctx;
};

// What the control plane decides about a node.
struct node_route {
	struct endpoint at; // unless NODE_REMOTE
	uint32_t peer;	    // index of the peer relay when NODE_REMOTE
	uint16_t nexthop;   // 0 = unresolved
	uint8_t local;
	uint8_t flags; // CARRY, REMOTE; the writer sees to V6 and KEYED
};

// Attaches as the writer and repairs what a writer left that was killed. Waits up to two seconds
// for the workers to pass (they are quick). 0, -ENOMEM, or -EBUSY when a worker did not pass.
int node_writer_open(struct node_writer *w, const struct memory *m);
void node_writer_close(struct node_writer *w);

// Inserts or replaces. 1: new: node_info is zero but for first_seen and changed_at = now_s, and
// last_seen is now_s. 0: replaced in place, index and node_info kept; where a remote node becomes
// local, node_info and last_seen are as of a new one. -EINVAL: id 0 or a value out
// of range; -ENOSPC: full; -EAGAIN: full until the workers have passed; -ENOMEM.
int node_writer_put(
    struct node_writer *w, uint32_t id, const struct node_route *route, uint32_t now_s);
// 0 or -ENOENT.
int node_writer_set_nexthop(struct node_writer *w, uint32_t id, uint16_t nexthop);
// Binds a key to a local node, in the place of the one before. Workers see NODE_KEYED when a key is
// there; a kill in between leaves the node without a key, or the flag to node_writer_open(). 0 or
// -ENOENT.
int node_writer_bind(struct node_writer *w, uint32_t id, const uint8_t key[32]);
// 0, -ENOENT or -ENOMEM.
int node_writer_remove(struct node_writer *w, uint32_t id);

// Once a loop: gives places back whose readers have passed.
void node_writer_run(struct node_writer *w);
