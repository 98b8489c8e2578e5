// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
#pragma once

// The contract between the steering program and user space: the only header that both include.

#include <linux/types.h>

enum {
	STEER_SERVED_MAX = 64,	// entries of `served`
	STEER_QUEUE_MAX = 1024, // entries of the map `xsks`, indexed by receive queue
};

// An address and port that we serve, all in network order. IPv4 is mapped (::ffff:a.b.c.d).
struct steer_address {
	__be32 words[4];
	__be32 port; // 0 = unused
};

_Static_assert(sizeof(struct steer_address) == 20, "no padding");

// Indexes of the per-CPU map `counters` (64-bit frames).
enum steer_counter {
	STEER_PASSED,  // left to the kernel
	STEER_STEERED, // handed to an AF_XDP socket, or to the kernel where a queue has none
	STEER_COUNTER_COUNT,
};
