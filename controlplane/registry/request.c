// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/registry/request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { FIELDS_FIRST = 8, TEXT_FIRST = 512, PLAIN_DIGITS = 15 };

// What of the body is still to be read. A zero byte stands behind it.
struct reader {
	struct request *q;
	char *at, *end;
};

struct request *request_new(void)
{
	return calloc(1, sizeof(struct request));
}

static void forget_fields(struct request *q)
{
	while (q->count)
		json_decref(q->fields[--q->count].json);
}

void request_free(struct request *q)
{
	if (!q)
		return;
	forget_fields(q);
	free(q->fields);
	free(q->text);
	free(q);
}

static void skip_space(struct reader *r)
{
	while (*r->at == ' ' || *r->at == '\t' || *r->at == '\n' || *r->at == '\r')
		r->at++;
}

// The value by jansson, which says how long it is. `flags`: JSON_ALLOW_NUL or 0.
static json_t *read_any(struct reader *r, size_t flags)
{
	json_error_t error;
	json_t *v = json_loadb(r->at, (size_t)(r->end - r->at),
	    JSON_DECODE_INT_AS_REAL | JSON_DECODE_ANY | JSON_DISABLE_EOF_CHECK | flags, &error);

	if (v)
		r->at += error.position;
	return v;
}

// What ends the plain characters at `p`.
static char *skip_plain(char *p)
{
	while (*p >= ' ' && *p < 0x7f && *p != '"' && *p != '\\')
		p++;
	return p;
}

// A text at its quote, decoded in place: that never makes it longer. With JSON_ALLOW_NUL it ends
// before a zero. NULL: no text.
static const char *read_text(struct reader *r, size_t flags)
{
	char *start = r->at + 1, *p = skip_plain(start);
	json_t *decoded;

	if (*p == '"') {
		*p = 0;
		r->at = p + 1;
		return start;
	}
	decoded = read_any(r, flags);
	if (!json_is_string(decoded)) {
		json_decref(decoded);
		return NULL;
	}
	memcpy(start, json_string_value(decoded), json_string_length(decoded) + 1);
	json_decref(decoded);
	return start;
}

// A list of plain texts without space between them, packed in place; else false and nothing is
// read.
static bool read_list(struct reader *r, struct request_field *f)
{
	char *p = r->at, *to = p;
	uint32_t count = 0;

	do {
		if (p[1] != '"')
			return false;
		p = skip_plain(p + 2);
		if (*p++ != '"')
			return false;
		count++;
	} while (*p == ',');
	if (*p != ']')
		return false;
	f->text = to;
	f->number = count;
	for (p = r->at; count; count--) {
		for (p += 2; *p != '"'; p++)
			*to++ = *p;
		*to++ = 0;
		p++;
	}
	r->at = p + 1;
	return true;
}

// Digits of which a double holds every one; else false and nothing is read.
static bool read_digits(struct reader *r, double *number)
{
	const char *p = r->at;
	uint64_t v = 0;

	for (; *p >= '0' && *p <= '9' && p - r->at <= PLAIN_DIGITS; p++)
		v = v * 10 + (uint64_t)(*p - '0');
	if (p == r->at || p - r->at > PLAIN_DIGITS || (*r->at == '0' && p - r->at > 1) ||
	    (*p != ',' && *p != '}' && *p != ' '))
		return false;
	*number = (double)v;
	r->at += p - r->at;
	return true;
}

static bool read_word(struct reader *r, const char *word, size_t len)
{
	if (strncmp(r->at, word, len) != 0)
		return false;
	r->at += len;
	return true;
}

