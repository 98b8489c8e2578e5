// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <stdbool.h>
#include <stdint.h>

// Bounds what is on its way, so that nothing gets lost because the machine is slow.

enum { CREDIT_PATIENCE_MS = 1000 }; // silence after which what is on its way counts as lost

struct credit {
	uint32_t size; // datagrams on their way at most, 0 = no bound
	uint64_t lost, received, heard_ns;
};

// Whether another datagram may be sent: `sent` and `received` so far, `now` in CLOCK_MONOTONIC.
bool credit_left(struct credit *c, uint64_t sent, uint64_t received, uint64_t now_ns);
