// SPDX-License-Identifier: BSD-3-Clause
#include "pktgen/histogram.h"

#include <math.h>

enum { SUB = 1 << LOG_LINEAR_BITS };

static uint64_t bucket_top(uint32_t bucket)
{
	unsigned shift;

	if (bucket < 2 * SUB)
		return bucket;
	shift = (bucket >> LOG_LINEAR_BITS) - 1;
	return (((uint64_t)(bucket & (SUB - 1)) + SUB + 1) << shift) - 1;
}

void histogram_add(struct histogram *h, uint64_t value, uint64_t count)
{
	h->count += count;
	if (value > h->max)
		h->max = value;
	h->buckets[log_linear_bucket(value)] += count;
}

uint64_t histogram_quantile(const struct histogram *h, double share)
{
	uint64_t wanted = (uint64_t)ceil(share * (double)h->count), seen = 0;

	if (!h->count)
		return 0;
	for (uint32_t i = 0; i < LOG_LINEAR_BUCKETS; i++) {
		seen += h->buckets[i];
		if (seen >= wanted && seen)
			return bucket_top(i) < h->max ? bucket_top(i) : h->max;
	}
	return h->max;
}
