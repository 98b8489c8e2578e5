// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/registry/store_restore.h"

#include "controlplane/registry/store_create.h"
#include "controlplane/registry/store_schema.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { COPY_SIZE = 65536 };

static int fail(const char *what, const char *path, struct parse_error *error)
{
	int rc = -errno;

	parse_error_set(error, "cannot %s %s: %s", what, path, strerrordesc_np(-rc));
	return rc;
}

static int copy(int from, const char *to, struct parse_error *error)
{
	int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	static char bytes[COPY_SIZE];
	off_t at = 0;
	ssize_t n = 0;
	int rc = 0;

	if (out < 0)
		return fail("make", to, error);
	while (!rc && (n = pread(from, bytes, sizeof(bytes), at)) > 0) {
		errno = ENOSPC; // what a short write means
		if (write(out, bytes, (size_t)n) != n)
			rc = fail("write", to, error);
		at += n;
	}
	if (!rc && (n < 0 || fsync(out)))
		rc = fail(n < 0 ? "read the backup for" : "write", to, error);
	close(out);
	if (!rc && at == 0) {
		parse_error_set(error, "it is empty");
		rc = -EINVAL;
	}
	return rc;
}

// Sound and of this version afterwards, and all of it in this one file. 0 or a negative errno.
static int settle(const char *path, struct parse_error *error)
{
	sqlite3 *db;
	int rc = store_open_database(path, &db, error);

	if (!rc)
		sqlite3_close(db);
	return rc;
}

// There is a store at `path` at any time.
static int replace(const char *path, const char *aside, const char *before)
{
	unlink(before);
	if (link(path, before) && errno != ENOENT)
		return -errno;
	return store_put_in_place(aside, path);
}

int store_restore(int from, const char *path, struct parse_error *error)
{
	char aside[PATH_MAX], before[PATH_MAX];
	struct parse_error ignored;
	int rc;

	store_name_file(aside, path, "-restore");
	store_name_file(before, path, "-before");
	rc = copy(from, aside, error);
	if (!rc)
		rc = settle(aside, error);
	if (!rc && (access(path, F_OK) || settle(path, &ignored)))
		store_part_from_logs(path);
	if (!rc) {
		rc = replace(path, aside, before);
		errno = -rc;
		if (rc)
			fail("replace", path, error);
	}
	if (rc)
		unlink(aside);
	return rc;
}
