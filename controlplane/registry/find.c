// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/registry/find.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The slots that may match: the rarest tag's, the members of a network that is small, or all.
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
	if (f->network && f->network->count <= FIND_WINDOW && f->network->count < c->count) {
		c->set = NULL;
		c->network = f->network;
		c->count = f->network->count;
	}
	return true;
}

static struct find_hit candidate(const struct registry *r, const struct candidates *c, uint32_t i)
{
	const struct dir_node *n;
	uint32_t slot = c->set ? c->set->at[i] : i;

	if (c->network) {
		n = directory_live(&r->nodes, c->network->members[i].node);
		if (!n)
			return (struct find_hit){0};
		slot = n->slot;
	}
	return (struct find_hit){r->nodes.seen[slot], slot};
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

// A candidate that is live and behind the page before.
static bool is_next(const struct find *f, struct find_hit hit)
{
	return hit.seen && (!f->after.seen || is_behind(hit, f->after));
}

// The candidates that a page looks at: those heard after `second`, and the first ones of it by
// slot.
struct window {
	uint32_t second, room;
	struct find_hit last; // of those that were looked at, the one furthest behind
};

// The FIND_WINDOW candidates that were heard last. Goes through the times only, which lie side by
// side: cheap also for a million.
static struct window choose_window(
    const struct registry *r, const struct find *f, const struct candidates *c)
{
	enum { AGES = 2 * STALE_S };
	uint32_t ages[AGES] = {0}, sum = 0, age = 0;

	if (c->count <= FIND_WINDOW)
		return (struct window){0};
	for (uint32_t i = 0; i < c->count; i++) {
		struct find_hit hit = candidate(r, c, i);

		if (is_next(f, hit) && f->now_s - hit.seen < AGES)
			ages[f->now_s - hit.seen]++;
	}
	while (age < AGES && sum + ages[age] <= FIND_WINDOW)
		sum += ages[age++];
	if (age == AGES)
		return (struct window){0};
	return (struct window){.second = f->now_s - age,
	    .room = FIND_WINDOW - sum,
	    .last = {f->now_s - age + 1, UINT32_MAX}};
}

// Candidates come by slot, so of the window's last second the first ones get the room.
static bool is_inside(struct window *w, struct find_hit hit)
{
	if (hit.seen != w->second)
		return hit.seen > w->second;
	if (!w->room)
		return false;
	w->room--;
	w->last = hit;
	return true;
}

static unsigned keep_best(
    struct find_hit *hits, unsigned count, unsigned limit, struct find_hit hit)
{
	if (count < limit) {
		hits[count] = hit;
		sift_up(hits, count++);
	} else if (is_behind(hits[0], hit)) {
		hits[0] = hit;
		sift_down(hits, count);
	}
	return count;
}

unsigned find_page(const struct registry *r, struct find *f, struct find_hit *hits)
{
	struct candidates c;
	struct window w;
	uint32_t matching = 0;
	unsigned count = 0;

	f->more = false;
	if (!choose(r, f, &c))
		return 0;
	f->looked = c.count;
	w = choose_window(r, f, &c);
	for (uint32_t i = 0; i < c.count; i++) {
		struct find_hit hit = candidate(r, &c, i);

		if (!is_next(f, hit) || !is_inside(&w, hit) ||
		    !matches(r, f, directory_slot(&r->nodes, hit.slot)))
			continue;
		matching++;
		count = keep_best(hits, count, f->limit, hit);
	}
	qsort(hits, count, sizeof(*hits), compare);
	f->more = matching > count || w.second;
	f->after = matching > count ? hits[count - 1] : w.last;
	return count;
}

char *cursor_text(char out[CURSOR_TEXT_MAX], struct find_hit after)
{
	snprintf(out, CURSOR_TEXT_MAX, "%u.%u", after.seen, after.slot);
	return out;
}

bool cursor_parse(const char *text, struct find_hit *after)
{
	int end = 0;

	*after = (struct find_hit){0};
	if (!*text)
		return true;
	if (strlen(text) >= CURSOR_TEXT_MAX)
		return false;
	// NOLINTNEXTLINE(cert-err34-c): out of range gives another place, which is as good
	return sscanf(text, "%u.%u%n", &after->seen, &after->slot, &end) == 2 && !text[end];
}
