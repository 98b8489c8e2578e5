// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/parse.h"
#include "controlplane/registry/registry.h"

#include <stddef.h>

// Takes over the JSON snapshot of a Go registry (wire-registry.md section 6): ids, keys, names,
// tags, trust, networks with tokens, roles and policies, inboxes. The registry must be empty.
// Everything taken over is put into the store.
struct import_report {
	uint32_t nodes, gone, pairs, networks, members, inbox;
	uint32_t refused; // entries that make no sense; each is logged
};

// 0 or -EINVAL with `error` (no JSON, another version, a registry that is not empty).
int import_snapshot(struct registry *r, const char *text, size_t len, struct registry_time t,
    struct import_report *report, struct parse_error *error);
