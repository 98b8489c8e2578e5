// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "controlplane/neighbours.h"
#include "controlplane/netlink.h"

#include <stdbool.h>
#include <stdint.h>

// A mirror of the kernel's routes (tables main and local) and neighbours, fed with netlink
// messages. Routes are dumped anew whenever something about them changes: the kernel does not
// tell of each route that goes with an interface. No I/O, no clock.
//
// Nothing is guessed: where the mirror cannot know the kernel's answer (policy rules,
// tunnels, more than LPM_ROUTE_MAX routes) there is none, and the kernel is asked with each
// datagram, by sending through the companion link.

enum routes_step {
	ROUTES_RULES_V4,
	ROUTES_RULES_V6,
	ROUTES_MAIN_V4,
	ROUTES_LOCAL_V4,
	ROUTES_MAIN_V6,
	ROUTES_LOCAL_V6,
	ROUTES_NEIGHBOURS_V4,
	ROUTES_NEIGHBOURS_V6,
	ROUTES_IDLE,
};

struct routes_hooks {
	void *ctx;
	// The neighbour is new, changed or gone (usable is false then).
	void (*neighbour)(void *ctx, const struct neigh *n);
	// Any answer of routes_find() may be another one now.
	void (*changed)(void *ctx);
};

struct routes {
	struct routes_hooks hooks;
	struct lpm *table, *fresh; // in use; being filled by a dump
	bool policy[2];		   // IPv4, IPv6: rules beside the kernel's own
	bool fresh_policy[2];
	bool overflow, fresh_overflow;
	bool ready;	       // everything was dumped once
	enum routes_step step; // of the dump that is under way
	bool asked;	       // its request was sent
	bool routes_dirty, neighbours_dirty;
	uint32_t sequence;
	uint64_t dumped_ns;
	struct neighbours neighbours;
};

// 0 or -ENOMEM. Everything is dirty then.
int routes_init(struct routes *r, const struct routes_hooks *hooks);
void routes_free(struct routes *r);
// A message from the kernel. `dump`: answers the request given out last.
void routes_message(struct routes *r, const struct nlmsghdr *msg, bool dump);
// Messages were lost: everything is asked for again.
void routes_lost(struct routes *r);
// Every 100 ms and after each end of a dump: true when a request is to be sent.
bool routes_request(struct routes *r, uint64_t now_ns, struct netlink_request *out);
// That request could not be sent: it is due again.
void routes_unsent(struct routes *r);

// The way to an address, NULL when only the kernel knows. Valid until the next message.
const struct route *routes_find(const struct routes *r, const uint8_t addr[16]);
