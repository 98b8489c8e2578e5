// SPDX-License-Identifier: BSD-3-Clause
// What every fuzz target includes. A target defines LLVMFuzzerTestOneInput() and aborts, by
// fuzz_check() or a sanitizer, on a finding.
#pragma once

#include "tests/exact_copy.h"

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

// A heap copy with a terminating zero; free() it.
static inline char *fuzz_text(const uint8_t *data, size_t len)
{
	char *text = malloc(len + 1);

	fuzz_check(text);
	if (len > 0)
		memcpy(text, data, len);
	text[len] = '\0';
	return text;
}
