// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/registry/inbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

unsigned inbox_count(const struct inbox *box, enum inbox_kind kind)
{
	unsigned count = 0;

	for (uint32_t i = 0; box && i < box->count; i++)
		count += box->at[i].kind == kind;
	return count;
}

struct inbox_entry *inbox_find(
    const struct inbox *box, enum inbox_kind kind, uint32_t from, uint16_t network)
{
	for (uint32_t i = 0; box && i < box->count; i++) {
		struct inbox_entry *e = &box->at[i];

		if (e->kind == kind && (from == 0 || e->from == from) && e->network == network)
			return e;
	}
	return NULL;
}

static int make_room(struct inbox *box)
{
	uint32_t cap = box->cap ? box->cap * 2 : 2;
	struct inbox_entry *more;

	if (box->count < box->cap)
		return 0;
	more = realloc(box->at, cap * sizeof(*more));
	if (!more)
		return -ENOMEM;
	box->at = more;
	box->cap = cap;
	return 0;
}

int inbox_add(struct inbox **box, struct inbox_entry entry)
{
	int rc = inbox_count(*box, entry.kind) >= INBOX_MAX ? -ENOSPC : 0;

	if (!rc && !*box) {
		*box = calloc(1, sizeof(**box));
		rc = *box ? 0 : -ENOMEM;
	}
	if (!rc)
		rc = make_room(*box);
	if (rc) {
		free(entry.text);
		return rc;
	}
	(*box)->at[(*box)->count++] = entry;
	return 0;
}

void inbox_remove(struct inbox **box, struct inbox_entry *entry)
{
	uint32_t i = (uint32_t)(entry - (*box)->at);

	free(entry->text);
	(*box)->count--;
	memmove(entry, entry + 1, ((*box)->count - i) * sizeof(*entry));
	if ((*box)->count == 0)
		inbox_free(box);
}

void inbox_free(struct inbox **box)
{
	for (uint32_t i = 0; *box && i < (*box)->count; i++)
		free((*box)->at[i].text);
	if (*box)
		free((*box)->at);
	free(*box);
	*box = NULL;
}
