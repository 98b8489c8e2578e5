// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <stdint.h>
#include <time.h>

#define NS_PER_S  1000000000ULL
#define NS_PER_MS 1000000ULL
#define NS_PER_US 1000ULL

static inline uint64_t clock_ns(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

// Nanoseconds of CLOCK_MONOTONIC: intervals, timers, last-seen times.
static inline uint64_t clock_mono_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

// Nanoseconds since 1970 (CLOCK_REALTIME): only for what people or files read.
static inline uint64_t clock_real_ns(void)
{
	return clock_ns(CLOCK_REALTIME);
}
