// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/parse.h"
#include "controlplane/registry/names.h"
#include "crypto/identity.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The file of fleets (docs/registry.md). Pure, any thread.
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

// 0, -EINVAL with line and value of what is wrong, or -ENOMEM. Free it also then.
int fleets_parse(struct fleets *f, const char *text, size_t len, struct parse_error *error);
void fleets_free(struct fleets *f);
// The agent with this key, or NULL.
const struct fleet_agent *fleets_agent(
    const struct fleets *f, const uint8_t key[IDENTITY_KEY_SIZE]);
