// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { DECIMAL_MAX = 20 };

// Writes `v` in decimal, not terminated: its length. For places where snprintf() would be most of
// the work.
static inline size_t decimal_write(char out[DECIMAL_MAX], uint64_t v)
{
	char digits[DECIMAL_MAX];
	size_t at = sizeof(digits);

	do
		digits[--at] = (char)('0' + v % 10);
	while (v /= 10);
	memcpy(out, digits + at, sizeof(digits) - at);
	return sizeof(digits) - at;
}
