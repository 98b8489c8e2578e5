// SPDX-License-Identifier: BSD-3-Clause
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_FIRST = 1 << 14 };

static int fail(int why, struct parse_error *error)
{
	parse_error_set(error, "%s", strerrordesc_np(why));
	return -why;
}

int file_open(const char *path, bool or_pipe, struct parse_error *error)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC), rc = 0;
	struct stat info;

	if (fd < 0 || fstat(fd, &info)) {
		rc = fail(errno, error);
	} else if (S_ISDIR(info.st_mode)) {
		rc = fail(EISDIR, error);
	} else if (!S_ISREG(info.st_mode) && !(or_pipe && S_ISFIFO(info.st_mode))) {
		parse_error_set(error, "it is no regular file, which could be read again");
		rc = -EINVAL;
	} else if (fcntl(fd, F_SETFL, O_RDONLY)) { // wait for what is being written
		rc = fail(errno, error);
	}
	if (rc && fd >= 0)
		close(fd);
	return rc ? rc : fd;
}

// Returns what read(2) does; `text` is at least one byte longer than what it holds.
static ssize_t read_more(int fd, char **text, size_t *size, size_t len)
{
	if (len == *size) {
		char *more = realloc(*text, *size ? *size * 2 : READ_FIRST);

		if (!more) {
			errno = ENOMEM;
			return -1;
		}
		*text = more;
		*size = *size ? *size * 2 : READ_FIRST;
	}
	return read(fd, *text + len, *size - len);
}

char *file_read(const char *path, bool or_pipe, size_t max, size_t *len, struct parse_error *error)
{
	int fd = file_open(path, or_pipe, error), rc;
	char *text = NULL;
	size_t size = 0;
	ssize_t n = 1;

	*len = 0;
	if (fd < 0)
		return NULL;
	while (n > 0 && *len <= max) {
		n = read_more(fd, &text, &size, *len);
		*len += n > 0 ? (size_t)n : 0;
	}
	rc = n < 0 ? fail(errno, error) : 0;
	if (!rc && *len > max) {
		parse_error_set(error, "it is larger than %zu bytes", max);
		rc = -EFBIG;
	} else if (!rc && *len == 0 && lseek(fd, 0, SEEK_CUR) < 0) {
		parse_error_set(error, "nobody writes into this pipe");
		rc = -ESPIPE;
	}
	close(fd);
	if (!rc)
		return text;
	free(text);
	return NULL;
}
