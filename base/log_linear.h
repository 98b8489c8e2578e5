// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Buckets of a log-linear histogram in the manner of HdrHistogram: 1/64 relative resolution over
// all of 64 bits. Plain C types: XDP programs include this too.

enum {
	LOG_LINEAR_BITS = 6,
	LOG_LINEAR_BUCKETS = (64 - LOG_LINEAR_BITS + 1) << LOG_LINEAR_BITS,
};

// In 64 bits throughout: verifiers lose the bounds of numbers that are cut to 32.
static inline unsigned long long log_linear_bucket(unsigned long long value)
{
	unsigned long long shift = 0;

	if (value < 1 << LOG_LINEAR_BITS)
		return value;
	// clang 14 does not end when it compiles __builtin_clzll for BPF
	for (unsigned step = 32; step; step /= 2)
		if (value >> (shift + step) >> LOG_LINEAR_BITS)
			shift += step;
	return (shift << LOG_LINEAR_BITS) + (value >> shift);
}
