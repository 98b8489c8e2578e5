// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "shm/layout.h"
#include "shm/quiescent.h"

#include <stdint.h>

// Endpoints of peer relays and the index over them. A slot of the index holds peer index + 1, so
// that one 16-bit store publishes or takes back a peer.

enum {
	PEER_SLOTS = 4096,
	PEER_SLOT_REMOVED = 0xffff,
	PEER_PROBE_MAX = 64,
};

// In the peer_index region. Writer: cp; the key: dp when the memory is new.
struct peer_index {
	uint64_t key[2]; // random
	uint16_t slots[PEER_SLOTS];
};

static inline uint32_t peer_hash(const struct peer_index *x, const struct endpoint *at)
{
	uint64_t a, b;

	memcpy(&a, at->addr, sizeof(a));
	memcpy(&b, at->addr + 8, sizeof(b));
	a = (a ^ x->key[0] ^ at->port) * 0x9e3779b97f4a7c15ULL;
	b = (b ^ x->key[1] ^ a >> 32) * 0xff51afd7ed558ccdULL;
	a ^= b ^ b >> 29;
	a *= 0xc4ceb9fe1a85ec53ULL;
	return (uint32_t)(a >> 40);
}

// Index of the peer with this endpoint, -1 when there is none. Between two quiescent states, or in
// the writer's thread.
static inline int peer_find(
    const struct peer_index *x, const struct peer *peers, const struct endpoint *at)
{
	uint32_t slot = peer_hash(x, at);

	for (unsigned i = 0; i < PEER_PROBE_MAX; i++) {
		uint16_t v =
		    __atomic_load_n(&x->slots[(slot + i) & (PEER_SLOTS - 1)], __ATOMIC_ACQUIRE);

		if (v == 0)
			return -1;
		if (v <= PEER_MAX && endpoint_equal(&peers[v - 1].at, at))
			return v - 1;
	}
	return -1;
}

// The one writer: the control plane's main thread. Every function leaves the table valid for
// readers at each single store.
struct peer_writer {
	const struct memory *memory;
	struct deferred deferred;
	uint8_t busy[PEER_MAX]; // published, or waiting for reuse
};

// Attaches as the writer and rebuilds what a killed writer left. 0, or -EBUSY as
// node_writer_open.
int peer_writer_open(struct peer_writer *w, const struct memory *m);
void peer_writer_close(struct peer_writer *w);
// Adds a peer: at, nexthop, id and local are taken from p. Its index; an endpoint that is there
// already keeps its slot and gets the new nexthop, id and local. -ENOSPC: full; -EAGAIN: full until
// the workers have passed.
int peer_writer_put(struct peer_writer *w, const struct peer *p);
// 0 or -ENOENT, -ENOMEM. Nodes that refer to it must have been removed before.
int peer_writer_remove(struct peer_writer *w, const struct endpoint *at);
// Once a loop: gives slots back whose readers have passed.
void peer_writer_run(struct peer_writer *w);
