// SPDX-License-Identifier: BSD-3-Clause
// What classify makes of a frame with and without the short cut for usual ones
// (dataplane/stage/usual.h): the same, or the short cut is wrong.
#pragma once

#include "dataplane/stage/usual.h"
#include "tests/unit/stage_lab.h"

struct classified {
	struct dgram d;
	struct tally tally;
	uint32_t ids[2];
	unsigned others, relays;
};

// The frames to the lab's local addresses are the usual ones, or none are.
static inline void usual_set(struct stage_lab *lab, bool known)
{
	lab->env.usual4 = lab->env.usual6 = (struct usual){.local = 0};
	if (!known)
		return;
	usual_learn(&lab->env, LAB_V4);
	usual_learn(&lab->env, LAB_V6);
}

// Alone in its burst.
static inline struct classified classify_alone(
    struct stage_lab *lab, const struct dgram *d, bool known)
{
	static struct burst b;
	struct classified c = {.others = 0};
	struct tally before = lab->env.tally;

	b.count = 1;
	b.link = LAB_RAW;
	b.d[0] = *d;
	lab->env.tally = (struct tally){.counters = {0}};
	usual_set(lab, known);
	memset(lab->env.relay.ids, 0, sizeof(c.ids));
	c.others = stage_classify(&b, &lab->env);
	c.d = b.d[0];
	c.tally = lab->env.tally;
	c.relays = lab->env.relay.count;
	memcpy(c.ids, lab->env.relay.ids, sizeof(c.ids));
	lab->env.tally = before;
	return c;
}

// What differs, NULL: nothing. `usual`: whether the short cut took it.
static inline const char *classify_twice(
    struct stage_lab *lab, const uint8_t *frame, size_t len, bool *usual)
{
	struct dgram d, copy;
	struct classified with, without;
	uint32_t ids[2];

	memset(&d, 0x5a, sizeof(d));
	d.l2 = (uint8_t *)frame; // classify only reads
	d.len = (uint32_t)len;
	d.link = LAB_RAW;
	copy = d;
	usual_set(lab, true);
	*usual = usual_take(&copy, &lab->env, ids);
	if (!*usual && memcmp(&copy, &d, sizeof(d)) != 0)
		return "what was left to others is not as it was";
	with = classify_alone(lab, &d, true);
	without = classify_alone(lab, &d, false);
	if (*usual && without.d.verdict != VERDICT_NONE)
		return "what is dropped was taken";
	// One checksum has many sums.
	if (csum_fold(with.d.header_sum) != csum_fold(without.d.header_sum))
		return "header_sum";
	with.d.header_sum = without.d.header_sum;
	if (memcmp(&with.d, &without.d, sizeof(d)) != 0)
		return "the descriptor";
	if (memcmp(&with.tally, &without.tally, sizeof(with.tally)) != 0)
		return "the counters";
	if (with.others != without.others || with.relays != without.relays ||
	    memcmp(with.ids, without.ids, sizeof(ids)) != 0)
		return "what is looked up";
	return NULL;
}
