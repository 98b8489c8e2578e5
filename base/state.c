// SPDX-License-Identifier: BSD-3-Clause
#include "base/state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

// What may be in a state directory. Sockets and locks are removed or reused by who makes them.
static const char *const ours[] = {".", "..", "lock", "dp.lock", "cp.lock", "dp.sock", "admin.sock",
    "notify.sock", "nodes", "nodes.new", "registry.token", "registry.pem", "registry.pem.new",
    "dpdk", NULL};

// What may be beside a store, of which "registry.db" is the usual name. SQLite leaves a journal
// where the first start or a backup was killed.
static const char *const store_files[] = {"", "-journal", "-wal", "-shm", "-backup",
    "-backup-journal", "-lock", "-before", "-before-wal", "-before-journal", "-restore",
    "-restore-wal", "-restore-shm", "-new", "-new-journal", NULL};

// The store's name in `path`, "" if it is elsewhere.
static const char *store_name(const char *path, const char *store)
{
	size_t n = strlen(path);

	while (n > 1 && path[n - 1] == '/')
		n--;
	return !strncmp(store, path, n) && store[n] == '/' && !strchr(store + n + 1, '/')
		   ? store + n + 1
		   : "";
}

static bool is_of_store(const char *file, const char *store)
{
	size_t n = strlen(store);

	for (int i = 0; n && store_files[i]; i++)
		if (!strncmp(store, file, n) && !strcmp(store_files[i], file + n))
			return true;
	return false;
}

static bool is_ours(const char *file, const char *store)
{
	for (int i = 0; ours[i]; i++)
		if (!strcmp(ours[i], file))
			return true;
	return is_of_store(file, "registry.db") || is_of_store(file, store);
}

static int make_directories(const char *path)
{
	char part[PATH_MAX];

	snprintf(part, sizeof(part), "%s", path);
	for (char *c = part + 1; *c; c++) {
		if (*c != '/')
			continue;
		*c = 0;
		if (mkdir(part, 0755) && errno != EEXIST)
			return -errno;
		*c = '/';
	}
	return mkdir(part, 0700) && errno != EEXIST ? -errno : 0;
}

// A name in `path` that is not ours, or "". Returns 0 or a negative errno.
static int find_foreign(const char *path, const char *store, char *name, size_t size)
{
	DIR *dir = opendir(path);
	const struct dirent *entry;

	*name = 0;
	if (!dir)
		return -errno;
	while (!*name && (entry = readdir(dir)))
		if (!is_ours(entry->d_name, store))
			snprintf(name, size, "%s", entry->d_name);
	closedir(dir);
	return 0;
}

// A file with several names may be somebody's outside, put here by who served before: root would
// give it away, or write a lock into it.
static int refuse_second_name(int fd, const char *file, struct parse_error *error)
{
	struct stat info;

	if (fstat(fd, &info) == 0 && (!S_ISREG(info.st_mode) || info.st_nlink <= 1))
		return 0;
	parse_error_set(error, "%s has another name elsewhere (hard link): remove it", file);
	return -EMLINK;
}

// Whoever serves may write in the directory, so what is given away is what was looked at.
static int give_file(const char *file, const struct privilege_user *user, struct parse_error *error)
{
	int fd = open(file, O_PATH | O_NOFOLLOW | O_CLOEXEC), rc;

	if (fd < 0 && errno == ENOENT)
		return 0;
	rc = fd < 0 ? -errno : refuse_second_name(fd, file, error);
	if (rc == 0 && fchownat(fd, "", user->uid, user->gid, AT_EMPTY_PATH))
		rc = -errno;
	if (fd >= 0)
		close(fd);
	if (rc && rc != -EMLINK)
		parse_error_set(
		    error, "cannot give %s to user %s: %s", file, user->name, strerrordesc_np(-rc));
	return rc;
}

static int give_store(const char *path, const char *store, const struct privilege_user *user,
    struct parse_error *error)
{
	char file[PATH_MAX];
	int rc = 0;

	for (int i = 0; *store && store_files[i] && !rc; i++) {
		snprintf(file, sizeof(file), "%s/%s%s", path, store, store_files[i]);
		rc = give_file(file, user, error);
	}
	return rc;
}

static int hand_over(const char *path, const char *store, const struct privilege_user *user,
    const char *option, struct parse_error *error)
{
	char file[PATH_MAX], name[NAME_MAX + 1];
	int rc = find_foreign(path, store, name, sizeof(name));

	if (rc) {
		parse_error_set(error, "cannot read directory %s: %s: name another with %s", path,
		    strerrordesc_np(-rc), option);
		return rc;
	}
	if (*name) {
		parse_error_set(error,
		    "directory %s holds other things (%s): name one of its own with %s", path, name,
		    option);
		return -ENOTEMPTY;
	}
	for (int i = 0; ours[i] && !rc; i++) {
		if (!strcmp(ours[i], ".."))
			continue;
		snprintf(file, sizeof(file), "%s/%s", path, ours[i]);
		rc = give_file(file, user, error);
	}
	if (!rc)
		rc = give_store(path, "registry.db", user, error);
	return rc ? rc : give_store(path, store, user, error);
}

