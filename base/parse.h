// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <stdbool.h>
#include <stdint.h>

// Text to values. Each returns 0, or -EINVAL (no such thing) or -ERANGE with a text that names the
// value and what would be accepted: `"70000" is out of range: 1 to 65535`. `error` may be NULL.
struct parse_error {
	char text[256];
};

void parse_error_set(struct parse_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

// Decimal digits only.
int parse_uint(
    const char *text, uint64_t min, uint64_t max, uint64_t *value, struct parse_error *error);
// Bytes: a number and an optional K, M, G or T (powers of 1024; also KiB, MiB, ...).
int parse_size(
    const char *text, uint64_t min, uint64_t max, uint64_t *value, struct parse_error *error);
// Nanoseconds: a number and ns, us, ms, s, m, h or d. A bare 0 is allowed, other bare numbers are
// not.
int parse_duration(
    const char *text, uint64_t min, uint64_t max, uint64_t *value, struct parse_error *error);

// The shortest text that the functions above read back to the same value. Buffers of 64 bytes are
// large enough. Return `out`.
char *format_size(char *out, uint64_t bytes);
char *format_duration(char *out, uint64_t ns);

// The entry of `names` (NULL-terminated) that `text` probably means, or NULL if none is near.
const char *nearest_name(const char *text, const char *const *names);
