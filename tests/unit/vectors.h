// SPDX-License-Identifier: BSD-3-Clause
// Bytes for tests: from hex text, or by name from a file in tests/vectors/ ("name hex" lines).
// A wrong name or digit fails the test.
#pragma once

#include "tests/unit/unit.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct vector {
	size_t len;
	uint8_t data[1024];
};

// Blanks between bytes are allowed; stops at the end of the line.
static inline struct vector vector_from_hex(const char *hex)
{
	struct vector v = {0};
	unsigned int byte;

	for (; *hex && *hex != '\n'; hex++) {
		if (*hex == ' ')
			continue;
		assert_true(v.len < sizeof(v.data));
		assert_int_equal(sscanf(hex, "%2x", &byte), 1);
		v.data[v.len++] = (uint8_t)byte;
		assert_true(*++hex != '\0');
	}
	return v;
}

static inline struct vector vector_load(const char *file, const char *name)
{
	char path[512], line[4096];
	struct vector v = {0};
	size_t name_len = strlen(name);

	snprintf(path, sizeof(path), "%s/%s", VECTORS_DIR, file);
	FILE *f = fopen(path, "r");
	assert_non_null(f);
	while (v.len == 0 && fgets(line, sizeof(line), f))
		if (strncmp(line, name, name_len) == 0 && line[name_len] == ' ')
			v = vector_from_hex(line + name_len + 1);
	fclose(f);
	if (v.len == 0)
		fail_msg("%s has no vector %s", path, name);
	return v;
}
