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
	case VALUE_BOOL:
		f->json = json_boolean(f->number != 0);
		break;
	default:
		f->json = json_null();
	}
	return f->json;
}

static int base64_parse(const char *text, uint8_t *out, size_t size)
{
	uint8_t decoded[IDENTITY_SIG_SIZE + 32];
	size_t len;
	const char *end;

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
