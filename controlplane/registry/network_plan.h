// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "controlplane/registry/call.h"

// What a network is to be, before it is made: read and checked entirely, then put into effect, so
// that a request with an error changes nothing. One thread.

struct network_plan {
	// Filled in by the caller; texts belong to the request.
	const char *name, *join_rule, *token, *admin_token;
	bool enterprise;
	// By plan_check(); plan_free() frees them.
	uint8_t rule;
	char *rules, *expr_policy;
};

// `rules` and `expr_policy` may be NULL. False with the error.
bool plan_check(
    struct call *c, struct network_plan *p, const json_t *rules, const json_t *expr_policy);
// The new network, saved; the documents are its own then. NULL with the error.
struct network *plan_create(struct registry *r, struct call *c, struct network_plan *p);
void plan_free(struct network_plan *p);

// Changes of a policy.
struct policy_change {
	bool has_max, has_ports;
	uint32_t max_members;
	uint8_t port_count;
	uint16_t ports[NETWORK_PORT_MAX];
	const char *description; // NULL: as it is
};

// From the fields of that name, each may be NULL. `members`: how many the network has. False with
// the error.
bool policy_change_read(struct call *c, struct policy_change *p, const json_t *max_members,
    const json_t *allowed_ports, const json_t *description, uint32_t members);
// The ports of a network as a list; NULL has none.
void out_ports(struct json_out *o, const char *key, const struct network *net);
void policy_change_apply(struct network *net, const struct policy_change *p);
