// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <stdint.h>

// Log-linear histogram in the manner of HdrHistogram: 1/64 relative resolution over all of 64 bits.
// Values are nanoseconds here, any unit in general. Not thread-safe.

enum {
	HISTOGRAM_SUB_BITS = 6,
	HISTOGRAM_BUCKETS = (64 - HISTOGRAM_SUB_BITS + 1) << HISTOGRAM_SUB_BITS,
};

struct histogram {
	uint64_t count;
	uint64_t max;
	uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *h, uint64_t value);
// The smallest value that at least `share` (0 to 1) of all values do not exceed, rounded up to the
// resolution; 0 without values.
uint64_t histogram_quantile(const struct histogram *h, double share);
