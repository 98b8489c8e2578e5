// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <stdbool.h>
#include <stdint.h>

// What an interface can do with XDP programs and sockets. Main thread.

struct xdp_features {
	bool tx;	// XDP_TX, of frames that came in there
	bool redirect;	// XDP_REDIRECT, also of its own
	bool zero_copy; // AF_XDP without copies; true also where the kernel does not say
};

// Asks the kernel (netdev generic netlink, Linux 6.3 and later). An older kernel does not say: a
// veth, which loses such frames unless its peer has NAPI, then counts as unable. XDP_TX of a veth
// wakes its peer only if that has an XDP program itself, so it is never counted on.
struct xdp_features xdp_features_read(const char *ifname, uint32_t ifindex);
