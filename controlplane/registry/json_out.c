// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/registry/json_out.h"

#include "base/decimal.h"
#include "wire/address.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { OUT_FIRST = 512 };

void out_reset(struct json_out *o, size_t limit)
{
	o->len = 0;
	o->limit = limit;
	o->failed = false;
}

void out_free(struct json_out *o)
{
	free(o->text);
	*o = (struct json_out){0};
}

static bool grow(struct json_out *o, size_t more)
{
	size_t cap = o->cap ? o->cap : OUT_FIRST;
	char *text;

	while (cap < o->len + more)
		cap *= 2;
	text = realloc(o->text, cap);
	if (!text) {
		o->failed = true;
		return false;
	}
	o->text = text;
	o->cap = cap;
	return true;
}

static bool reserve(struct json_out *o, size_t more)
{
	if (o->failed || o->len + more > o->limit) {
		o->failed = true;
		return false;
	}
	return o->len + more <= o->cap || grow(o, more);
}

void out_bytes(struct json_out *o, const void *bytes, size_t len)
{
	if (!reserve(o, len))
		return;
	memcpy(o->text + o->len, bytes, len);
	o->len += len;
}

static void put(struct json_out *o, char c)
{
	if (reserve(o, 1))
		o->text[o->len++] = c;
}

static bool is_plain(const char *s, size_t len)
{
	unsigned special = 0;

	for (size_t i = 0; i < len; i++)
		special |= ((unsigned char)s[i] < 0x20) | (s[i] == '"') | (s[i] == '\\');
	return !special;
}

static void put_string(struct json_out *o, const char *s, size_t len)
{
	size_t plain = 0;

	if (is_plain(s, len) && reserve(o, len + 2)) {
		o->text[o->len] = '"';
		memcpy(o->text + o->len + 1, s, len);
		o->text[o->len + len + 1] = '"';
		o->len += len + 2;
		return;
	}
	put(o, '"');
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i];
		char escape[8];

		if (c >= 0x20 && c != '"' && c != '\\')
			continue;
		out_bytes(o, s + plain, i - plain);
		plain = i + 1;
		if (c == '"' || c == '\\')
			snprintf(escape, sizeof(escape), "\\%c", c);
		else
			snprintf(escape, sizeof(escape), "\\u%04x", c);
		out_bytes(o, escape, strlen(escape));
	}
	out_bytes(o, s + plain, len - plain);
	put(o, '"');
}

// The comma that is due, and the key.
static void lead(struct json_out *o, const char *key)
{
	char last = o->len ? o->text[o->len - 1] : 0;

	// A frame header may end with any byte, but then no value is written yet and none is due.
	if (o->len > 4 && last != '{' && last != '[')
		put(o, ',');
	if (key) {
		put_string(o, key, strlen(key));
		put(o, ':');
	}
}

void out_open(struct json_out *o, const char *key, char bracket)
{
	lead(o, key);
	put(o, bracket);
}

void out_close(struct json_out *o, char bracket)
{
	put(o, bracket);
}

void out_text_n(struct json_out *o, const char *key, const char *value, size_t len)
{
	lead(o, key);
	put_string(o, value, len);
}

void out_text(struct json_out *o, const char *key, const char *value)
{
	out_text_n(o, key, value, strlen(value));
}

void out_int(struct json_out *o, const char *key, int64_t value)
{
	char text[1 + DECIMAL_MAX] = "-";
	bool below = value < 0;
	size_t len = decimal_write(text + below, below ? 0 - (uint64_t)value : (uint64_t)value);

	lead(o, key);
	out_bytes(o, text, below + len);
}

void out_bool(struct json_out *o, const char *key, bool value)
{
	out_raw(o, key, value ? "true" : "false");
}

void out_raw(struct json_out *o, const char *key, const char *json)
{
	lead(o, key);
	out_bytes(o, json, strlen(json));
}

void out_list(struct json_out *o, const char *key, const char *list, char separator)
{
	out_open(o, key, '[');
	while (list && *list) {
		const char *end = strchrnul(list, separator);

		out_text_n(o, NULL, list, (size_t)(end - list));
		list = *end ? end + 1 : end;
	}
	out_close(o, ']');
}

void out_time(struct json_out *o, const char *key, int64_t unix_s)
{
	time_t at = (time_t)unix_s;
	struct tm tm;
	char text[32];

	gmtime_r(&at, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	out_text(o, key, text);
}

void out_address(struct json_out *o, const char *key, uint16_t network, uint32_t node)
{
	char text[ADDRESS_TEXT_MAX];

	address_format((struct address){.network = network, .node = node}, text, sizeof(text));
	out_text(o, key, text);
}
