// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "controlplane/registry/registry.h"

#include <stddef.h>

// The message "find" (docs/registry.md) as a query of a URL, for those who speak no registry
// protocol: "tag=finance&tag=eu&network=7&limit=50&after=0.1.2". Public nodes only. One thread.
enum {
	FIND_QUERY_MAX = 512,
	FIND_RATE = 20,	     // queries a second that a source may ask
	FIND_RATE_ALL = 100, // and all sources together; of many nodes, one counts as several
	FIND_SOURCES = 256,
};

// Queries of this second; sources share places by a secret hash.
struct find_pace {
	uint32_t second, all;
	uint16_t of[FIND_SOURCES];
};

// The answer as an HTTP status (200, 400, 429, 503) and a JSON object in *body, to be freed; NULL
// without memory. `query` is decoded already.
int find_query(struct registry *r, struct find_pace *pace, const char *query,
    const struct endpoint *from, struct registry_time t, char **body);
