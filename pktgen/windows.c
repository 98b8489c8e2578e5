// SPDX-License-Identifier: BSD-3-Clause
#include "pktgen/windows.h"

#include "base/clock.h"

void windows_start(struct windows *w, uint64_t start_ns, double seconds)
{
	uint64_t least = (uint64_t)(seconds * (double)NS_PER_S) / WINDOWS_MAX + 1;

	*w = (struct windows){.start_ns = start_ns, .length_ns = WINDOW_MS * NS_PER_MS};
	if (w->length_ns < least)
		w->length_ns = least;
}

void windows_sent(struct windows *w, uint64_t sent_ns, uint64_t count)
{
	uint64_t i = (sent_ns - w->start_ns) / w->length_ns;

	if (i < WINDOWS_MAX)
		w->sent[i] += count;
}

void windows_arrived(struct windows *w, uint64_t sent_ns, uint64_t now_ns, uint64_t count)
{
	uint64_t i = (sent_ns - w->start_ns) / w->length_ns;

	if (i < WINDOWS_MAX && now_ns - sent_ns <= DEADLINE_MS * NS_PER_MS)
		w->on_time[i] += count;
}

unsigned windows_count(const struct windows *w, double seconds)
{
	uint64_t count = (uint64_t)(seconds * (double)NS_PER_S) / w->length_ns + 1;

	return count < WINDOWS_MAX ? (unsigned)count : WINDOWS_MAX;
}
