// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/registry/field.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

json_t *request_parse(const void *text, size_t len)
{
	json_t *o = json_loadb(text, len, JSON_DECODE_INT_AS_REAL | JSON_DECODE_ANY, NULL);

	if (json_is_null(o)) {
		json_decref(o);
		return json_object();
	}
	if (!json_is_object(o)) {
		json_decref(o);
		return NULL;
	}
	return o;
}

bool field_number(const json_t *o, const char *key, double *out)
{
	const json_t *v = json_object_get(o, key);

	if (!json_is_number(v))
		return false;
	*out = json_number_value(v);
	return true;
}

static uint32_t field_up_to(const json_t *o, const char *key, double max)
{
	double v;

	if (!field_number(o, key, &v) || !(v >= 0) || v > max)
		return 0;
	return (uint32_t)v;
}

uint32_t field_u32(const json_t *o, const char *key)
{
	return field_up_to(o, key, UINT32_MAX);
}

uint16_t field_u16(const json_t *o, const char *key)
{
	return (uint16_t)field_up_to(o, key, UINT16_MAX);
}

const char *field_text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

bool field_bool(const json_t *o, const char *key)
{
	return json_is_true(json_object_get(o, key));
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

int field_base64(const json_t *o, const char *key, uint8_t *out, size_t size)
{
	const char *text = field_text(o, key);

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
