// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
#pragma once

// The contract between the steering program and user space: the only header that both include.

#include <linux/types.h>

enum {
	STEER_SERVED_MAX = 64,	// entries of the map `served`
	STEER_QUEUE_MAX = 1024, // entries of the map `xsks`, indexed by receive queue
};

// Key of the map `served`; the value is unused. IPv4 addresses are mapped (::ffff:a.b.c.d).
struct steer_key {
	__u8 address[16];
	__be16 port; // network order
};

_Static_assert(sizeof(struct steer_key) == 18, "a hash key without padding");

// Indexes of the per-CPU map `counters` (64-bit frames).
enum steer_counter {
	STEER_PASSED,  // left to the kernel
	STEER_STEERED, // handed to an AF_XDP socket, or to the kernel where a queue has none
	STEER_COUNTER_COUNT,
};
