// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <stddef.h>
#include <stdlib.h>

// Medians of n >= 1 values, which are sorted by it.

static inline int median_compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static inline double median(double *values, size_t n)
{
	qsort(values, n, sizeof(*values), median_compare);
	return values[n / 2];
}
