// SPDX-License-Identifier: BSD-3-Clause
#include "cli/table.h"

#include "base/parse.h"

#include <string.h>

char *format_count(char *out, uint64_t value)
{
	char digits[24];
	size_t len = (size_t)snprintf(digits, sizeof(digits), "%llu", (unsigned long long)value);
	char *to = out;

	for (size_t i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			*to++ = ',';
		*to++ = digits[i];
	}
	*to = 0;
	return out;
}

char *format_short(char *out, double value)
{
	static const char suffixes[] = "kMGTP";
	int i = -1;

	while (value >= 999.5 && i < 4) {
		value /= 1000;
		i++;
	}
	if (i < 0)
		snprintf(out, 32, "%.0f", value);
	else
		snprintf(out, 32, "%.*f%c",
		    value < 9.995   ? 2
		    : value < 99.95 ? 1
				    : 0,
		    value, suffixes[i]);
	return out;
}

char *format_age(char *out, double seconds)
{
	unsigned long s = seconds > 0 ? (unsigned long)seconds : 0;

	if (s < 60)
		snprintf(out, 32, "%lus", s);
	else if (s < 3600)
		snprintf(out, 32, "%lum %lus", s / 60, s % 60);
	else if (s < 86400)
		snprintf(out, 32, "%luh %lum", s / 3600, s / 60 % 60);
	else
		snprintf(out, 32, "%lud %luh", s / 86400, s / 3600 % 24);
	return out;
}

char *format_cell(char *out, const json_t *value, enum cell cell)
{
	char text[64];

	if (!value || json_is_null(value)) {
		snprintf(out, CELL_MAX, "-");
	} else if (cell == CELL_YES && json_is_boolean(value)) {
		snprintf(out, CELL_MAX, "%s", json_is_true(value) ? "yes" : "no");
	} else if (json_is_string(value)) {
		snprintf(out, CELL_MAX, "%s",
		    *json_string_value(value) ? json_string_value(value) : "-");
	} else if (json_is_number(value) && cell == CELL_AGE) {
		format_age(out, json_number_value(value));
	} else if (json_is_integer(value) && cell == CELL_SIZE) {
		snprintf(
		    out, CELL_MAX, "%s", format_size(text, (uint64_t)json_integer_value(value)));
	} else if (json_is_integer(value) && cell == CELL_TEXT) {
		snprintf(out, CELL_MAX, "%lld", (long long)json_integer_value(value));
	} else if (json_is_number(value)) {
		double number = json_number_value(value);

		format_count(out, number > 0 ? (uint64_t)number : 0);
	} else {
		snprintf(out, CELL_MAX, "?");
	}
	return out;
}

char *format_texts(char *out, size_t size, const json_t *list, const char *separator)
{
	size_t len = 0, i;
	const json_t *item;

	*out = 0;
	json_array_foreach(list, i, item)
	{
		const char *text = json_string_value(item);

		if (len < size)
			len += (size_t)snprintf(
			    out + len, size - len, "%s%s", i ? separator : "", text ? text : "?");
	}
	return out;
}

void table_print(FILE *out, const struct column *columns, const json_t *list)
{
	int widths[COLUMNS_MAX] = {0}, count = 0;
	char text[CELL_MAX];
	const json_t *row;
	size_t i;

	for (; columns[count].title; count++) {
		widths[count] = (int)strlen(columns[count].title);
		json_array_foreach(list, i, row)
		{
			int width = (int)strlen(format_cell(
			    text, json_object_get(row, columns[count].key), columns[count].cell));

			if (width > widths[count])
				widths[count] = width;
		}
	}
	for (size_t line = 0; line <= json_array_size(list); line++) {
		row = line ? json_array_get(list, line - 1) : NULL;
		for (int c = 0; c < count; c++) {
			bool left = columns[c].cell == CELL_TEXT || columns[c].cell == CELL_YES;
			int width = left && c == count - 1 ? 0 : left ? -widths[c] : widths[c];

			if (line)
				format_cell(
				    text, json_object_get(row, columns[c].key), columns[c].cell);
			else
				snprintf(text, sizeof(text), "%s", columns[c].title);
			fprintf(out, "%s%*s", c ? "  " : "", width, text);
		}
		fputc('\n', out);
	}
}

const char *member_text(const json_t *object, const char *key, const char *fallback)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : fallback;
}

uint64_t member_count(const json_t *object, const char *key)
{
	json_int_t value = json_integer_value(json_object_get(object, key));

	return value > 0 ? (uint64_t)value : 0;
}

double member_real(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}
