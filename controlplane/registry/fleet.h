// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/parse.h"
#include "controlplane/registry/names.h"
#include "crypto/identity.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Fleets: agents that are wired up before they start (docs/registry.md has the file). A node whose
// key is listed, or that registers with the fleet's token as identity_token, joins the fleet's
// network and gets its hostname and tags when it comes. Members of a network reach each other, so
// they trust each other from the first start on. One thread.
enum { FLEET_MAX = 256, FLEET_AGENT_MAX = 100000 };

struct fleet {
	char name[NAME_LEN_MAX + 1]; // of its network
	char *token;		     // owned, or NULL
	char tags[TAGS_TEXT_MAX];
	bool public;
};

struct fleet_agent {
	uint8_t key[IDENTITY_KEY_SIZE];
	char hostname[NAME_LEN_MAX + 1];
	char tags[TAGS_TEXT_MAX];
	uint32_t fleet;
};

struct fleets {
	struct fleet *fleet;
	struct fleet_agent *agent; // by key, ascending
	uint32_t count, agent_count;
};

struct registry;
struct dir_node;

// Parses the file's text. 0, -EINVAL with what is wrong, or -ENOMEM. Free it also then.
int fleets_parse(struct fleets *f, const char *text, size_t len, struct parse_error *error);
void fleets_free(struct fleets *f);
// Makes networks that are missing (their join rule is the fleet's token, or an invitation) and
// welcomes the agents that are there.
int fleets_prepare(struct registry *r, int64_t unix_s, struct parse_error *error);
// A node has come that was not live.
void fleets_welcome(
    struct registry *r, struct dir_node *n, const char *identity_token, int64_t unix_s);
