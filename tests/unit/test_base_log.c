// SPDX-License-Identifier: BSD-3-Clause
#include "base/log.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <unistd.h>

#define LF LOG_FORMAT_LOGFMT
#define JS LOG_FORMAT_JSON
#define AT 1700000000123456789ULL

static void lines(void **state)
{
	static const struct {
		enum log_format format;
		struct log_field field;
		const char *line;
	} facts[] = {
	    {LF, {"k", LOG_TEXT, {.text = "bare"}}, "time=2023-11-14T22:13:20.123Z k=bare\n"},
	    {LF, {"k", LOG_TEXT, {.text = "two words"}},
		"time=2023-11-14T22:13:20.123Z k=\"two words\"\n"},
	    {LF, {"k", LOG_TEXT, {.text = ""}}, "time=2023-11-14T22:13:20.123Z k=\"\"\n"},
	    {LF, {"k", LOG_TEXT, {.text = NULL}}, "time=2023-11-14T22:13:20.123Z k=\"\"\n"},
	    {LF, {"k", LOG_TEXT, {.text = "a=b"}}, "time=2023-11-14T22:13:20.123Z k=\"a=b\"\n"},
	    {LF, {"k", LOG_TEXT, {.text = "a\"b\\c\nx\x01"}},
		"time=2023-11-14T22:13:20.123Z k=\"a\\\"b\\\\c\\nx\\u0001\"\n"},
	    {LF, {"k", LOG_INT, {.i = -5}}, "time=2023-11-14T22:13:20.123Z k=-5\n"},
	    {LF, {"k", LOG_UINT, {.u = UINT64_MAX}},
		"time=2023-11-14T22:13:20.123Z k=18446744073709551615\n"},
	    {LF, {"k", LOG_BOOL, {.b = true}}, "time=2023-11-14T22:13:20.123Z k=true\n"},
	    {LF, {"k", LOG_DOUBLE, {.d = 1.5}}, "time=2023-11-14T22:13:20.123Z k=1.5\n"},
	    {JS, {"k", LOG_TEXT, {.text = "bare"}},
		"{\"time\":\"2023-11-14T22:13:20.123Z\",\"k\":\"bare\"}\n"},
	    {JS, {"k", LOG_TEXT, {.text = "a\"b"}},
		"{\"time\":\"2023-11-14T22:13:20.123Z\",\"k\":\"a\\\"b\"}\n"},
	    {JS, {"k", LOG_UINT, {.u = 7}}, "{\"time\":\"2023-11-14T22:13:20.123Z\",\"k\":7}\n"},
	    {JS, {"k", LOG_DOUBLE, {.d = __builtin_inf()}},
		"{\"time\":\"2023-11-14T22:13:20.123Z\",\"k\":0}\n"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		char line[LOG_LINE_MAX];
		size_t n = log_line(line, sizeof(line), facts[i].format, AT, &facts[i].field, 1);

		assert_int_equal(n, strlen(line));
		assert_string_equal(line, facts[i].line);
	}
}

static void long_values_are_left_out_whole(void **state)
{
	char value[4096], line[LOG_LINE_MAX];
	const struct log_field fields[] = {
	    {"a", LOG_TEXT, {.text = "kept"}}, {"b", LOG_TEXT, {.text = value}}};

	(void)state;
	memset(value, 'x', sizeof(value) - 1);
	value[sizeof(value) - 1] = 0;
	log_line(line, sizeof(line), JS, AT, fields, 2);
	assert_string_equal(line, "{\"time\":\"2023-11-14T22:13:20.123Z\",\"a\":\"kept\"}\n");
	log_line(line, sizeof(line), LF, AT, fields, 2);
	assert_string_equal(line, "time=2023-11-14T22:13:20.123Z a=kept\n");
}

// What `count` calls of one site write to the log.
static size_t write_lines(int count, char *text, size_t size)
{
	int ends[2];
	ssize_t n;

	assert_int_equal(pipe(ends), 0);
	log_set_fd(ends[1]);
	for (int i = 0; i < count; i++)
		log_warn("again", kv("i", i), kv("name", "x y"), kv_errno(-EPERM));
	log_set_fd(STDERR_FILENO);
	close(ends[1]);
	n = read(ends[0], text, size - 1);
	close(ends[0]);
	assert_true(n >= 0);
	text[n] = 0;
	return (size_t)n;
}

static void a_site_is_silenced(void **state)
{
	static char text[65536];
	int lines = 0;

	(void)state;
	log_setup("test", LOG_LEVEL_INFO, LF);
	write_lines(LOG_SITE_BURST + 100, text, sizeof(text));
	for (const char *c = text; *c; c++)
		lines += *c == '\n';
	assert_int_equal(lines, LOG_SITE_BURST);
	assert_non_null(strstr(text, " level=warn program=test msg=again i=0 name=\"x y\" "
				     "error=\"Operation not permitted\"\n"));
}

static void what_was_left_out_is_said(void **state)
{
	// a window that ended long ago, with three lines left out
	struct log_site site = {.window_ns = 0, .written = LOG_SITE_BURST, .suppressed = 3};
	char text[512] = "";
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	log_set_fd(ends[1]);
	log_write(&site, LOG_LEVEL_INFO, "back", NULL, 0);
	log_set_fd(STDERR_FILENO);
	close(ends[1]);
	assert_true(read(ends[0], text, sizeof(text) - 1) > 0);
	close(ends[0]);
	assert_non_null(strstr(text, " msg=back suppressed=3\n"));
	assert_int_equal(site.suppressed, 0);
}

static void levels_below_write_nothing(void **state)
{
	char text[64] = "";
	int ends[2], evaluated = 0;

	(void)state;
	log_setup("test", LOG_LEVEL_WARN, LF);
	assert_int_equal(pipe(ends), 0);
	log_set_fd(ends[1]);
	log_info("quiet", kv("n", ++evaluated));
	log_set_fd(STDERR_FILENO);
	close(ends[1]);
	assert_int_equal(read(ends[0], text, sizeof(text)), 0);
	close(ends[0]);
	assert_int_equal(evaluated, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(lines),
	    cmocka_unit_test(long_values_are_left_out_whole),
	    cmocka_unit_test(a_site_is_silenced),
	    cmocka_unit_test(what_was_left_out_is_said),
	    cmocka_unit_test(levels_below_write_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
