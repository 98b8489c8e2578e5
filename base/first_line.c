// SPDX-License-Identifier: BSD-3-Clause
#include "base/first_line.h"

#include "base/file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *judge(const char *line, size_t len, bool whole)
{
	if (!whole)
		return "its first line is too long";
	if (strspn(line, " ") == len)
		return "its first line is empty, write the token there";
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			return "its first line is no printable text";
	return NULL;
}

int first_line_read(
    const char *key, const char *path, char *line, size_t size, struct parse_error *error)
{
	struct parse_error not_opened;
	int fd = file_open(path, true, &not_opened);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
	const char *why = NULL;
	size_t len = 0;
	int c = EOF, rc = 0;

	while (file && len + 1 < size && (c = getc(file)) != EOF && c != '\n')
		line[len++] = (char)c;
	if (file && len + 1 == size && (c = getc(file)) == '\r')
		c = getc(file);
	if (!file || ferror(file))
		rc = fd < 0 ? fd : -errno;
	else if (len > 0 && line[len - 1] == '\r')
		len--;
	line[len] = 0;
	if (file)
		fclose(file);
	if (rc == -EACCES)
		why = "the user who starts this may not read it: chown or chmod it";
	else if (rc)
		why = fd < 0 ? not_opened.text : strerrordesc_np(-rc);
	else
		why = judge(line, len, c == '\n' || c == EOF);
	if (why)
		parse_error_set(error, "%s %s: %s", key, path, why);
	return rc ? rc : why ? -EINVAL : 0;
}
