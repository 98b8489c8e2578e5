// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// One line an event to stderr, as logfmt or JSON:
//   time=2026-11-23T12:00:00.123Z level=info program=fairway-dp msg="link up" link=eth0 queues=4
// The message is constant text; what varies goes into pairs, so that lines can be searched:
//   log_info("link up", kv("link", name), kv("queues", count));
// Thread-safe: each line is one write(2). Never blocks on a lock, never allocates. A call site that
// logs more than LOG_SITE_BURST lines in LOG_SITE_WINDOW_NS is silenced until the window ends; its
// next line then says how many were left out (suppressed=N).
enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };
enum log_format { LOG_FORMAT_LOGFMT, LOG_FORMAT_JSON };

enum { LOG_SITE_BURST = 20, LOG_LINE_MAX = 2048 };
#define LOG_SITE_WINDOW_NS 5000000000ULL

enum log_kind { LOG_TEXT, LOG_INT, LOG_UINT, LOG_DOUBLE, LOG_BOOL };

struct log_field {
	const char *key; // a bare word
	enum log_kind kind;
	union {
		const char *text; // NULL is written as empty
		int64_t i;
		uint64_t u;
		double d;
		bool b;
	};
};

// State of one call site; zero is its start. All members are accessed atomically.
struct log_site {
	uint64_t window_ns; // start of the current window, CLOCK_MONOTONIC
	uint32_t written;
	uint32_t suppressed;
};

// `program` must stay valid. Before this call lines are info, logfmt, without a program.
void log_setup(const char *program, enum log_level level, enum log_format format);
// Changes the level while running (reload).
void log_set_level(enum log_level level);
enum log_level log_level_now(void);
// Lines go to `fd` instead of stderr (tests).
void log_set_fd(int fd);

void log_write(struct log_site *site, enum log_level level, const char *message,
    const struct log_field *fields, size_t count);

// Formats a line without writing it; returns its length, always ending in a newline and at most
// `size` - 1 bytes. `time_ns` is CLOCK_REALTIME.
size_t log_line(char *line, size_t size, enum log_format format, uint64_t time_ns,
    const struct log_field *fields, size_t count);

static inline struct log_field log_field_text(const char *key, const char *value)
{
	return (struct log_field){.key = key, .kind = LOG_TEXT, .text = value};
}

static inline struct log_field log_field_int(const char *key, int64_t value)
{
	return (struct log_field){.key = key, .kind = LOG_INT, .i = value};
}

static inline struct log_field log_field_uint(const char *key, uint64_t value)
{
	return (struct log_field){.key = key, .kind = LOG_UINT, .u = value};
}

static inline struct log_field log_field_double(const char *key, double value)
{
	return (struct log_field){.key = key, .kind = LOG_DOUBLE, .d = value};
}

static inline struct log_field log_field_bool(const char *key, bool value)
{
	return (struct log_field){.key = key, .kind = LOG_BOOL, .b = value};
}

#define kv(key, value) \
	_Generic((value),               \
	    char *                      \
	    : log_field_text,           \
	      const char *              \
	    : log_field_text,           \
	      bool                      \
	    : log_field_bool,           \
	      float                     \
	    : log_field_double,         \
	      double                    \
	    : log_field_double,         \
	      unsigned char             \
	    : log_field_uint,           \
	      unsigned short            \
	    : log_field_uint,           \
	      unsigned int              \
	    : log_field_uint,           \
	      unsigned long             \
	    : log_field_uint,           \
	      unsigned long long        \
	    : log_field_uint,           \
	      default                   \
	    : log_field_int)(key, value)

// error="Permission denied"; takes errno or a negative errno.
struct log_field kv_errno(int err);

#define log_at(level, message, ...)                                                            \
	do {                                                                                   \
		static struct log_site log_site_;                                              \
		if ((level) >= log_level_now()) {                                              \
			const struct log_field log_fields_[] = {{.key = NULL}, ##__VA_ARGS__}; \
			log_write(&log_site_, level, message, log_fields_ + 1,                 \
			    sizeof(log_fields_) / sizeof(log_fields_[0]) - 1);                 \
		}                                                                              \
	} while (0)

#define log_debug(message, ...) log_at(LOG_LEVEL_DEBUG, message, ##__VA_ARGS__)
#define log_info(message, ...)	log_at(LOG_LEVEL_INFO, message, ##__VA_ARGS__)
#define log_warn(message, ...)	log_at(LOG_LEVEL_WARN, message, ##__VA_ARGS__)
#define log_error(message, ...) log_at(LOG_LEVEL_ERROR, message, ##__VA_ARGS__)