static int fail_foreign(const char *path, const char *option, struct parse_error *error)
{
	parse_error_set(
	    error, "directory %s belongs to another user: name another with %s", path, option);
	return -EACCES;
}

static int fail_writing(const char *path, const char *option, struct parse_error *error)
{
	int rc = -errno; // the file system may be read-only

	parse_error_set(error, "cannot write into directory %s: %s: name another with %s", path,
	    strerrordesc_np(-rc), option);
	return rc;
}

int state_open(const char *path, const char *store, const struct privilege_user *user,
    const char *option, struct parse_error *error)
{
	bool as_root = user && geteuid() == 0;
	struct stat info;
	int rc = make_directories(path);

	if (!rc && stat(path, &info))
		rc = -errno;
	if (!rc && !S_ISDIR(info.st_mode))
		rc = -ENOTDIR;
	if (rc) {
		parse_error_set(error, "cannot make directory %s: %s: name another with %s", path,
		    strerrordesc_np(-rc), option);
		return rc;
	}
	if (!as_root && info.st_uid != geteuid())
		rc = fail_foreign(path, option, error);
	else if (access(path, W_OK | X_OK))
		rc = fail_writing(path, option, error);
	else if (as_root)
		rc = hand_over(path, store_name(path, store), user, option, error);
	// whoever may write here could put another socket in the place of ours
	if (!rc && info.st_mode & (S_IWGRP | S_IWOTH) && chmod(path, info.st_mode & 0755))
		rc = fail_foreign(path, option, error);
	return rc;
}

int state_open_store(const char *store, const char *option, const struct privilege_user *user,
    struct parse_error *error)
{
	char path[PATH_MAX], *slash;
	struct stat info;

	if (stat(store, &info) == 0 && S_ISDIR(info.st_mode)) {
		parse_error_set(error, "%s is a directory: name a file in one of its own with %s",
		    store, option);
		return -EISDIR;
	}
	snprintf(path, sizeof(path), "%s", store);
	slash = strrchr(path, '/');
	if (!slash || slash == path)
		return 0;
	*slash = 0;
	return state_open(path, store, user, option, error);
}

struct lock {
	const char *kind, *path, *option; // what is locked, and what names another
};

static void fail_busy(int fd, const struct lock *lock, struct parse_error *error)
{
	char pid[32] = "";
	ssize_t n = pread(fd, pid, sizeof(pid) - 1, 0);

	if (n < 0)
		n = 0;
	pid[n] = 0;
	pid[strcspn(pid, "\n")] = 0;
	parse_error_set(error,
	    "%s %s is in use by process %s: stop that one, or name another with %s", lock->kind,
	    lock->path, *pid ? pid : "(unknown)", lock->option);
}

bool state_is_locked(const char *path, const char *name)
{
	char file[PATH_MAX];
	bool held;
	int fd;

	snprintf(file, sizeof(file), "%s/%s", path, name);
	fd = open(file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return false;
	held = flock(fd, LOCK_SH | LOCK_NB) && errno == EWOULDBLOCK;
	close(fd);
	return held;
}

static int lock_file(const char *file, const struct lock *lock, struct parse_error *error)
{
	int fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600), rc, n;
	char pid[32];

	if (fd < 0) {
		rc = -errno;
		parse_error_set(error, "cannot open %s: %s", file, strerrordesc_np(-rc));
		return rc;
	}
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		rc = errno == EWOULDBLOCK ? -EBUSY : -errno;
		if (rc == -EBUSY)
			fail_busy(fd, lock, error);
		else
			parse_error_set(error, "cannot lock %s: %s", file, strerrordesc_np(-rc));
		close(fd);
		return rc;
	}
	n = snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
	rc = refuse_second_name(fd, file, error);
	if (rc) {
		close(fd);
		return rc;
	}
	errno = ENOSPC; // what a short write means
	if (ftruncate(fd, 0) || pwrite(fd, pid, (size_t)n, 0) != n) {
		rc = -errno;
		parse_error_set(error, "cannot write %s: %s", file, strerrordesc_np(-rc));
		close(fd);
		return rc;
	}
	return fd;
}

int state_lock(const char *path, const char *name, struct parse_error *error)
{
	const struct lock lock = {"state directory", path, "--state"};
	char file[PATH_MAX];

	snprintf(file, sizeof(file), "%s/%s", path, name);
	return lock_file(file, &lock, error);
}

int state_lock_store(const char *store, const char *option, struct parse_error *error)
{
	const struct lock lock = {"registry store", store, option};
	char file[PATH_MAX];

	snprintf(file, sizeof(file), "%s-lock", store);
	return lock_file(file, &lock, error);
}
