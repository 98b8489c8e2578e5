// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/parse.h"

#include <limits.h>

// Makes an empty store at `path` if there is no file. It is there whole or not at all, whenever we
// are killed: a file that is there and empty has lost what was in it. 0 or a negative errno with
// `error`.
int store_create(const char *path, struct parse_error *error);
// SQLite would play what it has logged for a store that is gone or damaged into the file in its
// place. The logs of `path` become PATH-before-wal and PATH-before-journal.
void store_part_from_logs(const char *path);
// The file `aside`, whose bytes are on the disk, becomes `path` in the same folder; its name is as
// durable afterwards as they are. 0 or a negative errno.
int store_put_in_place(const char *aside, const char *path);
// What a file beside the store is called: PATH and its suffix.
void store_name_file(char out[PATH_MAX], const char *path, const char *suffix);
