// SPDX-License-Identifier: BSD-3-Clause
// Folders for what a test writes. They go, with all that is in them, when the program ends, also
// when a test has failed half-way.
#pragma once

#include "tests/unit/unit.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <unistd.h>

enum { FOLDER_MAX = 48, FILE_MAX = FOLDER_MAX + 8 };

static struct {
	char path[FOLDER_MAX]; // "": none was made yet
	pid_t owner;	       // children of a test may exit
} folder_top;

static inline int folder_remove(
    const char *path, const struct stat *info, int kind, struct FTW *place)
{
	(void)info;
	(void)kind;
	(void)place;
	return remove(path);
}

static inline void folders_end(void)
{
	if (folder_top.owner == getpid())
		nftw(folder_top.path, folder_remove, 8, FTW_DEPTH | FTW_PHYS);
}

// Fills in the path of a new and empty one.
static inline void folder_make(char path[FOLDER_MAX])
{
	if (!*folder_top.path) {
		char top[] = "/tmp/fairway-test-XXXXXX";

		assert_non_null(mkdtemp(top));
		memcpy(folder_top.path, top, sizeof(top));
		folder_top.owner = getpid();
		atexit(folders_end);
	}
	snprintf(path, FOLDER_MAX, "%.30s/XXXXXX", folder_top.path);
	assert_non_null(mkdtemp(path));
}

// Fills in the path of a new file that holds `text`.
static inline void file_new(char path[FILE_MAX], const char *text)
{
	char folder[FOLDER_MAX];
	int fd;

	folder_make(folder);
	snprintf(path, FILE_MAX, "%s/file", folder);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}
