// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "controlplane/registry/index.h"
#include "wire/endpoint.h"

#include <stdbool.h>
#include <stdint.h>

// How many connections each source has: an IPv4 address, or the first 64 bits of an IPv6 address.
// One thread.
struct source {
	uint64_t net;
	uint32_t count; // 0: not used, `next` is the next unused place + 1
	uint32_t next;
};

struct sources {
	struct source *at;
	uint32_t used, cap, unused;
	struct index index;
	uint64_t secret;
};

void sources_init(struct sources *s);
void sources_free(struct sources *s);
// False when it has `max` already (0: no limit), or without memory.
bool sources_take(struct sources *s, const struct endpoint *from, uint32_t max);
void sources_give(struct sources *s, const struct endpoint *from);
