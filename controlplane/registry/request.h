// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// A request's body: one JSON object (RFC 8259), its fields in the order in which they came. Plain
// values (ASCII text without escapes, lists of such, whole numbers of up to 15 digits, literals)
// are read here without allocating anything; all others by jansson, value by value. One thread at a
// time.

enum {
	REQUEST_FIELD_MAX = 64,	   // an object with more is refused
	REQUEST_VALUE_MAX = 65536, // and one with more commas, brackets and escapes
};

enum value_kind { VALUE_NULL, VALUE_BOOL, VALUE_NUMBER, VALUE_TEXT, VALUE_LIST, VALUE_OTHER };

struct request_field {
	// of VALUE_TEXT; of VALUE_LIST the first, the others follow, each behind the zero of the
	// one before
	const char *key, *text;
	double number; // VALUE_BOOL: 0 or 1; VALUE_LIST: how many
	json_t *json;  // owned; NULL until somebody asks for it
	uint32_t key_len;
	uint8_t kind;
};

struct request {
	char *text; // the body, strings terminated in place
	size_t room;
	uint32_t count, fields_room;
	struct request_field *fields;
};

// An empty request. NULL without memory.
struct request *request_new(void);
void request_free(struct request *q);
// Reads another body into it. 0, -EINVAL (no object; null is an empty one) or -ENOMEM; empty
// then.
int request_read(struct request *q, const void *text, size_t len);
// Both in one: NULL when it is none.
struct request *request_parse(const void *text, size_t len);

// The last field of this name. NULL: none.
struct request_field *request_find(const struct request *q, const char *key, size_t len);
