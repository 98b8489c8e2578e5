// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "controlplane/routes.h"
#include "wire/endpoint.h"

#include <uv.h>

// The sockets behind the mirror of routes: netlink, and a UDP socket of each family that probes
// neighbours. Unprivileged.
struct rtnl {
	uv_loop_t *loop;
	struct routes routes;
	int events, dumps; // -1: not open
	int probe_v4, probe_v6;
	uv_poll_t poll_events, poll_dumps;
};

// Opens the sockets. 0 or a negative errno.
int rtnl_open(struct rtnl *n, const struct routes_hooks *hooks);
void rtnl_start(struct rtnl *n, uv_loop_t *loop);
void rtnl_stop(struct rtnl *n);
// Every 100 ms: asks for what is due.
void rtnl_tick(struct rtnl *n, uint64_t now_ns);
// For nexthops_probe(): an empty datagram to the discard port (RFC 863) of a neighbour, which goes
// no further than there.
void rtnl_probe(const struct rtnl *n, uint32_t ifindex, const uint8_t addr[16]);
