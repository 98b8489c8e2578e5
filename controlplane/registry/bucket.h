// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <stdbool.h>
#include <stdint.h>

// What somebody has used lately: it drains evenly, and who stands at the burst has to wait. What
// turns out dear may go beyond it. Time is counted in ticks of the owner's choice. All zero is
// nothing used.
struct bucket {
	int32_t used;
	uint32_t at;
};

static inline void bucket_drain(struct bucket *b, uint32_t now, uint32_t a_tick)
{
	int64_t used = b->used - (int64_t)(now - b->at) * a_tick;

	b->used = used > 0 ? (int32_t)used : 0;
	b->at = now;
}
