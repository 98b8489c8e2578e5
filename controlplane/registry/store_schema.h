// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "controlplane/registry/store.h"

#include <sqlite3.h>

// The tables of the store and the statement of each operation. Arguments are bound in order.
extern const char *const store_statements[STORE_OP_COUNT];
// Reads a table back in the order of its operation's arguments; NULL for operations that are not
// loaded.
extern const char *const store_selects[STORE_OP_COUNT];

// Makes the tables of this version in the file, which is there and empty. 0 or a negative errno
// with `error`.
int store_create_schema(const char *path, struct parse_error *error);
// Opens for writing, checks identity, version and integrity, migrates the schema. A file that is
// empty is refused. 0 or a negative errno with `error`.
int store_open_database(const char *path, sqlite3 **out, struct parse_error *error);
// Whether SQLite's last call failed for a full disk; `error` says so then.
bool store_has_no_room(sqlite3 *db, const char *path, struct parse_error *error);