static int read_value(struct reader *r, struct request_field *f)
{
	if (*r->at == '"') {
		f->kind = VALUE_TEXT;
		f->text = read_text(r, JSON_ALLOW_NUL);
		return f->text ? 0 : -EINVAL;
	}
	if (*r->at == '[' && read_list(r, f)) {
		f->kind = VALUE_LIST;
	} else if (read_digits(r, &f->number)) {
		f->kind = VALUE_NUMBER;
	} else if (read_word(r, "true", 4)) {
		f->kind = VALUE_BOOL;
		f->number = 1;
	} else if (read_word(r, "false", 5)) {
		f->kind = VALUE_BOOL;
	} else if (!read_word(r, "null", 4)) {
		f->json = read_any(r, JSON_ALLOW_NUL);
		f->kind = json_is_number(f->json) ? VALUE_NUMBER : VALUE_OTHER;
		f->number = json_number_value(f->json);
		return f->json ? 0 : -EINVAL;
	}
	return 0;
}

// One more field, empty.
static struct request_field *field_add(struct request *q)
{
	if (q->count == q->fields_room) {
		uint32_t room = q->fields_room ? q->fields_room * 2 : FIELDS_FIRST;
		struct request_field *fields;

		if (room > REQUEST_FIELD_MAX)
			return NULL;
		fields = realloc(q->fields, room * sizeof(*fields));
		if (!fields)
			return NULL;
		q->fields = fields;
		q->fields_room = room;
	}
	q->fields[q->count] = (struct request_field){0};
	return &q->fields[q->count++];
}

// "key": value, and the space behind it.
static int read_field(struct reader *r)
{
	const char *key = *r->at == '"' ? read_text(r, 0) : NULL;
	struct request_field *f;
	int rc;

	skip_space(r);
	if (!key || *r->at != ':')
		return -EINVAL;
	r->at++;
	skip_space(r);
	f = field_add(r->q);
	if (!f)
		return -EINVAL;
	f->key = key;
	f->key_len = (uint32_t)strlen(key);
	rc = read_value(r, f);
	skip_space(r);
	return rc;
}

static int read_object(struct reader *r)
{
	int rc;

	skip_space(r);
	if (read_word(r, "null", 4)) {
		skip_space(r);
		return r->at == r->end ? 0 : -EINVAL;
	}
	if (*r->at != '{')
		return -EINVAL;
	r->at++;
	skip_space(r);
	if (*r->at != '}') {
		rc = read_field(r);
		while (!rc && *r->at == ',') {
			r->at++;
			skip_space(r);
			rc = read_field(r);
		}
		if (rc || *r->at != '}')
			return -EINVAL;
	}
	r->at++;
	skip_space(r);
	return r->at == r->end ? 0 : -EINVAL;
}

// jansson takes up to half a microsecond for a value.
static bool is_overloaded(const uint8_t *text, size_t len)
{
	size_t values = 0;

	if (len <= REQUEST_VALUE_MAX)
		return false;
	for (size_t i = 0; i < len; i++)
		values += text[i] == ',' || text[i] == '[' || text[i] == '{' || text[i] == '\\';
	return values > REQUEST_VALUE_MAX;
}

int request_read(struct request *q, const void *text, size_t len)
{
	struct reader r = {.q = q};
	int rc;

	forget_fields(q);
	if (is_overloaded(text, len))
		return -EINVAL;
	if (len >= q->room) {
		size_t room = len < TEXT_FIRST ? TEXT_FIRST : len + 1;
		char *bigger = realloc(q->text, room);

		if (!bigger)
			return -ENOMEM;
		q->text = bigger;
		q->room = room;
	}
	memcpy(q->text, text, len);
	q->text[len] = 0;
	r.at = q->text;
	r.end = q->text + len;
	rc = read_object(&r);
	if (rc)
		forget_fields(q);
	return rc;
}

struct request *request_parse(const void *text, size_t len)
{
	struct request *q = request_new();

	if (q && request_read(q, text, len)) {
		request_free(q);
		return NULL;
	}
	return q;
}

struct request_field *request_find(const struct request *q, const char *key, size_t len)
{
	for (uint32_t i = q->count; i > 0; i--) {
		struct request_field *f = &q->fields[i - 1];

		if (f->key_len == len && !memcmp(f->key, key, len))
			return f;
	}
	return NULL;
}
