// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/stage/familiar.h"

#include "base/clock.h"
#include "shm/layout.h"

#include <assert.h>
#include <string.h>

enum {
	LINE_WORDS = CACHE_LINE / 8,
	TAG_BITS = 16, // at the end of a line: the generation that its bits belong to
	LINE_BITS = CACHE_LINE * 8 - TAG_BITS,
	CHOICE_BITS = 15, // of the hash, to choose one of a line's bits
	MARKS = 3,	  // bits of a source and node
};

static_assert(FAMILIAR_SIZE == 2 * FAMILIAR_LINES * CACHE_LINE, "two generations");

void familiar_init(struct familiar *f, void *room)
{
	uint64_t *lines = room;

	*f = (struct familiar){.lines = {lines, lines + FAMILIAR_LINES * LINE_WORDS}};
}

static uint64_t *line_of(const struct familiar *f, uint32_t generation, uint64_t hash)
{
	return f->lines[generation % 2] + hash % FAMILIAR_LINES * LINE_WORDS;
}

// Tags are never 0, so fresh memory belongs to no generation.
static uint64_t tag_of(uint32_t generation)
{
	return generation % ((1u << TAG_BITS) - 1) + 1;
}

static bool line_is_of(const uint64_t *line, uint32_t generation)
{
	return line[LINE_WORDS - 1] >> (64 - TAG_BITS) == tag_of(generation);
}

bool familiar_meet(struct familiar *f, uint64_t hash, uint64_t now_ns)
{
	const uint32_t generation = (uint32_t)(now_ns / (FAMILIAR_GENERATION_S * NS_PER_S));
	uint64_t *newer = line_of(f, generation, hash);
	const uint64_t *older;
	unsigned met[2] = {0, 0};

	if (f->generation != generation) {
		f->before = f->generation;
		f->generation = generation;
	}
	// Where nobody was noted before, memory that was never touched stays so.
	older = f->before == generation - 1 ? line_of(f, generation - 1, hash) : newer;
	// A first touch that writes is one page fault, one that reads and then writes two.
	__atomic_fetch_add(&newer[0], 0, __ATOMIC_RELAXED);
	if (!line_is_of(newer, generation)) {
		memset(newer, 0, CACHE_LINE);
		newer[LINE_WORDS - 1] = tag_of(generation) << (64 - TAG_BITS);
	}
	for (unsigned i = 0; i < MARKS; i++) {
		uint64_t choice = hash >> (64 - (i + 1) * CHOICE_BITS) & ((1u << CHOICE_BITS) - 1);
		unsigned at = (unsigned)(choice * LINE_BITS >> CHOICE_BITS);
		uint64_t bit = 1ULL << at % 64;

		met[0] += (newer[at / 64] & bit) != 0;
		met[1] += (older[at / 64] & bit) != 0;
		newer[at / 64] |= bit;
	}
	return met[0] == MARKS || (met[1] == MARKS && line_is_of(older, generation - 1));
}
