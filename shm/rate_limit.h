// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <stdbool.h>
#include <stdint.h>

// Token buckets, one 64-bit word each: the time at which the bucket will be full again (GCRA,
// ITU-T I.371 virtual scheduling). Zero is a full bucket, so fresh memory needs no setting up.
// Workers and BPF programs use the same functions.

struct rate_limit {
	uint64_t rate; // datagrams per second; 0 = no limit
	uint64_t burst;
	uint64_t interval_ns; // one token's time; 0 = no limit
	uint64_t slack_ns;    // how far ahead of now a bucket may be and still give a token
};

static inline bool rate_limit_is(const struct rate_limit *l, uint64_t rate, uint64_t burst)
{
	return l->rate == rate && l->burst == burst;
}

// A burst of 0 counts as 1.
static inline void rate_limit_set(struct rate_limit *l, uint64_t rate, uint64_t burst)
{
	l->rate = rate;
	l->burst = burst;
	l->interval_ns = rate ? 1000000000 / rate : 0;
	l->slack_ns = burst > 1 ? (burst - 1) * l->interval_ns : 0;
}

static inline bool bucket_take(uint64_t *full_at, const struct rate_limit *l, uint64_t now_ns)
{
	uint64_t at = *full_at > now_ns ? *full_at : now_ns;

	if (at - now_ns > l->slack_ns)
		return false;
	*full_at = at + l->interval_ns;
	return true;
}
