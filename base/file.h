// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/parse.h"

#include <stdbool.h>
#include <stddef.h>

// Files that somebody else wrote and a setting names. What is wrong with one is said without its
// name: callers put what they call it before.

// Opens it for reading and does not wait for who may write into it later: one that is no regular
// file is refused, but with `or_pipe` a pipe is none the worse, as of process substitution. Close-
// on-exec. The descriptor, or a negative errno: -EINVAL for what is refused.
int file_open(const char *path, bool or_pipe, struct parse_error *error);
// All of it, to be freed by the caller, with its length in `len`; NULL when it cannot be read, is
// longer than `max`, or is a pipe into which nobody writes.
char *file_read(const char *path, bool or_pipe, size_t max, size_t *len, struct parse_error *error);
