// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "wire/endpoint.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// What the parts of the control plane are given and what they give back; none of them does I/O.

// A datagram that a worker handed up. `data` is valid during the call.
struct punt {
	const uint8_t *data;
	size_t len;
	struct endpoint from;
	uint8_t punt_class; // enum punt_class
	uint8_t local;	    // local index it was sent to
	bool unanswered;    // a Discover that the worker did not answer
	uint64_t now_ns;    // CLOCK_MONOTONIC of this turn of the loop
};

// Sends a datagram from a local index. 0 or -EAGAIN (no room: the datagram is counted and lost
// unless the caller tries again).
struct emitter {
	int (*send)(
	    void *ctx, const struct endpoint *to, uint8_t local, const void *data, size_t len);
	void *ctx;
};

static inline int emit(
    const struct emitter *e, const struct endpoint *to, uint8_t local, const void *data, size_t len)
{
	return e->send(e->ctx, to, local, data, len);
}
