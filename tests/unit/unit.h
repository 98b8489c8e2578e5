// SPDX-License-Identifier: BSD-3-Clause
// What every unit test includes: cmocka behind the headers that it wants first.
#pragma once

// clang-format off
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
// clang-format on

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

// The bytes in a heap block of exactly their size, so that ASan sees one byte too far.
static inline uint8_t *exact_copy(const void *data, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);

	assert_non_null(copy);
	if (len > 0)
		memcpy(copy, data, len);
	return copy;
}
