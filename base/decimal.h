// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { DECIMAL_MAX = 20 };

// Reads up to five digits that end in the byte `end`. The text behind that, or NULL where they do
// not, or are above 65535.
static inline const char *decimal_read16(const char *text, char end, uint16_t *v)
{
	uint32_t value = 0;
	size_t digits = 0;

	for (; text[digits] >= '0' && text[digits] <= '9' && digits < 5; digits++)
		value = value * 10 + (uint32_t)(text[digits] - '0');
	if (digits == 0 || text[digits] != end || value > UINT16_MAX)
		return NULL;
	*v = (uint16_t)value;
	return text + digits + 1;
}

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
