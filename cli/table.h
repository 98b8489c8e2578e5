// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

// Text tables of JSON objects.

enum cell { CELL_TEXT, CELL_NUMBER, CELL_AGE, CELL_YES, CELL_SIZE };

struct column {
	const char *title;
	const char *key; // member of the object
	enum cell cell;	 // a missing or null member is written as "-"
};

enum { CELL_MAX = 160, COLUMNS_MAX = 12 };

// `columns` ends with a NULL title. Numbers stand right, text left; the last text column is not
// padded.
void table_print(FILE *out, const struct column *columns, const json_t *list);

// 1234567 as 1,234,567. Buffers of 32 bytes are large enough. Return `out`.
char *format_count(char *out, uint64_t value);
// 4200000 as 4.20M.
char *format_short(char *out, double value);
// Seconds as 3s, 5m 10s, 2h 5m, 3d 4h.
char *format_age(char *out, double seconds);
// Text of one member, as a cell.
char *format_cell(char *out, const json_t *value, enum cell cell);

// The texts of `list`, one behind the other; what is no text is "?". At most size - 1 bytes, cut at
// the end if need be. Returns `out`.
char *format_texts(char *out, size_t size, const json_t *list, const char *separator);

// A member, or the fall-back if it is missing or of another type.
const char *member_text(const json_t *object, const char *key, const char *fallback);
uint64_t member_count(const json_t *object, const char *key);
double member_real(const json_t *object, const char *key);
