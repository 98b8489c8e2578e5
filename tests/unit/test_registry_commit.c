// SPDX-License-Identifier: BSD-3-Clause
// What was acknowledged is on the disk: a batch counts as committed only after SQLite has had its
// log written through, which is held up here.
#include "controlplane/registry/store.h"
#include "controlplane/registry/store_restore.h"
#include "tests/unit/folder.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool hold, failing, folder_failing;
static unsigned folders; // that were synced
static sem_t event, go;	 // event: the disk is waited for, or a batch counts as committed

static int held(long call, int fd)
{
	if (__atomic_load_n(&failing, __ATOMIC_ACQUIRE)) {
		sem_post(&event);
		errno = EIO;
		return -1;
	}
	if (__atomic_load_n(&hold, __ATOMIC_ACQUIRE)) {
		sem_post(&event);
		sem_wait(&go);
	}
	return (int)syscall(call, fd);
}

// In the place of libc's, for SQLite too.
int fsync(int fd)
{
	struct stat st;

	if (fstat(fd, &st) || !S_ISDIR(st.st_mode))
		return held(SYS_fsync, fd);
	folders++;
	errno = EIO;
	return folder_failing ? -1 : (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fildes)
{
	return held(SYS_fdatasync, fildes);
}

static void on_commit(void *ctx)
{
	(void)ctx;
	sem_post(&event);
}

static bool no_row(void *ctx, enum store_op op, const struct store_row *values)
{
	(void)ctx;
	(void)op;
	(void)values;
	return true;
}

struct place {
	char folder[FOLDER_MAX], path[64];
};

static struct store *store_begin(struct place *p)
{
	struct parse_error error = {.text = ""};
	struct store *s;

	folder_make(p->folder);
	snprintf(p->path, sizeof(p->path), "%s/registry.db", p->folder);
	s = store_open(p->path, &error);
	assert_non_null(s);
	assert_int_equal(store_load(s, no_row, NULL, &error), 0);
	assert_int_equal(store_start(s, on_commit, NULL), 0);
	return s;
}

static void test_a_ticket_waits_for_the_disk(void **state)
{
	struct place place;
	struct store *s = store_begin(&place);
	uint64_t ticket;

	(void)state;
	for (int64_t round = 1; round <= 3; round++) {
		store_put(s, STORE_PAIR, "iii", round, round + 1, (int64_t)3);
		ticket = store_ticket(s);
		assert_true(store_committed(s) < ticket);
		__atomic_store_n(&hold, true, __ATOMIC_RELEASE);
		store_flush(s);
		sem_wait(&event);
		assert_true(store_committed(s) < ticket);
		__atomic_store_n(&hold, false, __ATOMIC_RELEASE);
		sem_post(&go);
		sem_wait(&event);
		assert_int_equal(store_committed(s), ticket);
	}
	assert_int_equal(store_stats(s).batches, 3);
	assert_int_equal(store_close(s), 0);
	unlink(place.path);
	assert_int_equal(rmdir(place.folder), 0);
}

static void test_close_says_that_a_batch_was_lost(void **state)
{
	struct place place;
	struct store *s = store_begin(&place);
	char path[80];

	(void)state;
	store_put(s, STORE_PAIR, "iii", (int64_t)1, (int64_t)2, (int64_t)3);
	__atomic_store_n(&failing, true, __ATOMIC_RELEASE);
	store_flush(s);
	sem_wait(&event);
	assert_int_equal(store_close(s), -EIO);
	__atomic_store_n(&failing, false, __ATOMIC_RELEASE);
	unlink(place.path);
	for (const char *const *end = (const char *const[]){"-wal", "-shm", NULL}; *end; end++) {
		snprintf(path, sizeof(path), "%s%s", place.path, *end);
		unlink(path);
	}
	assert_int_equal(rmdir(place.folder), 0);
}

static void test_a_backup_is_its_owner_s(void **state)
{
	struct place place;
	struct store *s = store_begin(&place);
	struct parse_error error = {.text = ""};
	char copy[80], expected[128];
	struct stat st;

	(void)state;
	snprintf(copy, sizeof(copy), "%s-backup", place.path);
	assert_int_equal(store_backup(place.path, copy, &error), 0);
	assert_int_equal(stat(copy, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(store_backup(place.path, copy, &error), -EEXIST);
	snprintf(expected, sizeof(expected), "cannot write %s: File exists", copy);
	assert_string_equal(error.text, expected);
	assert_int_equal(store_close(s), 0);
	unlink(copy);
	unlink(place.path);
	assert_int_equal(rmdir(place.folder), 0);
}

// A machine that fails right after it was made or restored does not bring back what was before.
static void test_the_name_of_a_store_is_durable(void **state)
{
	struct place place;
	struct parse_error error = {.text = ""};
	char copy[80];
	int fd;

	(void)state;
	folders = 0;
	assert_int_equal(store_close(store_begin(&place)), 0);
	assert_int_equal(folders, 1);
	snprintf(copy, sizeof(copy), "%s-copy", place.path);
	assert_int_equal(store_backup(place.path, copy, &error), 0);
	fd = open(copy, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	folders = 0;
	assert_int_equal(store_restore(fd, place.path, &error), 0);
	assert_true(folders > 0);
	folder_failing = true;
	assert_int_equal(store_restore(fd, place.path, &error), -EIO);
	folder_failing = false;
	close(fd);
	unlink(copy);
	unlink(place.path);
	snprintf(copy, sizeof(copy), "%s-before", place.path);
	unlink(copy);
	assert_int_equal(rmdir(place.folder), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_a_ticket_waits_for_the_disk),
	    cmocka_unit_test(test_close_says_that_a_batch_was_lost),
	    cmocka_unit_test(test_a_backup_is_its_owner_s),
	    cmocka_unit_test(test_the_name_of_a_store_is_durable)};

	sem_init(&event, 0, 0);
	sem_init(&go, 0, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
