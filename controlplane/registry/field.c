// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/registry/field.h"

#include "controlplane/registry/object.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static struct request_field *field_of(const struct request *q, const char *key, uint8_t kind)
{
	struct request_field *f = request_find(q, key, strlen(key));

	return f && f->kind == kind ? f : NULL;
}

bool field_number(const struct request *q, const char *key, double *out)
{
	const struct request_field *f = field_of(q, key, VALUE_NUMBER);

	if (f)
		*out = f->number;
	return f;
}

uint32_t field_u32(const struct request *q, const char *key)
{
	const struct request_field *f = field_of(q, key, VALUE_NUMBER);

	return f ? number_up_to(f->number, UINT32_MAX) : 0;
}

uint16_t field_u16(const struct request *q, const char *key)
{
	const struct request_field *f = field_of(q, key, VALUE_NUMBER);

	return f ? (uint16_t)number_up_to(f->number, UINT16_MAX) : 0;
}

const char *field_text(const struct request *q, const char *key)
{
	const struct request_field *f = field_of(q, key, VALUE_TEXT);

	return f ? f->text : "";
}

bool field_bool(const struct request *q, const char *key)
{
	const struct request_field *f = field_of(q, key, VALUE_BOOL);

	return f && f->number != 0;
}

const char *field_list(const struct request *q, const char *key, uint32_t *count)
{
	const struct request_field *f = field_of(q, key, VALUE_LIST);

	*count = f ? (uint32_t)f->number : 0;
	return f ? f->text : NULL;
}

static json_t *list_json(const struct request_field *f)
{
	json_t *list = json_array();
	const char *text = f->text;

	for (uint32_t left = (uint32_t)f->number; left > 0; left--, text += strlen(text) + 1)
		json_array_append_new(list, json_string(text));
	return list;
}

const json_t *field_json(const struct request *q, const char *key)
{
	struct request_field *f = request_find(q, key, strlen(key));

	if (!f || f->json)
		return f ? f->json : NULL;
	switch (f->kind) {
	case VALUE_NUMBER:
		f->json = json_real(f->number);
		break;
	case VALUE_TEXT:
		f->json = json_string(f->text);
		break;
	case VALUE_LIST:
		f->json = list_json(f);
		break;
	case VALUE_BOOL:
		f->json = json_boolean(f->number != 0);
		break;
	default:
		f->json = json_null();
	}
	return f->json;
}

enum { BAD = 0x80 };

// Six bits of the characters from '+' to 'z'.
static const uint8_t base64_bits[] = {62, BAD, BAD, BAD, 63, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61,
    BAD, BAD, BAD, BAD, BAD, BAD, BAD, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17,
    18, 19, 20, 21, 22, 23, 24, 25, BAD, BAD, BAD, BAD, BAD, BAD, 26, 27, 28, 29, 30, 31, 32, 33,
    34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51};

static uint32_t six_bits(char c)
{
	size_t at = (size_t)(uint8_t)c - '+';

	return at < sizeof(base64_bits) ? base64_bits[at] : BAD;
}

// Right texts of just this size; of others libsodium says what is wrong. It takes many times as
// long, for secrets, which these are not.
static bool base64_read(const char *text, uint8_t *out, size_t size)
{
	uint32_t bad = 0;

	if (strlen(text) != (size + 2) / 3 * 4)
		return false;
	for (size_t at = 0; at < size; at += 3, text += 4) {
		size_t n = size - at < 3 ? size - at : 3;
		uint32_t bits = 0;

		for (size_t i = 0; i < 4; i++) {
			uint32_t six = i <= n ? six_bits(text[i]) : text[i] == '=' ? 0 : BAD;

			bad |= six;
			bits = bits << 6 | (six & 63);
		}
		for (size_t i = 0; i < 3; i++) {
			uint8_t byte = (uint8_t)(bits >> (16 - 8 * i));

			if (i < n)
				out[at + i] = byte;
			else if (byte)
				bad = BAD;
		}
	}
	return !(bad & BAD);
}

static int base64_parse(const char *text, uint8_t *out, size_t size)
{
	uint8_t decoded[IDENTITY_SIG_SIZE + 32];
	size_t len;
	const char *end;

	if (base64_read(text, out, size))
		return 0;
	if (sodium_base642bin(decoded, sizeof(decoded), text, strlen(text), NULL, &len, &end,
		sodium_base64_VARIANT_ORIGINAL) != 0 ||
	    *end)
		return -EINVAL;
	if (len != size)
		return -EMSGSIZE;
	memcpy(out, decoded, size);
	return 0;
}

int field_base64(const struct request *q, const char *key, uint8_t *out, size_t size)
{
	const char *text = field_text(q, key);

	return *text ? base64_parse(text, out, size) : -ENOENT;
}

char *key_text(char out[KEY_TEXT_MAX], const uint8_t key[IDENTITY_KEY_SIZE])
{
	return sodium_bin2base64(
	    out, KEY_TEXT_MAX, key, IDENTITY_KEY_SIZE, sodium_base64_VARIANT_ORIGINAL);
}

bool key_parse(const char *text, uint8_t key[IDENTITY_KEY_SIZE])
{
	return base64_parse(text, key, IDENTITY_KEY_SIZE) == 0;
}

bool time_parse(const char *text, int64_t *unix_s)
{
	struct tm tm = {0};
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	int hours = 0, minutes = 0;
	char sign;

	if (!rest)
		return false;
	if (*rest == '.')
		rest += 1 + strspn(rest + 1, "0123456789");
	if (strcmp(rest, "Z") != 0 && strcmp(rest, "z") != 0) {
		// NOLINTNEXTLINE(cert-err34-c): two digits each
		if (strlen(rest) != 6 || sscanf(rest, "%c%2d:%2d", &sign, &hours, &minutes) != 3 ||
		    (sign != '+' && sign != '-'))
			return false;
		if (sign == '-') {
			hours = -hours;
			minutes = -minutes;
		}
	}
	*unix_s = (int64_t)timegm(&tm) - hours * 3600 - minutes * 60;
	return true;
}
