// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "config/config.h"
#include "controlplane/admin.h"
#include "controlplane/attach.h"
#include "controlplane/endpoints.h"
#include "controlplane/hub.h"
#include "controlplane/punch.h"
#include "controlplane/stats.h"
#include "controlplane/verify.h"
#include "shm/node_writer.h"
#include "shm/peer_table.h"

#include <stdbool.h>
#include <uv.h>

// The process. Everything below runs in the main thread but verification.

// What exists only while a data plane is attached.
struct session {
	struct memory *memory;
	struct node_writer nodes;
	struct peer_writer peers;
	struct endpoints endpoints;
	struct punch punch;
};

struct cp {
	uv_loop_t loop;
	int argc; // as main() got them, for reload
	char **argv;
	struct config config;
	uint64_t started_ns; // CLOCK_MONOTONIC
	struct cp_stats stats;
	struct attach attach;
	struct hub hub;
	struct session session; // valid while attach.up
	struct verifier verifier;
	struct admin admin;
	uv_timer_t tick;
	uv_signal_t on_term, on_int, on_hup;
	int exit_status;
};

// Writers on the memory that was just mapped. 0 or a negative errno.
int session_open(struct cp *cp);
void session_close(struct cp *cp);
void session_punted(void *cp, const struct punt *p);
// Every 100 ms.
void session_tick(struct cp *cp, uint64_t now_ns);
// Puts cp->config into effect: settings words, admission. Harmless while detached.
void session_configure(struct cp *cp);
