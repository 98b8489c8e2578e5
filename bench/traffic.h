// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "bench/rig.h"

#include <stdint.h>

// A rig with nodes 1 to `nodes` behind one router, and relay frames of 64 bytes between random ones
// of them. Errors end the program.

enum { TRAFFIC_FRAME = 64, TRAFFIC_NEXTHOP = 1 };

// Frames in the making for one worker. Belongs to one thread.
struct traffic {
	struct rig *rig;
	unsigned worker;
	uint32_t nodes;	 // sends among the first of them
	uint64_t random; // not 0
	uint64_t now_ns; // the worker's time: passes in its turns only, starts with the first
};

// A rig whose table has room for `capacity` nodes and knows the first `nodes`.
void traffic_rig(struct rig *rig, uint32_t capacity, uint32_t nodes, unsigned workers);
struct endpoint traffic_endpoint(uint32_t id);
// 1 when the node is new; id 0 and full tables end the program.
int traffic_node_add(struct rig *rig, uint32_t id);
uint32_t traffic_random(struct traffic *t);
// Puts one datagram before the worker.
void traffic_put(struct traffic *t, uint8_t fill, uint32_t *sender, uint32_t *dest);
// Runs the worker until n datagrams have gone through; nanoseconds that its turns took.
uint64_t traffic_run(struct traffic *t, unsigned n);
// Takes what came out, which must be n datagrams.
void traffic_take(struct traffic *t, unsigned n);
