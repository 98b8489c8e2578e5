// SPDX-License-Identifier: BSD-3-Clause
#include "base/first_line.h"
#include "tests/unit/folder.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// Room for 8 characters.
static void test_lines(void **state)
{
	static const struct {
		const char *text;
		size_t len;
		const char *line, *why; // one of the two
	} facts[] = {
	    {"abc\n", 4, "abc", NULL},
	    {"abc", 3, "abc", NULL},
	    {"abc\r\ndef\n", 9, "abc", NULL},
	    {"a b\n", 4, "a b", NULL},
	    {"12345678", 8, "12345678", NULL},
	    {"12345678\n", 9, "12345678", NULL},
	    {"12345678\nabc", 12, "12345678", NULL},
	    {"1234567\r\n", 9, "1234567", NULL},
	    {"12345678\r\n", 10, "12345678", NULL},
	    {"12345678\ra\n", 11, NULL, "too long"},
	    {"\xc3\xa4\n", 3, "\xc3\xa4", NULL},
	    {"123456789", 9, NULL, "too long"},
	    {"123456789\n", 10, NULL, "too long"},
	    {"", 0, NULL, "is empty"},
	    {"\nabc\n", 5, NULL, "is empty"},
	    {"\r\n", 2, NULL, "is empty"},
	    {"  \n", 3, NULL, "is empty"},
	    {"a\0b\n", 4, NULL, "no printable text"},
	    {"a\tb\n", 4, NULL, "no printable text"},
	};
	char path[FILE_MAX], line[9];
	struct parse_error error;

	(void)state;
	file_new(path, "");
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		FILE *file = fopen(path, "w");
		int rc;

		assert_non_null(file);
		assert_int_equal(fwrite(facts[i].text, 1, facts[i].len, file), facts[i].len);
		fclose(file);
		rc = first_line_read("the-key", path, line, sizeof(line), &error);
		assert_int_equal(rc, facts[i].why ? -EINVAL : 0);
		if (facts[i].why) {
			assert_non_null(strstr(error.text, facts[i].why));
			assert_non_null(strstr(error.text, "the-key /tmp/fairway-test-"));
		} else {
			assert_string_equal(line, facts[i].line);
		}
	}
	unlink(path);
	assert_int_equal(first_line_read("the-key", path, line, sizeof(line), &error), -ENOENT);
	assert_int_equal(first_line_read("the-key", "/", line, sizeof(line), &error), -EISDIR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_lines)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
