// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Writes compact JSON (RFC 8259) into a buffer that grows up to a limit. `key` is NULL inside of
// arrays and for the outermost value. Memory that ran out or the limit set `failed`; everything
// after that is ignored, so that one check at the end is enough.
struct json_out {
	char *text; // owned; not terminated
	size_t len, cap;
	size_t limit;
	bool failed;
};

// What was written so far goes; the buffer stays.
void out_reset(struct json_out *o, size_t limit);
void out_free(struct json_out *o);

// `bracket` is '{' or '['; out_close gets its partner.
void out_open(struct json_out *o, const char *key, char bracket);
void out_close(struct json_out *o, char bracket);

void out_text(struct json_out *o, const char *key, const char *value);
void out_text_n(struct json_out *o, const char *key, const char *value, size_t len);
void out_int(struct json_out *o, const char *key, int64_t value);
void out_bool(struct json_out *o, const char *key, bool value);
// `json` is a complete JSON value.
void out_raw(struct json_out *o, const char *key, const char *json);
// Bytes as they are, without a comma: frame headers.
void out_bytes(struct json_out *o, const void *bytes, size_t len);

// Elements of a list kept as one text, separated by `separator`; "" or NULL is an empty list.
void out_list(struct json_out *o, const char *key, const char *list, char separator);
// Seconds since 1970 as RFC 3339 text in UTC.
void out_time(struct json_out *o, const char *key, int64_t unix_s);
// Pilot address text of a node.
void out_address(struct json_out *o, const char *key, uint16_t network, uint32_t node);
