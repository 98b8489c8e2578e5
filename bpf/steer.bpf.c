// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)

// Steers, and leaves the relaying to the engine.

#include "bpf/steer.h"

// Declared as able to take frames in several buffers, so that it can be attached at any MTU;
// such frames are longer than their first buffer and go to the kernel.
SEC("xdp.frags")
int steer(struct xdp_md *ctx)
{
	return steer_frame(ctx);
}

char steer_license[] SEC("license") = "Dual BSD/GPL";
