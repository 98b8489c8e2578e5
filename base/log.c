// SPDX-License-Identifier: BSD-3-Clause
#include "base/log.h"

#include "base/clock.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LEAD_FIELDS = 3, TAIL_FIELDS = 1, FIELDS_MAX = 32 };

static const char *const level_names[] = {"debug", "info", "warn", "error"};

static const char *log_program;
static int log_fd = STDERR_FILENO;
static int log_level = LOG_LEVEL_INFO;
static enum log_format log_format = LOG_FORMAT_LOGFMT;

struct line {
	char *at;
	size_t len, size;
};

void log_setup(const char *program, enum log_level level, enum log_format format)
{
	log_program = program;
	log_format = format;
	log_set_level(level);
}

void log_set_level(enum log_level level)
{
	__atomic_store_n(&log_level, (int)level, __ATOMIC_RELAXED);
}

enum log_level log_level_now(void)
{
	return (enum log_level)__atomic_load_n(&log_level, __ATOMIC_RELAXED);
}

void log_set_fd(int fd)
{
	log_fd = fd;
}

struct log_field kv_errno(int err)
{
	const char *text = strerrordesc_np(err < 0 ? -err : err);

	return log_field_text("error", text ? text : "unknown error");
}

static void put(struct line *l, const char *text, size_t len)
{
	size_t room = l->size - l->len;

	if (len > room)
		len = room;
	memcpy(l->at + l->len, text, len);
	l->len += len;
}

static void put_text(struct line *l, const char *text)
{
	put(l, text, strlen(text));
}

// JSON string escapes; logfmt readers take the same.
static void put_quoted(struct line *l, const char *text)
{
	put(l, "\"", 1);
	for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
		char escape[8];

		if (*c == '"' || *c == '\\')
			snprintf(escape, sizeof(escape), "\\%c", *c);
		else if (*c == '\n')
			snprintf(escape, sizeof(escape), "\\n");
		else if (*c < 0x20 || *c == 0x7f)
			snprintf(escape, sizeof(escape), "\\u%04x", *c);
		else
			snprintf(escape, sizeof(escape), "%c", *c);
		put_text(l, escape);
	}
	put(l, "\"", 1);
}

static bool is_bare(const char *text)
{
	if (!*text)
		return false;
	for (const unsigned char *c = (const unsigned char *)text; *c; c++)
		if (*c <= ' ' || *c == '"' || *c == '=' || *c == '\\' || *c == 0x7f)
			return false;
	return true;
}

static void put_value(struct line *l, enum log_format format, const struct log_field *f)
{
	char number[32];
	const char *text = f->text ? f->text : "";

	switch (f->kind) {
	case LOG_TEXT:
		if (format == LOG_FORMAT_LOGFMT && is_bare(text))
			put_text(l, text);
		else
			put_quoted(l, text);
		return;
	case LOG_INT:
		snprintf(number, sizeof(number), "%lld", (long long)f->i);
		break;
	case LOG_UINT:
		snprintf(number, sizeof(number), "%llu", (unsigned long long)f->u);
		break;
	case LOG_DOUBLE:
		// JSON knows no infinity and no NaN
		snprintf(number, sizeof(number), "%.6g", isfinite(f->d) ? f->d : 0.0);
		break;
	case LOG_BOOL:
		snprintf(number, sizeof(number), "%s", f->b ? "true" : "false");
		break;
	}
	put_text(l, number);
}

static void put_time(struct line *l, uint64_t time_ns)
{
	time_t seconds = (time_t)(time_ns / NS_PER_S);
	struct tm tm;
	char text[40];
	size_t n;

	gmtime_r(&seconds, &tm);
	n = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text + n, sizeof(text) - n, ".%03uZ", (unsigned)(time_ns / NS_PER_MS % 1000));
	put_text(l, text);
}

size_t log_line(char *line, size_t size, enum log_format format, uint64_t time_ns,
    const struct log_field *fields, size_t count)
{
	bool json = format == LOG_FORMAT_JSON;
	size_t end = json ? 2 : 1; // room kept for what ends the line
	struct line l = {.at = line, .size = size - 1 - end};

	put_text(&l, json ? "{\"time\":\"" : "time=");
	put_time(&l, time_ns);
	if (json)
		put(&l, "\"", 1);
	for (size_t i = 0; i < count; i++) {
		size_t before = l.len;

		put_text(&l, json ? ",\"" : " ");
		put_text(&l, fields[i].key);
		put_text(&l, json ? "\":" : "=");
		put_value(&l, format, &fields[i]);
		if (l.len == l.size) { // a pair is written whole or not at all
			l.len = before;
			break;
		}
	}
	l.size += end;
	put_text(&l, json ? "}\n" : "\n");
	line[l.len] = 0;
	return l.len;
}

// True if the site may write now; *suppressed is then what it left out before.
static bool site_allows(struct log_site *site, uint32_t *suppressed)
{
	uint64_t now = clock_mono_ns();
	uint64_t start = __atomic_load_n(&site->window_ns, __ATOMIC_RELAXED);

	*suppressed = 0;
	// another thread may have begun a window since `now`
	if (now > start && now - start >= LOG_SITE_WINDOW_NS &&
	    __atomic_compare_exchange_n(
		&site->window_ns, &start, now, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
		__atomic_store_n(&site->written, 0, __ATOMIC_RELAXED);
		*suppressed = __atomic_exchange_n(&site->suppressed, 0, __ATOMIC_RELAXED);
	}
	if (__atomic_fetch_add(&site->written, 1, __ATOMIC_RELAXED) < LOG_SITE_BURST)
		return true;
	__atomic_fetch_add(&site->suppressed, 1, __ATOMIC_RELAXED);
	return false;
}

void log_write(struct log_site *site, enum log_level level, const char *message,
    const struct log_field *fields, size_t count)
{
	struct log_field all[LEAD_FIELDS + FIELDS_MAX + TAIL_FIELDS];
	char line[LOG_LINE_MAX];
	uint32_t suppressed;
	size_t n = 0;
	int saved = errno;

	if (!site_allows(site, &suppressed))
		return;
	all[n++] = log_field_text("level", level_names[level]);
	if (log_program)
		all[n++] = log_field_text("program", log_program);
	all[n++] = log_field_text("msg", message);
	for (size_t i = 0; i < count && i < FIELDS_MAX; i++)
		all[n++] = fields[i];
	if (suppressed)
		all[n++] = log_field_uint("suppressed", suppressed);
	n = log_line(line, sizeof(line), log_format, clock_real_ns(), all, n);
	// Nothing can be done about a log that cannot be written.
	(void)!write(log_fd, line, n);
	errno = saved;
}
