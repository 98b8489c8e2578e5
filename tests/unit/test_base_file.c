// SPDX-License-Identifier: BSD-3-Clause
#include "base/file.h"
#include "tests/unit/folder.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LONG = 100000, MAX = 2 * LONG };

static char fifo[64], path[64], own[32];

// What a shell's <(...) is, with `len` bytes in it: the path of the end to read. The other one is
// returned, or -1 when it is closed.
static int pipe_make(size_t len, bool ended)
{
	static const char bytes[4096];
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], bytes, len), len);
	snprintf(own, sizeof(own), "/dev/fd/%d", ends[0]);
	if (ended)
		close(ends[1]);
	return ended ? -1 : ends[1];
}

static void expect(const char *name, bool or_pipe, const char *why)
{
	struct parse_error error = {.text = ""};
	size_t len;

	assert_null(file_read(name, or_pipe, MAX, &len, &error));
	assert_string_equal(error.text, why);
}

static void test_nobody_is_waited_for(void **state)
{
	struct parse_error error;

	(void)state;
	expect(fifo, false, "it is no regular file, which could be read again");
	expect(fifo, true, "nobody writes into this pipe");
	expect("/dev/null", true, "it is no regular file, which could be read again");
	expect("/", true, "Is a directory");
	expect("/no/such", true, "No such file or directory");
	assert_int_equal(file_open(fifo, false, &error), -EINVAL);
	assert_int_equal(file_open("/", false, &error), -EISDIR);
	assert_int_equal(file_open("/no/such", false, &error), -ENOENT);
}

static void test_pipes(void **state)
{
	struct parse_error error;
	size_t len;
	char *text;

	(void)state;
	pipe_make(1000, true);
	expect(own, false, "it is no regular file, which could be read again");
	text = file_read(own, true, MAX, &len, &error);
	assert_non_null(text);
	assert_int_equal(len, 1000);
	free(text);
	expect(own, true, "nobody writes into this pipe");
}

// What comes late is waited for once somebody is there to write it.
static void test_a_slow_writer(void **state)
{
	struct parse_error error;
	char byte = 0;
	int in = pipe_make(0, false), fd = file_open(own, true, &error);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
	assert_int_equal(write(in, "x", 1), 1);
	assert_int_equal(read(fd, &byte, 1), 1);
	close(in);
	assert_int_equal(read(fd, &byte, 1), 0);
	close(fd);
}

static void test_lengths(void **state)
{
	static const size_t lengths[] = {0, 1, 16383, 16384, 16385, LONG, MAX, MAX + 1};
	struct parse_error error;
	size_t len;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		char *text;

		assert_int_equal(truncate(path, (off_t)lengths[i]), 0);
		text = file_read(path, false, MAX, &len, &error);
		assert_int_equal(text != NULL, lengths[i] <= MAX);
		if (text)
			assert_int_equal(len, lengths[i]);
		else
			assert_string_equal(error.text, "it is larger than 200000 bytes");
		free(text);
	}
}

int main(void)
{
	char folder[FOLDER_MAX];
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_nobody_is_waited_for),
	    cmocka_unit_test(test_pipes),
	    cmocka_unit_test(test_a_slow_writer),
	    cmocka_unit_test(test_lengths),
	};

	folder_make(folder);
	snprintf(fifo, sizeof(fifo), "%s/fifo", folder);
	snprintf(path, sizeof(path), "%s/file", folder);
	if (mkfifo(fifo, 0600) || close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600)))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
