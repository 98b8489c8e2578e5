// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "controlplane/registry/names.h"
#include "controlplane/registry/registry.h"

// Search by tag and network, the nodes heard last first. A page looks closely at FIND_WINDOW nodes
// and no more, so that it costs a bounded time whatever the number of nodes is: of larger sets
// those heard last, behind the page before. One thread.
enum { FIND_WINDOW = 16384, FIND_PAGE_MAX = 500, FIND_TAG_MAX = 4 };

struct find_hit {
	uint32_t seen; // seconds of CLOCK_MONOTONIC
	uint32_t slot;
};

struct find {
	// What is looked for; at least one tag or a network.
	const char *tags[FIND_TAG_MAX]; // all of them
	unsigned tag_count;
	const struct network *network; // or NULL
	const struct dir_node *viewer; // sees what it may see; NULL: public nodes only
	bool everything;	       // an administrator sees all
	unsigned limit;		       // 1 to FIND_PAGE_MAX
	uint32_t now_s;
	struct find_hit after; // where to go on, changed by find_page(); seen 0: at the start
	uint32_t looked;       // by find_page(): how many nodes it went through
	bool more;	       // pages may follow
};

// Fills `hits` (room for `limit`) and returns their number. A page may be empty while more follow.
unsigned find_page(const struct registry *r, struct find *f, struct find_hit *hits);

enum { CURSOR_TEXT_MAX = 24 };
char *cursor_text(char out[CURSOR_TEXT_MAX], struct find_hit after);
// False when it is none of ours; "" is the start.
bool cursor_parse(const char *text, struct find_hit *after);
