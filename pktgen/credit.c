// SPDX-License-Identifier: BSD-3-Clause
#include "pktgen/credit.h"

#include "base/clock.h"

bool credit_left(struct credit *c, uint64_t sent, uint64_t received, uint64_t now_ns)
{
	bool heard = received != c->received;

	// what was given up may come all the same
	if (!c->size || (int64_t)(sent - received - c->lost) < (int64_t)c->size || heard) {
		c->received = received;
		c->heard_ns = now_ns;
	}
	if (now_ns - c->heard_ns >= CREDIT_PATIENCE_MS * NS_PER_MS) {
		c->lost = sent - received;
		c->heard_ns = now_ns;
	}
	return !c->size || (int64_t)(sent - received - c->lost) < (int64_t)c->size;
}
