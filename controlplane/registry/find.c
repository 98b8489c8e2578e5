// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/registry/find.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The slots that may match: the rarest tag's, the network's members, or all.
struct candidates {
	const struct slot_set *set;
	const struct network *network;
	uint32_t count;
};

static bool choose(const struct registry *r, const struct find *f, struct candidates *c)
{
	*c = (struct candidates){.count = r->nodes.slots};
	for (unsigned i = 0; i < f->tag_count; i++) {
		const struct slot_set *s = directory_tagged(&r->nodes, f->tags[i]);

		if (!s)
			return false;
		if (!c->set || s->count < c->set->count)
			c->set = s;
	}
	if (c->set)
		c->count = c->set->count;
	if (f->network && (!c->set || f->network->count < c->set->count)) {
		c->set = NULL;
		c->network = f->network;
		c->count = f->network->count;
	}
	return true;
}

static const struct dir_node *candidate(
    const struct registry *r, const struct candidates *c, uint32_t i)
{
	if (c->network)
		return directory_live(&r->nodes, c->network->members[i].node);
	return directory_slot(&r->nodes, c->set ? c->set->at[i] : i);
}

static bool matches(const struct registry *r, const struct find *f, const struct dir_node *n)
{
	if (!n || !n->live)
		return false;
	for (unsigned i = 0; i < f->tag_count; i++)
		if (!tags_contain(n->tags, f->tags[i]))
			return false;
	if (f->network && !directory_in_network(n, f->network->id))
		return false;
	return f->everything || n->public || (f->viewer && registry_may_see(r, f->viewer, n));
}

// a comes after b in the order of a page.
static bool is_behind(struct find_hit a, struct find_hit b)
{
	return a.seen != b.seen ? a.seen < b.seen : a.slot > b.slot;
}

// hits[0] is the one furthest behind of a heap.
static void sift_down(struct find_hit *hits, unsigned count)
{
	for (unsigned i = 0, child; (child = 2 * i + 1) < count; i = child) {
		struct find_hit swap = hits[i];

		if (child + 1 < count && is_behind(hits[child + 1], hits[child]))
			child++;
		if (!is_behind(hits[child], hits[i]))
			return;
		hits[i] = hits[child];
		hits[child] = swap;
	}
}

static void sift_up(struct find_hit *hits, unsigned i)
{
	while (i && is_behind(hits[i], hits[(i - 1) / 2])) {
		struct find_hit swap = hits[i];

		hits[i] = hits[(i - 1) / 2];
		hits[(i - 1) / 2] = swap;
		i = (i - 1) / 2;
	}
}

static int compare(const void *a, const void *b)
{
	return is_behind(*(const struct find_hit *)a, *(const struct find_hit *)b) ? 1 : -1;
}

unsigned find_page(const struct registry *r, struct find *f, struct find_hit *hits)
{
	struct find_hit last = {f->cursor.seen, f->cursor.slot};
	uint32_t start = f->cursor.window * FIND_WINDOW, matching = 0;
	bool resume = last.seen || last.slot;
	struct candidates c;
	unsigned count = 0;

	f->more = false;
	if (f->cursor.window > UINT32_MAX / FIND_WINDOW || !choose(r, f, &c))
		return 0;
	for (uint32_t i = start; i < c.count && i - start < FIND_WINDOW; i++) {
		const struct dir_node *n = candidate(r, &c, i);
		struct find_hit hit;

		if (!matches(r, f, n))
			continue;
		hit = (struct find_hit){r->nodes.seen[n->slot], n->slot};
		if (resume && !is_behind(hit, last))
			continue;
		matching++;
		if (count < f->limit) {
			hits[count] = hit;
			sift_up(hits, count++);
		} else if (is_behind(hits[0], hit)) {
			hits[0] = hit;
			sift_down(hits, count);
		}
	}
	qsort(hits, count, sizeof(*hits), compare);
	if (matching > count) {
		f->cursor.seen = hits[count - 1].seen;
		f->cursor.slot = hits[count - 1].slot;
		f->more = true;
	} else {
		f->cursor = (struct find_cursor){.window = f->cursor.window + 1};
		f->more = start + FIND_WINDOW < c.count && start + FIND_WINDOW > start;
	}
	return count;
}

char *cursor_text(char out[CURSOR_TEXT_MAX], const struct find_cursor *c)
{
	snprintf(out, CURSOR_TEXT_MAX, "%u.%u.%u", c->window, c->seen, c->slot);
	return out;
}

bool cursor_parse(const char *text, struct find_cursor *c)
{
	int end = 0;

	*c = (struct find_cursor){0};
	if (!*text)
		return true;
	if (strlen(text) >= CURSOR_TEXT_MAX)
		return false;
	// NOLINTNEXTLINE(cert-err34-c): out of range gives another place, which is as good
	return sscanf(text, "%u.%u.%u%n", &c->window, &c->seen, &c->slot, &end) == 3 && !text[end];
}
