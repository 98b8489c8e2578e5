// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <stdbool.h>
#include <stdint.h>

// Paces a sender: says how many of the next `batch` datagrams are due.

struct pace {
	uint64_t start_ns;
	uint64_t end_ns;
	double rate;   // datagrams per second, 0 = no limit
	uint64_t sent; // by the caller
};

void pace_start(struct pace *p, double rate, double seconds);
// Waits until a batch, or what is due after 1 ms, may be sent. Returns its size, 0 when the time is
// over. The caller counts what it sent into p->sent.
unsigned pace_next(struct pace *p, unsigned batch);
// The same without waiting: 0 also when nothing is due yet. Over once `now` reaches end_ns.
unsigned pace_due(const struct pace *p, unsigned batch, uint64_t now);
