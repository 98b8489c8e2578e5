// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/privilege.h"
#include "config/config.h"

// What `fairway up` checks before it starts anything. Each returns 0 or a negative errno with a
// text that names the value and says what to do.

// Opens the program `name` (O_PATH, close-on-exec): beside our own executable, else in libexec.
// `path` receives its path.
int program_open(const char *name, char *path, size_t size, struct parse_error *error);
// That no other process has one of the addresses; waits a moment for a data plane that is ending.
int addresses_check(const struct config *config, struct parse_error *error);
// The same of the TCP addresses alone, for those who hold no privileges any more.
int tcp_check(const struct config *config, struct parse_error *error);
// That the interfaces of the links exist.
int links_check(const struct config *config, struct parse_error *error);
// What a new operator wants to know next: to stderr, as text on a terminal, else as log lines.
void print_hints(const struct config *config, const char *self);
