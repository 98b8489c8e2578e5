// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/registry/store_create.h"

#include "controlplane/registry/store_schema.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void store_name_file(char out[PATH_MAX], const char *path, const char *suffix)
{
	snprintf(out, PATH_MAX, "%s%s", path, suffix);
}

void store_part_from_logs(const char *path)
{
	static const char *const logs[][2] = {
	    {"-wal", "-before-wal"}, {"-journal", "-before-journal"}};
	char from[PATH_MAX], to[PATH_MAX];

	for (size_t i = 0; i < sizeof(logs) / sizeof(logs[0]); i++) {
		store_name_file(from, path, logs[i][0]);
		store_name_file(to, path, logs[i][1]);
		rename(from, to);
	}
	store_name_file(from, path, "-shm");
	unlink(from);
}

static int fail(int why, const char *path, struct parse_error *error)
{
	parse_error_set(error, "cannot make %s: %s", path, strerrordesc_np(why));
	return -why;
}

static int folder_sync(const char *path)
{
	char folder[PATH_MAX];
	char *slash;
	int fd, rc;

	snprintf(folder, sizeof(folder), "%s", path);
	slash = strrchr(folder, '/');
	if (!slash)
		strcpy(folder, ".");
	else
		slash[slash == folder] = '\0';
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	rc = fsync(fd) && errno != EINVAL && errno != EROFS ? -errno : 0;
	close(fd);
	return rc;
}

int store_put_in_place(const char *aside, const char *path)
{
	return rename(aside, path) ? -errno : folder_sync(path);
}

int store_create(const char *path, struct parse_error *error)
{
	char aside[PATH_MAX], journal[PATH_MAX];
	int fd, rc;

	if (access(path, F_OK) == 0)
		return 0;
	if (errno != ENOENT)
		return fail(errno, path, error);
	store_name_file(aside, path, "-new");
	store_name_file(journal, path, "-new-journal");
	unlink(aside);
	unlink(journal);
	// tokens will be in it: SQLite gives its other files the mode of this one
	fd = open(aside, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return fail(errno, path, error);
	close(fd);
	rc = store_create_schema(aside, error);
	if (!rc) {
		store_part_from_logs(path);
		rc = store_put_in_place(aside, path);
		if (rc)
			fail(-rc, path, error);
	}
	if (rc) {
		unlink(aside);
		unlink(journal);
	}
	return rc;
}
