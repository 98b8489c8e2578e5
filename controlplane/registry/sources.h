// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "controlplane/registry/bucket.h"
#include "controlplane/registry/index.h"
#include "wire/endpoint.h"

#include <stdbool.h>
#include <stdint.h>

// What each source has: an IPv4 address, or the first 64 bits of an IPv6 address. One thread.
struct source {
	uint64_t net;
	uint32_t count;	      // connections, nodes, or lines left out
	uint32_t next;	      // of one that is not used: the next such place + 1
	struct bucket bucket; // requests, nodes that have proven their key, lines, or bytes
	uint32_t rest;	      // bytes of incomplete requests
	uint32_t output;      // bytes of answers that wait
	bool used;
};

struct sources {
	struct source *at;
	uint32_t used, cap, unused, cursor;
	struct index index;
	uint64_t secret;
};

void sources_init(struct sources *s);
void sources_free(struct sources *s);
// The entry of an address, made if it is missing; NULL without memory. It stays in its place,
// though the next call may move all of them, while its `count` is not 0, and until sources_sweep().
struct source *sources_of(struct sources *s, const struct endpoint *from);
void sources_give(struct sources *s, const struct endpoint *from);
// Goes on through some of them: drains their buckets, and forgets who has nothing.
void sources_sweep(struct sources *s, uint32_t now, uint32_t a_tick);
