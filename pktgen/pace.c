// SPDX-License-Identifier: BSD-3-Clause
#include "pktgen/pace.h"

#include "base/clock.h"

#include <time.h>

enum {
	SLEEP_MAX_NS = 10000000,
	SLEEP_MIN_NS =
	    100000, // shorter gaps are spun away: a sleep takes about 60 us more than asked
};

static const double ns_per_second = 1e9;

void pace_start(struct pace *p, double rate, double seconds)
{
	*p = (struct pace){.start_ns = clock_mono_ns(), .rate = rate};
	p->end_ns = p->start_ns + (uint64_t)(seconds * ns_per_second);
}

unsigned pace_due(const struct pace *p, unsigned batch, uint64_t now)
{
	double due;

	if (now >= p->end_ns)
		return 0;
	if (p->rate <= 0)
		return batch;
	due = (double)(now - p->start_ns) * p->rate / ns_per_second - (double)p->sent;
	if (due >= batch)
		return batch;
	if (due >= 1 && (double)batch / p->rate > (double)NS_PER_MS / ns_per_second)
		return (unsigned)due;
	return 0;
}

unsigned pace_next(struct pace *p, unsigned batch)
{
	for (;;) {
		uint64_t now = clock_mono_ns(), due_ns;
		unsigned due = pace_due(p, batch, now);

		if (due || now >= p->end_ns)
			return due;
		due_ns = p->start_ns + (uint64_t)((double)(p->sent + 1) / p->rate * ns_per_second);
		if (due_ns > now + SLEEP_MIN_NS) {
			struct timespec gap = {
			    .tv_nsec =
				(long)(due_ns - now < SLEEP_MAX_NS ? due_ns - now : SLEEP_MAX_NS)};

			nanosleep(&gap, NULL);
		}
	}
}
