// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/stage/familiar.h"

#include "base/clock.h"
#include "dataplane/stage/pages.h"
#include "shm/layout.h"

#include <errno.h>
#include <string.h>

enum {
	LINE_WORDS = CACHE_LINE / 8,
	LINE_BITS = 9, // to choose one of a line's bits
	MARKS = 3,     // bits of a source and node
	GENERATION_SIZE = FAMILIAR_LINES * CACHE_LINE,
};

int familiar_open(struct familiar *f)
{
	*f = (struct familiar){.begun_ns = 0};
	for (int i = 0; i < 2; i++)
		f->lines[i] = pages_map(GENERATION_SIZE);
	if (f->lines[0] && f->lines[1])
		return 0;
	familiar_close(f);
	return -ENOMEM;
}

void familiar_close(struct familiar *f)
{
	for (int i = 0; i < 2; i++)
		pages_unmap(f->lines[i], GENERATION_SIZE);
	*f = (struct familiar){.begun_ns = 0};
}

static void generation_begin(struct familiar *f, uint64_t now_ns)
{
	uint64_t *older = f->lines[1];
	bool stale = now_ns - f->begun_ns >= 2 * FAMILIAR_GENERATION_S * NS_PER_S;

	f->lines[1] = f->lines[0];
	f->lines[0] = older;
	if (f->begun_ns)
		memset(f->lines[0], 0, GENERATION_SIZE);
	if (f->begun_ns && stale)
		memset(f->lines[1], 0, GENERATION_SIZE);
	f->begun_ns = now_ns;
}

bool familiar_meet(struct familiar *f, uint64_t hash, uint64_t now_ns)
{
	uint64_t *newer, *older;
	unsigned met[2] = {0, 0};
	size_t line = hash % FAMILIAR_LINES * LINE_WORDS;

	if (now_ns - f->begun_ns >= FAMILIAR_GENERATION_S * NS_PER_S)
		generation_begin(f, now_ns);
	newer = f->lines[0] + line;
	older = f->lines[1] + line;
	for (unsigned i = 0; i < MARKS; i++) {
		unsigned at = hash >> (64 - (i + 1) * LINE_BITS) & ((1u << LINE_BITS) - 1);
		uint64_t bit = 1ULL << at % 64;

		met[0] += (newer[at / 64] & bit) != 0;
		met[1] += (older[at / 64] & bit) != 0;
		newer[at / 64] |= bit;
	}
	return met[0] == MARKS || met[1] == MARKS;
}
