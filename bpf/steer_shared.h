// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
#pragma once

// The contract between the programs of an interface and user space.

#include <linux/types.h>

enum {
	STEER_SERVED_MAX = 64,	// entries of `served`
	STEER_QUEUE_MAX = 1024, // entries of the map `xsks`, indexed by receive queue
	STEER_VLAN_WORDS = 4096 / 64,
};

// An address and port that we serve, all in network order. IPv4 is mapped (::ffff:a.b.c.d).
struct steer_address {
	__be32 words[4];
	__be32 port; // 0 = unused
};

_Static_assert(sizeof(struct steer_address) == 20, "no padding");

// Written by user space while the program runs.
struct steer_state {
	__u64 station;	 // address of the interface, first byte lowest
	__u32 frame_max; // bytes of the biggest frame that fits a buffer
	__u32 generic;	 // 1: the kernel runs the program after GRO, in place of the driver
	__u32 served_count;
	__u64 vlans[STEER_VLAN_WORDS]; // a bit for each VLAN that has an interface here, and for 0
	// A list, not a hash map: a relay serves few addresses, and this costs half as much. An
	// entry is complete before `served_count` covers it or its port is stored.
	struct steer_address served[STEER_SERVED_MAX];
};

// Indexes of the per-CPU map `counters` (64-bit frames).
enum steer_counter {
	STEER_PASSED,  // left to the kernel
	STEER_STEERED, // handed to an AF_XDP socket, or to the kernel where a queue has none
	STEER_COUNTER_COUNT,
};
