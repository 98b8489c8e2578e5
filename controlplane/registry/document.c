// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/registry/document.h"

#include "controlplane/registry/network.h"
#include "controlplane/registry/object.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *parse(const json_t *field, const char *what, char *why, size_t size)
{
	json_error_t error;
	json_t *o;

	if (json_is_object(field))
		return json_deep_copy(field);
	o = json_loads(json_string_value(field), JSON_DECODE_INT_AS_REAL, &error);
	if (!json_is_object(o)) {
		snprintf(why, size, "%s: invalid JSON: %.100s", what, o ? "no object" : error.text);
		json_decref(o);
		return NULL;
	}
	return o;
}

// Numbers were read as doubles; whole ones are written as such.
static json_t *whole_numbers(json_t *v)
{
	double number = json_number_value(v);
	const char *key;
	json_t *item;
	void *next;
	size_t i;

	if (json_is_real(v) && number > -9e15 && number < 9e15 && (double)(int64_t)number == number)
		return json_integer((json_int_t)number);
	json_object_foreach_safe(v, next, key, item)
	    json_object_set_new_nocheck(v, key, whole_numbers(item));
	json_array_foreach(v, i, item) json_array_set_new(v, i, whole_numbers(item));
	return json_incref(v);
}

static bool is_absent(const json_t *field)
{
	const char *text = json_string_value(field);

	return !field || json_is_null(field) || (text && (!*text || !strcmp(text, "null")));
}

static bool to_text(json_t *o, const char *what, char **json, char *why, size_t size)
{
	json_t *whole = whole_numbers(o);

	*json = json_dumps(whole, JSON_COMPACT);
	json_decref(whole);
	if (*json && strlen(*json) <= NETWORK_DOCUMENT_MAX)
		return true;
	free(*json);
	*json = NULL;
	snprintf(why, size, "%s: too long (max %d bytes)", what, NETWORK_DOCUMENT_MAX);
	return false;
}

bool document_read(const json_t *field, const char *what, char **json, char *why, size_t size)
{
	json_t *o;
	bool good;

	*json = NULL;
	if (is_absent(field))
		return true;
	if (!json_is_object(field) && !json_is_string(field)) {
		snprintf(why, size, "%s: invalid JSON: no object", what);
		return false;
	}
	o = parse(field, what, why, size);
	if (!o)
		return false;
	good = to_text(o, what, json, why, size);
	json_decref(o);
	return good;
}

static json_t *read_again(const char *json)
{
	return json_loads(json, JSON_DECODE_INT_AS_REAL, NULL);
}

static bool give_up(char **json, char *why, size_t size, const char *text)
{
	snprintf(why, size, "%s", text);
	free(*json);
	*json = NULL;
	return false;
}

static bool one_of(const char *text, const char *const *names)
{
	for (; *names; names++)
		if (!strcmp(*names, text))
			return true;
	return false;
}

// A Go duration's seconds ("90m", "1h30m"); negative if it is none.
static double duration_s(const char *text)
{
	static const struct {
		const char *unit;
		double s;
	} units[] = {{"ns", 1e-9}, {"us", 1e-6}, {"ms", 1e-3}, {"s", 1}, {"m", 60}, {"h", 3600}};
	double total = 0;

	if (!*text)
		return -1;
	while (*text) {
		char *end;
		double v = strtod(text, &end);
		size_t len = strspn(end, "nusmh"), i;

		for (i = 0; i < 6 &&
			    (strlen(units[i].unit) != len || memcmp(units[i].unit, end, len) != 0);
		     i++)
			;
		if (end == text || i == 6 || !(v >= 0))
			return -1;
		total += v * units[i].s;
		text = end + len;
	}
	return total;
}

static const char *rules_refusal(const json_t *o)
{
	static const char *const prune_by[] = {"score", "age", "activity", NULL};
	double links = 0, prune = -1, fill = -1;

	object_number(o, "links", &links);
	object_number(o, "prune", &prune);
	object_number(o, "fill", &fill);
	if (!(links >= 1))
		return "rules: links must be at least 1";
	if (duration_s(object_text(o, "cycle")) < 60)
		return "rules: invalid cycle: a duration of at least 1m";
	if (!(prune >= 0 && prune <= links) || !(fill >= 0 && fill <= links))
		return "rules: invalid prune or fill: 0 to links";
	if (!one_of(object_text(o, "prune_by"), prune_by))
		return "rules: invalid prune_by: score, age or activity";
	if (strcmp(object_text(o, "fill_how"), "random") != 0)
		return "rules: invalid fill_how: random";
	if (*object_text(o, "grace") && duration_s(object_text(o, "grace")) < 0)
		return "rules: invalid grace: no duration";
	return NULL;
}

bool rules_read(const json_t *field, char **json, char *why, size_t size)
{
	const char *refusal;
	json_t *o;

	if (!document_read(field, "rules", json, why, size))
		return false;
	if (!*json)
		return true;
	o = read_again(*json);
	refusal = rules_refusal(o);
	json_decref(o);
	return refusal ? give_up(json, why, size, refusal) : true;
}

bool policy_read(const json_t *field, char **json, char *why, size_t size)
{
	char text[100] = "";
	double version = 0;
	json_t *o;

	if (!document_read(field, "expr_policy", json, why, size))
		return false;
	if (!*json)
		return true;
	o = read_again(*json);
	object_number(o, "version", &version);
	if (version != 1)
		snprintf(
		    text, sizeof(text), "expr_policy: unsupported version %g (want 1)", version);
	else if (!json_is_array(json_object_get(o, "rules")))
		snprintf(text, sizeof(text), "expr_policy: at least one rule is required");
	json_decref(o);
	return *text ? give_up(json, why, size, text) : true;
}
