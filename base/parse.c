// SPDX-License-Identifier: BSD-3-Clause
#include "base/parse.h"

#include "base/clock.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct unit {
	const char *name;
	uint64_t factor;
};

static const struct unit size_units[] = {
    {"", 1},
    {"B", 1},
    {"K", 1ULL << 10},
    {"KiB", 1ULL << 10},
    {"M", 1ULL << 20},
    {"MiB", 1ULL << 20},
    {"G", 1ULL << 30},
    {"GiB", 1ULL << 30},
    {"T", 1ULL << 40},
    {"TiB", 1ULL << 40},
    {0},
};

static const struct unit duration_units[] = {
    {"ns", 1},
    {"us", NS_PER_US},
    {"ms", NS_PER_MS},
    {"s", NS_PER_S},
    {"m", 60 * NS_PER_S},
    {"h", 3600 * NS_PER_S},
    {"d", 86400 * NS_PER_S},
    {0},
};

typedef char *format_fn(char *out, uint64_t value);

void parse_error_set(struct parse_error *error, const char *format, ...)
{
	va_list args;

	if (!error)
		return;
	va_start(args, format);
	vsnprintf(error->text, sizeof(error->text), format, args);
	va_end(args);
}

static char *format_uint(char *out, uint64_t value)
{
	snprintf(out, 64, "%llu", (unsigned long long)value);
	return out;
}

// Digits at *text; -ERANGE when they do not fit 64 bits.
static int scan_digits(const char **text, uint64_t *value)
{
	const char *c = *text;
	uint64_t v = 0;
	int rc = isdigit((unsigned char)*c) ? 0 : -EINVAL;

	for (; isdigit((unsigned char)*c); c++) {
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(*c - '0'), &v))
			rc = -ERANGE;
	}
	*text = c;
	*value = v;
	return rc;
}

struct range {
	uint64_t min, max;
	format_fn *format;
};

static int check_range(
    const char *text, int rc, uint64_t value, struct range range, struct parse_error *error)
{
	char min[64], max[64];

	if (!rc && value >= range.min && value <= range.max)
		return 0;
	range.format(min, range.min);
	range.format(max, range.max);
	if (range.max == UINT64_MAX && value < range.min)
		parse_error_set(error, "\"%s\" is out of range: at least %s", text, min);
	else
		parse_error_set(error, "\"%s\" is out of range: %s to %s", text, min, max);
	return -ERANGE;
}

int parse_uint(
    const char *text, uint64_t min, uint64_t max, uint64_t *value, struct parse_error *error)
{
	const char *c = text;
	uint64_t v;
	int rc = scan_digits(&c, &v);

	if (rc == -EINVAL || *c) {
		parse_error_set(error, "\"%s\" is no whole number from %llu to %llu", text,
		    (unsigned long long)min, (unsigned long long)max);
		return -EINVAL;
	}
	rc = check_range(text, rc, v, (struct range){min, max, format_uint}, error);
	if (!rc)
		*value = v;
	return rc;
}

static int scan_with_unit(const char *text, const struct unit *units, uint64_t *value)
{
	const char *c = text;
	int rc = scan_digits(&c, value);

	if (rc == -EINVAL)
		return rc;
	while (*c == ' ')
		c++;
	if (!*c && !*value && !rc)
		return 0;
	for (; units->name; units++) {
		if (strcasecmp(c, units->name) != 0)
			continue;
		if (__builtin_mul_overflow(*value, units->factor, value))
			rc = -ERANGE;
		return rc;
	}
	return -EINVAL;
}

struct quantity {
	const char *what, *hint; // of the error: what it is not, what to write
	const struct unit *units;
	struct range range;
};

static int parse_quantity(
    const char *text, const struct quantity *q, uint64_t *value, struct parse_error *error)
{
	uint64_t v;
	int rc = scan_with_unit(text, q->units, &v);

	if (rc == -EINVAL) {
		parse_error_set(error, "\"%s\" is no %s: write %s", text, q->what, q->hint);
		return rc;
	}
	rc = check_range(text, rc, v, q->range, error);
	if (!rc)
		*value = v;
	return rc;
}

int parse_size(
    const char *text, uint64_t min, uint64_t max, uint64_t *value, struct parse_error *error)
{
	const struct quantity size = {
	    "size", "bytes, or a number with K, M or G", size_units, {min, max, format_size}};

	return parse_quantity(text, &size, value, error);
}

int parse_duration(
    const char *text, uint64_t min, uint64_t max, uint64_t *value, struct parse_error *error)
{
	const struct quantity duration = {"duration", "a number with us, ms, s, m, h or d",
	    duration_units, {min, max, format_duration}};

	return parse_quantity(text, &duration, value, error);
}

char *format_size(char *out, uint64_t bytes)
{
	static const char suffixes[] = "KMGT";
	int i = -1;

	while (bytes && bytes % 1024 == 0 && i < 3) {
		bytes /= 1024;
		i++;
	}
	if (i < 0)
		snprintf(out, 64, "%llu", (unsigned long long)bytes);
	else
		snprintf(out, 64, "%llu%c", (unsigned long long)bytes, suffixes[i]);
	return out;
}

char *format_duration(char *out, uint64_t ns)
{
	const struct unit *best = &duration_units[0];

	if (!ns) {
		snprintf(out, 64, "0");
		return out;
	}
	for (const struct unit *u = duration_units; u->name; u++) {
		// 90s and 600s read better than 1.5m: minutes and more only above 10 of them
		bool long_unit = u->factor >= 60 * NS_PER_S;

		if (ns % u->factor == 0 && (!long_unit || ns / u->factor >= 10))
			best = u;
	}
	snprintf(out, 64, "%llu%s", (unsigned long long)(ns / best->factor), best->name);
	return out;
}

// Levenshtein distance of two short names; names above 48 bytes are far from everything.
static unsigned name_distance(const char *a, const char *b)
{
	unsigned row[49];
	size_t la = strlen(a), lb = strlen(b);

	if (la > 48 || lb > 48)
		return 99;
	for (size_t j = 0; j <= lb; j++)
		row[j] = (unsigned)j;
	for (size_t i = 1; i <= la; i++) {
		unsigned diagonal = row[0];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= lb; j++) {
			unsigned best = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[lb];
}

const char *nearest_name(const char *text, const char *const *names)
{
	size_t len = strlen(text);
	unsigned best = len < 4 ? 2 : len < 8 ? 3 : 4; // farther than best - 1 is another word
	const char *found = NULL;

	for (; *names; names++) {
		unsigned d = name_distance(text, *names);

		// a part of a name means that name: "silence" for "admission.silence"
		if (len >= 3 && d >= best && !found && strstr(*names, text))
			found = *names;
		if (d < best) {
			best = d;
			found = *names;
		}
	}
	return found;
}
