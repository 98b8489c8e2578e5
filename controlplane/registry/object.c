// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/registry/object.h"

json_t *object_parse(const void *text, size_t len)
{
	json_t *o =
	    json_loadb(text, len, JSON_DECODE_INT_AS_REAL | JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);

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

bool object_number(const json_t *o, const char *key, double *out)
{
	const json_t *v = json_object_get(o, key);

	if (!json_is_number(v))
		return false;
	*out = json_number_value(v);
	return true;
}

static uint32_t object_up_to(const json_t *o, const char *key, double max)
{
	double v;

	return object_number(o, key, &v) ? number_up_to(v, max) : 0;
}

uint32_t object_u32(const json_t *o, const char *key)
{
	return object_up_to(o, key, UINT32_MAX);
}

uint16_t object_u16(const json_t *o, const char *key)
{
	return (uint16_t)object_up_to(o, key, UINT16_MAX);
}

const char *object_text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

bool object_bool(const json_t *o, const char *key)
{
	return json_is_true(json_object_get(o, key));
}
