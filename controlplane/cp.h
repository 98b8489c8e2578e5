// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "config/config.h"
#include "controlplane/admin.h"
#include "controlplane/announce.h"
#include "controlplane/attach.h"
#include "controlplane/embedded.h"
#include "controlplane/endpoints.h"
#include "controlplane/hot.h"
#include "controlplane/http.h"
#include "controlplane/hub.h"
#include "controlplane/keep.h"
#include "controlplane/nexthops.h"
#include "controlplane/peers.h"
#include "controlplane/punch.h"
#include "controlplane/rtnl.h"
#include "controlplane/stats.h"
#include "controlplane/trace.h"
#include "controlplane/verify.h"
#include "shm/kernel_writer.h"
#include "shm/node_writer.h"
#include "shm/peer_table.h"

#include <stdbool.h>
#include <uv.h>

// The process. Everything below runs in the main thread but verification.

// What exists only while a data plane is attached.
struct session {
	struct memory *memory;
	struct node_writer nodes;
	struct peer_writer peer_writer;
	struct endpoints endpoints;
	struct punch punch;
	struct peers peers;
	struct announce announce;
	struct nexthops nexthops;
	struct kernel_writer kernel; // of the XDP program's tables, where there are some
	struct hot hot;		     // who is in them
	uint64_t opened_ns;
	uint64_t egress_hash; // of the egress table when it was last looked at
	unsigned ticks;
};

struct cp {
	uv_loop_t loop;
	int argc; // as main() got them, for reload
	char **argv;
	const struct config_command *command;
	struct config config;
	const struct config *next_config; // during a reload
	uint64_t started_ns;		  // CLOCK_MONOTONIC
	struct cp_stats stats;
	struct attach attach;
	struct hub hub;
	struct session session; // valid while attach.up
	struct keep keep;
	struct verifier verifier;
	struct rtnl rtnl;
	struct admin admin;
	struct embedded embedded;
	struct trace trace;
	struct http http;
	uv_timer_t tick;
	uv_signal_t on_term, on_int, on_hup;
	int exit_status;
};

// Reads the configuration anew and puts into effect what can change while running. The result of
// the admin request, or NULL with errors; nothing has changed then.
json_t *cp_reload(struct cp *cp, struct config_errors *errors);

// Writers on the memory that was just mapped. 0 or a negative errno.
int session_open(struct cp *cp);
void session_close(struct cp *cp);
// For struct hub and struct rtnl, with ctx = struct cp.
void session_punted(void *ctx, const struct punt *p);
void session_neighbour(void *ctx, const struct neigh *n);
void session_routes_changed(void *ctx);
// Every 100 ms.
void session_tick(struct cp *cp, uint64_t now_ns);
// Puts cp->config into effect: settings words, admission, gossip. Harmless while detached.
void session_configure(struct cp *cp);
