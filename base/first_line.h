// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/parse.h"

#include <stddef.h>

// The first line of a file without its end, as of one that holds a token. Printable text of one
// character or more. `key` names the setting in the error. 0, -EINVAL (empty, too long for `size`,
// not printable) or what opening gave.
int first_line_read(
    const char *key, const char *path, char *line, size_t size, struct parse_error *error);
