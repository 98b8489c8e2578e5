// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "controlplane/registry/fleet_file.h"

// Fleets: agents that are wired up before they start. A node whose key is listed, or that registers
// with the fleet's token, joins the fleet's network and gets its hostname and tags when it comes.
// Members of a network reach each other, so they trust each other from the first start on. Daemons
// have one text of their own that they send when they register, the e-mail address, so it carries
// the token too: "TOKEN@NAME.fleet". One thread.
struct registry;
struct dir_node;

// What a registration says of fleets; texts may be "".
struct fleet_ticket {
	const char *identity_token, *owner;
};

// Takes over the fleets in the place of those before, makes networks that are missing (their join
// rule is the fleet's token, or an invitation), gives them the fleet's token and welcomes the
// agents that are there. On an error the ones before stay, `next` is to be freed.
int fleets_replace(
    struct registry *r, struct fleets *next, int64_t unix_s, struct parse_error *error);
// A node has come that was not live.
void fleets_welcome(
    struct registry *r, struct dir_node *n, const struct fleet_ticket *ticket, int64_t unix_s);
// An owner's text without a token that it carries: what may be kept and shown.
const char *fleet_owner(const char *owner);
