// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "controlplane/registry/names.h"
#include "controlplane/registry/registry.h"

// Search by tag and network, the nodes heard last first. The set is gone through in windows of
// FIND_WINDOW nodes, and within a window by liveness, so that a page costs a bounded time whatever
// the number of nodes is. One thread.
enum { FIND_WINDOW = 16384, FIND_PAGE_MAX = 500, FIND_TAG_MAX = 4 };

struct find {
	// What is looked for; at least one tag or a network.
	const char *tags[FIND_TAG_MAX]; // all of them
	unsigned tag_count;
	const struct network *network; // or NULL
	const struct dir_node *viewer; // sees what it may see; NULL: public nodes only
	bool everything;	       // an administrator sees all
	unsigned limit;		       // 1 to FIND_PAGE_MAX
	// Where to go on: zero at first, changed by find_page().
	struct find_cursor {
		uint32_t window;
		uint32_t seen, slot; // last one of the page before; 0, 0 = none
	} cursor;
	bool more; // pages may follow
};

struct find_hit {
	uint32_t seen; // seconds of CLOCK_MONOTONIC
	uint32_t slot;
};

// Fills `hits` (room for `limit`) and returns their number. A page may be empty while more follow.
unsigned find_page(const struct registry *r, struct find *f, struct find_hit *hits);

enum { CURSOR_TEXT_MAX = 40 };
char *cursor_text(char out[CURSOR_TEXT_MAX], const struct find_cursor *c);
// False when it is none of ours; "" is the start.
bool cursor_parse(const char *text, struct find_cursor *c);
