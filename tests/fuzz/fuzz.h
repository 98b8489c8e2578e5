// SPDX-License-Identifier: BSD-3-Clause
// What every fuzz target includes. A target defines LLVMFuzzerTestOneInput() and aborts, by
// fuzz_check() or a sanitizer, on a finding.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define fuzz_check(condition)     \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

// A heap copy of exactly len bytes; free() it.
static inline uint8_t *fuzz_copy(const uint8_t *data, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);

	fuzz_check(copy);
	if (len > 0)
		memcpy(copy, data, len);
	return copy;
}

// The same with a terminating zero.
static inline char *fuzz_text(const uint8_t *data, size_t len)
{
	char *text = malloc(len + 1);

	fuzz_check(text);
	if (len > 0)
		memcpy(text, data, len);
	text[len] = '\0';
	return text;
}
