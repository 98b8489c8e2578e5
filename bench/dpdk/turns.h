// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "bench/rig.h"

#include <stdbool.h>

// What one core does with a burst: the relay, and less than that, to know what is whose cost.

struct turn {
	const char *name;
	bool filled; // filler_start() belongs to it
	// One burst of a worker's queue of the raw link; how many datagrams.
	unsigned (*run)(struct rig *rig, unsigned worker);
};

// relay: all of it. swap: addresses only. floor: as swap, and it reads two lines of the node table
// for each datagram, which no relay among so many nodes does without. fill, free: receives and
// sends, or gives back where `device_loops` is false, with and without filling.
// NULL: there is none of that name.
const struct turn *turn_find(const char *name);

// Frames of this device go around and must be sent on. Before the first turn.
void turns_open(bool device_loops);
