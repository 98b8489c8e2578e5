// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/log_linear.h"

#include <stdint.h>

// Log-linear histogram. Values are nanoseconds here, any unit in general. Not thread-safe.

struct histogram {
	uint64_t count;
	uint64_t max;
	uint64_t buckets[LOG_LINEAR_BUCKETS];
};

void histogram_add(struct histogram *h, uint64_t value, uint64_t count);
// The smallest value that at least `share` (0 to 1) of all values do not exceed, rounded up to the
// resolution; 0 without values.
uint64_t histogram_quantile(const struct histogram *h, double share);
