// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "controlplane/endpoints.h"

#include <uv.h>

// Verifies signatures in libuv's thread pool. Bounded: a flood of signed Discovers is shed here.

enum { VERIFY_PENDING_MAX = 256 };

struct verifier {
	uv_loop_t *loop;
	// The node writer's owner when the verification was started; results for another are
	// dropped.
	struct endpoints *endpoints; // NULL: detached
	uint64_t generation;
	unsigned pending;
};

// For endpoints_hooks.verify, with ctx = the verifier. 0, -EAGAIN or -ENOMEM.
int verifier_start(void *ctx, const struct verify_job *job);
